"""The lists of available updates, page by page: by component, by site, and the blocked ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import JOIN, Case, fn

from app.models.available_updates import (
    BLOCKED,
    IN_PROGRESS,
    MAJOR_LAST,
    READY,
    AvailableUpdate,
    UpdateFilter,
    UpdateKey,
)
from app.models.clients import Client
from app.models.composed import composed_once
from app.models.key_pages import (
    BEFORE,
    FIRST_PAGE,
    Key,
    KeyPage,
    KeyTypes,
    Placed,
    Start,
    beside,
    key_places,
    read_page,
    typed_key,
)
from app.models.site_vulnerabilities import SiteVulnerability
from app.models.sites import Site
from app.models.statements import given
from app.models.vulnerabilities import RATINGS

# The types of the keys of each list.
COMPONENT_KEY: KeyTypes = (int, int, int, str, str, str, str, str)
SITE_KEY: KeyTypes = (int, str, int)
BLOCKED_KEY: KeyTypes = (str, str, str, int, str, str)


@dataclass(frozen=True)
class UpdateGroup:
    """One step of one component, and the number of sites in each status."""

    key: UpdateKey
    name: str
    release_type: str
    permission: str
    ready: int
    open: int
    blocked: int


@dataclass(frozen=True)
class SiteGroup:
    """The available updates of one site, with the names of the ready ones.

    Of the site and its client there are only the names.
    """

    site: Site
    ready: int
    blocked: int
    names: list[str]


def by_component(
    asked: UpdateFilter, *, size: int, start: Start = FIRST_PAGE
) -> tuple[KeyPage[UpdateGroup], int]:
    """Return one group for each step of a component, and the number of all groups.

    Those whose installed version has a known vulnerability come first, the worst of them at the
    top, and those with major versions last. Otherwise it is the most widespread first.
    """
    total = 0

    def read(start: Start, limit: int) -> list[Placed[UpdateGroup]]:
        nonlocal total
        values = {**asked.times(), **start.values(), "limit": limit}
        rows: list[Placed[UpdateGroup]] = []
        for row in _by_component(asked.timeless(), start.side, **values):
            *key, total, name, size, permission, ready, in_progress, blocked = row
            step = UpdateKey(*key[-len(UpdateKey._fields) :])
            group = UpdateGroup(step, name, size, permission, ready, in_progress, blocked)
            rows.append(Placed(typed_key(key, COMPONENT_KEY), group))
        return rows

    return read_page(read, start, size), total


@composed_once
def _by_component(asked: UpdateFilter, side: str) -> Any:
    update = AvailableUpdate
    columns = (update.kind, update.ident, update.from_version, update.to_version)
    status = update.status_in_sql(asked).alias("status")
    more = (update.release_type, update.permission, update.name, status)
    rows = update.connected(asked, *columns, *more).alias("one")
    one = _counted(rows, (*columns, update.release_type), permission=fn.MIN, name=fn.MIN)
    key = (one.c.kind, one.c.ident, one.c.from_version, one.c.to_version)
    size, ready, name = fn.MIN(one.c.release_type), _sum(one, READY), fn.MIN(one.c.name)
    worst = SiteVulnerability.worst_by_version().alias("worst")
    is_same = (worst.c.kind == one.c.kind) & (worst.c.ident == one.c.ident)
    is_same &= worst.c.version == one.c.from_version
    groups = update.select(
        *key, name.alias("name"), size.alias("size"), fn.MIN(one.c.permission).alias("permission"),
        ready.alias("ready"), _sum(one, IN_PROGRESS).alias("open"),
        _sum(one, BLOCKED).alias("blocked"), fn.COUNT(one.c.kind).over().alias("total"),
        fn.COALESCE(fn.MIN(worst.c.rank), len(RATINGS)).alias("severity"),
        Case(None, ((size.in_(MAJOR_LAST), 1),), 0).alias("is_late"),
        (ready * -1).alias("rarity"), fn.LOWER(name).alias("sorted_name"),
    ).from_(one)  # fmt: skip
    groups = groups.join_from(one, worst, JOIN.LEFT_OUTER, on=is_same)
    group = groups.group_by(*key).having(ready > 0).alias("group")
    order = [group.c[each] for each in ("severity", "is_late", "rarity", "sorted_name")]
    order += [group.c[each] for each in UpdateKey._fields]
    shown = ("total", "name", "size", "permission", "ready", "open", "blocked")
    query = update.select(*order, *(group.c[each] for each in shown)).from_(group)
    limit = given(update.id, "limit")
    return beside(query, order, side, key_places(COMPONENT_KEY), limit).tuples()


def by_site(
    asked: UpdateFilter, *, size: int, start: Start = FIRST_PAGE
) -> tuple[KeyPage[SiteGroup], int]:
    """Return one group for each site with a ready update, those with most first; and how many.

    The names are those of the ready updates.
    """
    total = 0

    def read(start: Start, limit: int) -> list[Placed[SiteGroup]]:
        nonlocal total
        groups: dict[int, Placed[SiteGroup]] = {}
        values = {**asked.times(), **start.values(), "limit": limit}
        for row in _by_site(asked.timeless(), start.side, **values):
            page = row.page
            total = page.sites
            group = SiteGroup(row.site, page.ready, page.blocked, [])
            key = typed_key((page.rarity, page.sorted_name, row.site_id), SITE_KEY)
            groups.setdefault(row.site_id, Placed(key, group)).item.names.append(row.name)
        found = list(groups.values())
        return found[::-1] if start.side == BEFORE else found

    return read_page(read, start, size), total


@composed_once
def _by_site(asked: UpdateFilter, side: str) -> Any:
    update = AvailableUpdate
    status = update.status_in_sql(asked)
    columns = (update.site, Site.name.alias("name"), status.alias("status"))
    one = _counted(update.connected(asked, *columns).alias("one"), (update.site,), name=fn.MIN)
    ready, name = _sum(one, READY), fn.MIN(one.c.name)
    groups = update.select(
        one.c.site_id,
        ready.alias("ready"),
        _sum(one, BLOCKED).alias("blocked"),
        fn.COUNT(one.c.site_id).over().alias("sites"),
        (ready * -1).alias("rarity"),
        fn.LOWER(name).alias("sorted_name"),
    ).from_(one)
    group = groups.group_by(one.c.site_id).having(ready > 0).alias("group")
    names = ("ready", "blocked", "sites", "rarity", "sorted_name")
    query = update.select(group.c.site_id, *(group.c[each] for each in names)).from_(group)
    order = (group.c.rarity, group.c.sorted_name, group.c.site_id)
    limit = given(update.id, "limit")
    page = beside(query, order, side, key_places(SITE_KEY), limit).alias("page")
    shown = (update.site, update.name, Site.id, Site.name, Client.id, Client.name)
    rows = update.connected(asked, *shown, *(page.c[each] for each in names))
    rows = rows.join_from(update, page, on=update.site == page.c.site_id, attr="page")
    rows = rows.where(status == READY)
    return rows.order_by(page.c.rarity, page.c.sorted_name, page.c.site_id, update.name)


def blocked(
    asked: UpdateFilter, *, size: int, start: Start = FIRST_PAGE
) -> KeyPage[AvailableUpdate]:
    """Return the blocked updates in the order of `AvailableUpdate.listing`, with its columns."""
    update = AvailableUpdate
    name, site_name = fn.LOWER(update.name), fn.LOWER(Site.name)
    order = (name, update.ident, site_name, update.site, update.kind, update.to_version)
    more = (name.alias("sorted_name"), site_name.alias("sorted_site"))
    every = update.with_status(asked, BLOCKED, *more)

    def read(start: Start, limit: int) -> list[Placed[AvailableUpdate]]:
        rows = beside(every, order, start.side, start.key, limit)
        return [Placed(_blocked_key(row), row) for row in rows]

    return read_page(read, start, size)


def _blocked_key(row: Any) -> Key:
    place = (row.sorted_name, row.ident, row.sorted_site, row.site_id)
    return (*place, row.kind, row.to_version)


def _counted(one: Any, columns: Sequence[Any], **more: Callable[..., Any]) -> Any:
    """Return a subquery that counts rows by these columns and by status.

    Counting in a second step has the database compute the status of each row once.
    """
    groups = [getattr(one.c, column.column_name) for column in columns]
    values = [function(getattr(one.c, name)).alias(name) for name, function in more.items()]
    count = fn.COUNT(one.c.status).alias("count")
    query = AvailableUpdate.select(*groups, one.c.status, *values, count).from_(one)
    return query.group_by(*groups, one.c.status).alias("counted")


def _sum(counted: Any, status: str) -> Any:
    """Return how many rows of a group of `_counted` have a status."""
    return fn.SUM(Case(None, ((counted.c.status == status, counted.c.count),), 0))
