"""What clients are told."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.events.base import Event


@dataclass(frozen=True, kw_only=True)
class ClientReportMade(Event):
    """A client's report was taken along; `digest` is of everything that it said."""

    client: str
    first_day: str
    last_day: str
    form: str
    digest: str
