"""Clients and their reports."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.audit.events.base import Event


@dataclass(frozen=True, kw_only=True)
class ClientReportIssued(Event):
    """A client report was created; `digest` covers everything in it."""

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
    """The client `merged` was merged into `client`, with its sites and users.

    `brings` names the auto-update rules that cover these sites from now on.
    """

    merged: str
    client: str
    sites: str
    people: int
    brings: str
