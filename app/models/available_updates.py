"""Available updates of all sites, counted, filtered and grouped in SQL.

A row is *ready* if nothing speaks against it, *open* while an update of the same component is open,
and otherwise *blocked*. `eligibility` decides the same for one site; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from peewee import (
    JOIN,
    AutoField,
    BooleanField,
    Case,
    CharField,
    Expression,
    ForeignKeyField,
    Tuple,
    chunked,
    fn,
)

from app.models.auto_update_rules import UpdateHold
from app.models.base import BaseModel, JsonField
from app.models.changes import OPEN, Change
from app.models.clients import Client
from app.models.composed import composed_once
from app.models.reports import Report
from app.models.site_vulnerabilities import SiteVulnerability
from app.models.sites import ACTIVE, Site
from app.models.statements import given
from app.models.tags import SiteTag
from app.models.visibility import EVERYTHING, Visibility
from app.models.vulnerabilities import RATINGS

READY = "ready"
IN_PROGRESS = "open"
BLOCKED = "blocked"
RELEASE_TYPES = ("patch", "minor", "major", "unclear")
MAJOR_LAST = ("major", "unclear")
_ROWS_PER_INSERT = 50
_NOW: Any = given(UpdateHold.until, "now")
_FRESH_SINCE: Any = given(Report.received_at, "fresh_since")


class UpdateKey(NamedTuple):
    """What one row of the list by plugin is about: one step of one component, on any site."""

    kind: str
    ident: str
    from_version: str
    to_version: str


@dataclass(frozen=True)
class UpdateFilter:
    """Which available updates a query is about; what is empty narrows nothing.

    `fresh_since` is when a site must have been synced at the latest. `tag` is the folded text.
    """

    now: datetime
    fresh_since: datetime
    visible: Visibility = EVERYTHING
    client_id: int | None = None
    site_ids: tuple[int, ...] = ()
    tag: str = ""
    text: str = ""
    release_type: str = ""
    kind: str = ""
    ident: str = ""
    without_kinds: tuple[str, ...] = ()

    def timeless(self) -> UpdateFilter:
        """Return the same filter with places for its times, for a query that is composed once."""
        return replace(self, now=_NOW, fresh_since=_FRESH_SINCE)

    def times(self) -> dict[str, datetime]:
        """Return the values for the places of `timeless`."""
        return {"now": self.now, "fresh_since": self.fresh_since}


@dataclass(frozen=True)
class UpdateCounts:
    """Available updates in numbers; `sites` counts those with a ready one."""

    ready: int
    sites: int
    blocked: int
    in_progress: int
    by_release_type: dict[str, int]

    @property
    def total(self) -> int:
        return self.ready + self.blocked + self.in_progress


class UpdateStatus(NamedTuple):
    """The status of an available update of a site."""

    status: str
    to_version: str


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


class AvailableUpdate(BaseModel):
    """A newer version that a site's last data lists, of WordPress and translations as well.

    `reasons` are those against it that only other site data can change, as [code, facts] pairs;
    `is_fit` says that there is none.
    """

    id = AutoField()
    site = ForeignKeyField(Site, backref="available_updates", on_delete="CASCADE")
    site_id: int
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    name = CharField(max_length=300)
    from_version = CharField(max_length=300)
    to_version = CharField(max_length=300)
    release_type = CharField(max_length=16)
    permission = CharField(max_length=16)
    is_fit = BooleanField()
    reasons = JsonField()

    class Meta:
        indexes = (
            (("site", "kind", "ident", "to_version"), True),
            (("kind", "ident"), False),
        )

    @property
    def key(self) -> UpdateKey:
        return UpdateKey(self.kind, self.ident, self.from_version, self.to_version)

    @classmethod
    def replace_all(cls, site: Site, rows: list[dict[str, Any]]) -> None:
        """Replace the rows of a site."""
        cls.delete().where(cls.site == site).execute()
        for some in chunked([{**row, "site": site} for row in rows], _ROWS_PER_INSERT):
            cls.insert_many(some).execute()

    @classmethod
    def is_listed(cls, site_id: int, kind: str, ident: str, version: str) -> bool:
        """Whether the last data of a site lists this version."""
        same = (cls.kind == kind) & (cls.ident == ident) & (cls.to_version == version)
        return cls.select().where(cls.site == site_id, same).exists()

    # ---- conditions ----

    @classmethod
    def _status(cls, asked: UpdateFilter) -> Any:
        """Return the status as an SQL expression over this row, its site and the site's report."""
        held = UpdateHold.select(UpdateHold.site, UpdateHold.kind, UpdateHold.ident).where(
            UpdateHold.until.is_null() | (UpdateHold.until > asked.now)
        )
        under_way = Change.select(Change.site, Change.kind, Change.ident).where(
            Change.state.in_(OPEN)
        )
        paused = Change.select(Change.site).where(Change.is_unfinished(), Change.is_incident)
        component = Tuple(cls.site, cls.kind, cls.ident)
        is_blocked = (
            ~cls.is_fit
            | (Site.quarantine != "")
            | (Report.received_at < asked.fresh_since)
            | cls.site.in_(paused)
            | Expression(component, "IN", held)
        )
        is_open = Expression(component, "IN", under_way)
        return Case(None, ((is_open, IN_PROGRESS), (is_blocked, BLOCKED)), READY)

    @classmethod
    def _connected(cls, asked: UpdateFilter, *columns: Any) -> Any:
        """Return a query for the rows of connected sites that `asked` lets through."""
        query = (
            cls.select(*columns)
            .join(Site)
            .join(Client, JOIN.LEFT_OUTER)
            .switch(Site)
            .join(Report, on=Report.site == Site.id, attr="report")
            .where(Site.state == ACTIVE, Site.forgotten_at.is_null())
        )
        for condition in cls._conditions(asked):
            query = query.where(condition)
        return query

    @classmethod
    def _conditions(cls, asked: UpdateFilter) -> list[Any]:
        found: list[Any] = [asked.visible.in_sql(Site.client)]
        if asked.client_id is not None:
            found.append(Site.client == asked.client_id)
        if asked.site_ids:
            found.append(cls.site.in_(asked.site_ids))
        if asked.tag:
            found.append(
                cls.site.in_(SiteTag.select(SiteTag.site).where(SiteTag.folded == asked.tag))
            )
        if asked.text:
            found.append(
                cls.name.contains(asked.text)
                | cls.ident.contains(asked.text)
                | Site.name.contains(asked.text)
            )
        if asked.release_type:
            found.append(cls.release_type == asked.release_type)
        if asked.kind:
            found.append((cls.kind == asked.kind) & (cls.ident == asked.ident))
        if asked.without_kinds:
            found.append(cls.kind.not_in(asked.without_kinds))
        return found

    # ---- lists ----

    @classmethod
    def counts(cls, asked: UpdateFilter) -> UpdateCounts:
        """Return the number of updates in each status, and of the ready ones of each size."""
        found = cls._counts(asked.timeless(), **asked.times())
        counts = {status: numbers for status, *numbers in found}
        none = [0, 0, *(0 for _ in RELEASE_TYPES)]
        ready, sites, *sizes = counts.get(READY, none)
        blocked, in_progress = (counts.get(status, none)[0] for status in (BLOCKED, IN_PROGRESS))
        by_release_type = dict(zip(RELEASE_TYPES, sizes, strict=True))
        return UpdateCounts(ready, sites, blocked, in_progress, by_release_type)

    @classmethod
    @composed_once
    def _counts(cls, asked: UpdateFilter) -> Any:
        rows = cls._connected(asked, cls.site, cls.release_type, cls._status(asked).alias("status"))
        one = rows.alias("one")
        # By status, so that the database computes it once for each row.
        query = cls.select(
            one.c.status,
            fn.COUNT(one.c.status),
            fn.COUNT(one.c.site_id.distinct()),
            *(_count(one.c.release_type == size) for size in RELEASE_TYPES),
        ).from_(one)
        return query.group_by(one.c.status).tuples()

    @classmethod
    def by_component(
        cls, asked: UpdateFilter, *, limit: int, offset: int = 0
    ) -> tuple[list[UpdateGroup], int]:
        """Return one group for each step of a component, and the number of all groups.

        Those whose installed version has a known vulnerability come first, the worst of them at the
        top, and those with major versions last. Otherwise it is the most widespread first.
        """
        query = cls._by_component(asked.timeless(), **asked.times(), limit=limit, offset=offset)
        found: list[Any] = list(query)
        groups = [UpdateGroup(UpdateKey(*row[:4]), *row[4:10]) for row in found]
        return groups, found[0][10] if found else 0

    @classmethod
    @composed_once
    def _by_component(cls, asked: UpdateFilter) -> Any:
        columns = (cls.kind, cls.ident, cls.from_version, cls.to_version, cls.release_type)
        rows = cls._connected(
            asked, *columns, cls.permission, cls.name, cls._status(asked).alias("status")
        )
        one = cls._counted(rows.alias("one"), columns, permission=fn.MIN, name=fn.MIN)
        key = (one.c.kind, one.c.ident, one.c.from_version, one.c.to_version)
        size = fn.MIN(one.c.release_type)
        ready, name = _sum(one, READY), fn.MIN(one.c.name)
        worst = SiteVulnerability.worst_by_version().alias("worst")
        is_same = (worst.c.kind == one.c.kind) & (worst.c.ident == one.c.ident)
        is_same &= worst.c.version == one.c.from_version
        severity = fn.COALESCE(fn.MIN(worst.c.rank), len(RATINGS))
        query = cls.select(
            *key, name, size, fn.MIN(one.c.permission), ready,
            _sum(one, IN_PROGRESS), _sum(one, BLOCKED), fn.COUNT(one.c.kind).over(),
        ).from_(one)  # fmt: skip
        query = query.join_from(one, worst, JOIN.LEFT_OUTER, on=is_same)
        query = query.group_by(*key).having(ready > 0)
        query = query.order_by(severity, size.in_(MAJOR_LAST), ready.desc(), fn.LOWER(name), *key)
        return query.limit(given(cls.id, "limit")).offset(given(cls.id, "offset")).tuples()

    @classmethod
    def by_site(
        cls, asked: UpdateFilter, *, limit: int, offset: int = 0
    ) -> tuple[list[SiteGroup], int]:
        """Return one group for each site with a ready update, those with most first; and how many.

        The names are those of the ready updates.
        """
        columns = (cls.site, Site.name.alias("name"), cls._status(asked).alias("status"))
        every = cls._connected(asked, *columns).alias("one")
        one = cls._counted(every, (cls.site,), name=fn.MIN)
        ready = _sum(one, READY)
        counted = cls.select(
            one.c.site_id,
            ready.alias("ready"),
            _sum(one, BLOCKED).alias("blocked"),
            fn.COUNT(one.c.site_id).over().alias("sites"),
        ).from_(one)
        counted = counted.group_by(one.c.site_id).having(ready > 0)
        counted = counted.order_by(ready.desc(), fn.LOWER(fn.MIN(one.c.name)), one.c.site_id)
        page = counted.limit(limit).offset(offset).alias("page")
        shown = (cls.site, cls.name, Site.id, Site.name, Client.id, Client.name)
        query = cls._connected(asked, *shown, page.c.ready, page.c.blocked, page.c.sites)
        query = query.join_from(cls, page, on=cls.site == page.c.site_id, attr="page")
        query = query.where(cls._status(asked) == READY)
        rows: list[Any] = list(
            query.order_by(page.c.ready.desc(), fn.LOWER(Site.name), Site.id, cls.name)
        )
        groups: dict[int, SiteGroup] = {}
        for row in rows:
            empty = SiteGroup(row.site, row.page.ready, row.page.blocked, [])
            groups.setdefault(row.site_id, empty).names.append(row.name)
        return list(groups.values()), rows[0].page.sites if rows else 0

    @classmethod
    def _counted(cls, one: Any, columns: Sequence[Any], **more: Callable[..., Any]) -> Any:
        """Return a subquery that counts rows by these columns and by status.

        Counting in a second step has the database compute the status of each row once.
        """
        groups = [getattr(one.c, column.column_name) for column in columns]
        values = [function(getattr(one.c, name)).alias(name) for name, function in more.items()]
        count = fn.COUNT(one.c.status).alias("count")
        query = cls.select(*groups, one.c.status, *values, count).from_(one)
        return query.group_by(*groups, one.c.status).alias("counted")

    @classmethod
    def with_status(cls, asked: UpdateFilter, status: str, *more: Any) -> Any:
        """Return a query for the rows in a status, as `listing` does."""
        return cls.listing(asked, *more).where(cls._status(asked) == status)

    @classmethod
    def statuses(cls, asked: UpdateFilter) -> dict[int, UpdateStatus]:
        """Return the status of the update by site id, for a filter by one component."""
        query = cls._connected(asked, cls.site, cls._status(asked), cls.to_version)
        rows: Any = query.order_by(cls.id).tuples()
        return {site_id: UpdateStatus(*row) for site_id, *row in rows}

    @classmethod
    def listing(cls, asked: UpdateFilter, *more: Any) -> Any:
        """Return a query for all rows, each with its `status`, its site and the site's client.

        `site.report.received_at` and `needs_checking` of a row are for `eligibility.SiteFacts`.
        """
        paused = Change.select(Change.site).where(Change.is_unfinished(), Change.is_incident)
        columns = (cls.site.in_(paused).alias("needs_checking"), cls._status(asked).alias("status"))
        query = cls._connected(asked, cls, Site, Client, Report.received_at, *columns, *more)
        return query.order_by(fn.LOWER(cls.name), cls.ident, fn.LOWER(Site.name), cls.id)

    @classmethod
    def about(
        cls, asked: UpdateFilter, status: str, keys: Collection[UpdateKey]
    ) -> list[AvailableUpdate]:
        """Return the rows in a status that are about one of `keys`."""
        query = cls.with_status(asked, status).where(cls.ident.in_({key.ident for key in keys}))
        return [row for row in query if row.key in keys]


def _count(condition: Any) -> Any:
    """Return how many rows of a group fulfill `condition`; 0 without rows."""
    return fn.COUNT(Case(None, ((condition, 1),)))


def _sum(counted: Any, status: str) -> Any:
    """Return how many rows of a group of `_counted` have a status."""
    return fn.SUM(Case(None, ((counted.c.status == status, counted.c.count),), 0))
