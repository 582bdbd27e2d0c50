"""What the list of sites needs of each site, read in one query at any fleet size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import JOIN, fn

from app.models.changes import OPEN, Change
from app.models.clients import Client
from app.models.reports import Report
from app.models.sites import MAY_CALL, Site


@dataclass(frozen=True)
class SiteSummary:
    """One site in a list.

    `wordpress` and `php` are None before the first sync. `connection` is `Site.connection`.
    """

    id: int
    name: str
    url: str
    home: str
    client_id: int | None
    client: str
    state: str
    connection: str
    quarantine: str
    update_count: int
    last_success_at: datetime | None
    added_at: datetime
    wordpress: str | None
    php: str | None

    @property
    def is_paired(self) -> bool:
        return self.state in MAY_CALL

    @property
    def available_updates(self) -> int | None:
        """Return the number of available updates; None before the first sync."""
        return None if self.wordpress is None else self.update_count

    def matches(self, text: str) -> bool:
        """Whether the name, the address or the client contains `text`, ignoring case."""
        sought = text.casefold()
        return any(sought in one.casefold() for one in (self.name, self.url, self.client))


def site_summaries(client_id: int | None = None) -> list[SiteSummary]:
    """Return all sites that were not removed, by name; of one client if given."""
    query = (
        Site.select(
            Site.id,
            Site.name,
            Site.url,
            Site.home,
            Site.client,
            Client.name,
            Site.state,
            Site.connection_in_sql(),
            Site.quarantine,
            Site.update_count,
            Site.last_success_at,
            Site.added_at,
            Report.wordpress,
            Report.php,
        )
        .join(Client, JOIN.LEFT_OUTER)
        .switch(Site)
        .join(Report, JOIN.LEFT_OUTER)
        .where(Site.forgotten_at.is_null())
    )
    if client_id is not None:
        query = query.where(Site.client == client_id)
    rows: Any = query.tuples()
    found = [_summary(*row) for row in rows]
    return sorted(found, key=lambda one: (one.name.casefold(), one.id))


def _summary(
    site_id: int,
    name: str,
    url: str,
    home: str,
    client_id: int | None,
    client: str | None,
    *more: Any,
) -> SiteSummary:
    return SiteSummary(site_id, name, url, home, client_id, client or "", *more)


def open_changes(site_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """Return the number of open changes of these sites, by site and state."""
    query = (
        Change.select(Change.site, Change.state, fn.COUNT(Change.id))
        .where(Change.site.in_(site_ids), Change.state.in_(OPEN))
        .group_by(Change.site, Change.state)
    )
    found: dict[int, dict[str, int]] = {}
    rows: Any = query.tuples()
    for site_id, state, count in rows:
        found.setdefault(site_id, {})[state] = count
    return found
