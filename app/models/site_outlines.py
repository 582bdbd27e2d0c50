"""Sites in outline, for pages that need little of each of a large fleet."""

from __future__ import annotations

from typing import Any, NamedTuple

from peewee import fn

from app.models.composed import composed_once
from app.models.sites import Site
from app.models.visibility import Visibility


class SiteOutline(NamedTuple):
    """What rules and choices need to know of a site."""

    id: int
    name: str
    client_id: int | None
    state: str


def outlines(visible: Visibility) -> list[SiteOutline]:
    """Return the visible sites that were not removed, by name."""
    return [SiteOutline(*row) for row in _outlines(visible)]


@composed_once
def _outlines(visible: Visibility) -> Any:
    query = Site.select(Site.id, Site.name, Site.client, Site.state)
    query = query.where(Site.forgotten_at.is_null(), visible.in_sql(Site.client))
    return query.order_by(fn.LOWER(Site.name), Site.id).tuples()
