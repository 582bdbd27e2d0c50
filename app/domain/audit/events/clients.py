"""What clients are told, and which clients there are."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.audit.events.base import Event


@dataclass(frozen=True, kw_only=True)
class ClientReportMade(Event):
    """A client's report was taken along; `digest` is of everything that it said."""

    client: str
    first_day: str
    last_day: str
    form: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class ClientRenamed(Event):
    name_before: str
    name: str


@dataclass(frozen=True, kw_only=True)
class ClientsMerged(Event):
    """`merged` is no more; its sites and people are those of `client`. `brings` names the standing
    approvals that cover these sites from now on."""

    merged: str
    client: str
    sites: str
    people: int
    brings: str
