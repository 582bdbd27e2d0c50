"""Pairing: tokens, attempts and results."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.audit.events.base import Event


@dataclass(frozen=True, kw_only=True)
class PairingTokenIssued(Event):
    pairing_id: int
    expires_at: str


@dataclass(frozen=True, kw_only=True)
class PairingCancelled(Event):
    pairing_id: int


@dataclass(frozen=True, kw_only=True)
class PairingExpired(Event):
    pairing_id: int


@dataclass(frozen=True, kw_only=True)
class PairingAttemptFailed(Event):
    pairing_id: int
    error_code: str
    evidence: dict[str, str | int]
    outcome: str = "failed"


@dataclass(frozen=True, kw_only=True)
class PairingFailed(Event):
    """The token was closed because of an error that waiting cannot fix."""

    pairing_id: int
    error_code: str
    evidence: dict[str, str | int]
    outcome: str = "failed"


@dataclass(frozen=True, kw_only=True)
class PairingCompleted(Event):
    pairing_id: int
    fingerprint: str
    endpoint: str
    kid: str
