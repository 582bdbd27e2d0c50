"""The end of a connection, from either side."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.audit.events.base import Event, Personal


@dataclass(frozen=True, kw_only=True)
class RevocationStarted(Event):
    kid: str
    reason: Personal


@dataclass(frozen=True, kw_only=True)
class RevocationConfirmed(Event):
    kid: str
    acknowledged_at: str
    refused_at: str


@dataclass(frozen=True, kw_only=True)
class RevocationUnproven(Event):
    kid: str
    acknowledged: bool
    probe: str


@dataclass(frozen=True, kw_only=True)
class RevocationUndelivered(Event):
    kid: str
    error_code: str
    next_attempt_at: str


@dataclass(frozen=True, kw_only=True)
class RevocationChecksEnded(Event):
    """The connection was not restored for a year, so its last secret was destroyed."""

    kid: str


@dataclass(frozen=True, kw_only=True)
class RevocationAbandoned(Event):
    """Aura stopped after ninety days without reaching the site."""

    kid: str


@dataclass(frozen=True, kw_only=True)
class SiteDisconnected(Event):
    kid: str
    confirmed: bool
    how: str


@dataclass(frozen=True, kw_only=True)
class DisconnectProofForged(Event):
    """A disconnect notice had a valid proof, but the site never sent it: a copy of it exists."""

    kid: str


@dataclass(frozen=True, kw_only=True)
class SiteReconnected(Event):
    kid: str


@dataclass(frozen=True, kw_only=True)
class NoticeRefused(Event):
    op: str
    reason: str
    outcome: str = "refused"
