"""Available updates of all sites, counted, filtered and grouped in SQL.

A row is *ready* if nothing speaks against it, *open* while an update of the same component is open,
and otherwise *blocked*. `eligibility` decides the same for one site; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Collection
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
    fn,
)

from app.models.auto_update_rules import UpdateHold
from app.models.base import BaseModel, JsonField
from app.models.changes import Change
from app.models.clients import Client
from app.models.composed import composed_once
from app.models.reports import Report
from app.models.sites import Site
from app.models.statements import given
from app.models.tags import SiteTag
from app.models.visibility import EVERYTHING, Visibility

READY = "ready"
IN_PROGRESS = "open"
BLOCKED = "blocked"
RELEASE_TYPES = ("patch", "minor", "major", "unclear")
# The keys of UpdateCounts.together.
_TOGETHER = ("", *RELEASE_TYPES)
MAJOR_LAST = ("major", "unclear")
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
    """Available updates in numbers; `sites` counts those with a ready one.

    `together` are the ready ones that can be reviewed together, of each size, and of all as "".
    """

    ready: int
    sites: int
    blocked: int
    in_progress: int
    by_release_type: dict[str, int]
    together: dict[str, int]

    @property
    def total(self) -> int:
        return self.ready + self.blocked + self.in_progress


class UpdateStatus(NamedTuple):
    """The status of an available update of a site."""

    status: str
    to_version: str


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
        cls.insert_all({**row, "site": site} for row in rows)

    @classmethod
    def is_listed(cls, site_id: int, kind: str, ident: str, version: str) -> bool:
        """Whether the last data of a site lists this version."""
        same = (cls.kind == kind) & (cls.ident == ident) & (cls.to_version == version)
        return cls.select().where(cls.site == site_id, same).exists()

    # ---- conditions ----

    @classmethod
    def status_in_sql(cls, asked: UpdateFilter) -> Any:
        """Return the status as an SQL expression over a row of `connected`."""
        held = UpdateHold.select(UpdateHold.site, UpdateHold.kind, UpdateHold.ident).where(
            UpdateHold.until.is_null() | (UpdateHold.until > asked.now)
        )
        under_way = Change.select(Change.site, Change.kind, Change.ident).where(Change.has_no_end())
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
    def connected(cls, asked: UpdateFilter, *columns: Any) -> Any:
        """Return a query for the rows of connected sites that `asked` lets through."""
        query = (
            cls.select(*columns)
            .join(Site)
            .join(Client, JOIN.LEFT_OUTER)
            .switch(Site)
            .join(Report, on=Report.site == Site.id, attr="report")
            .where(Site.is_connected())
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
    def counts(cls, asked: UpdateFilter, apart: tuple[str, ...] = ()) -> UpdateCounts:
        """Return the number of updates in each status, and of the ready ones of each size.

        Updates of the kinds `apart` are not among those that are reviewed together, which are
        counted only if some are apart.
        """
        found = cls._counts(asked.timeless(), apart, **asked.times())
        counts = {status: numbers for status, *numbers in found}
        none = [0, 0, *(0 for _ in RELEASE_TYPES), *(0 for _ in _TOGETHER)]
        ready, sites, *sizes = counts.get(READY, none)
        blocked, in_progress = (counts.get(status, none)[0] for status in (BLOCKED, IN_PROGRESS))
        every = dict(zip(RELEASE_TYPES, sizes, strict=False))
        together = dict(zip(_TOGETHER, sizes[len(RELEASE_TYPES) :], strict=False))
        return UpdateCounts(ready, sites, blocked, in_progress, every, together)

    @classmethod
    @composed_once
    def _counts(cls, asked: UpdateFilter, apart: tuple[str, ...]) -> Any:
        status = cls.status_in_sql(asked).alias("status")
        rows = cls.connected(asked, cls.site, cls.kind, cls.release_type, status)
        one = rows.alias("one")
        # By status, so that the database computes it once for each row.
        sizes = [one.c.release_type == size for size in RELEASE_TYPES]
        is_usual = one.c.kind.not_in(apart)
        together = [is_usual, *(is_size & is_usual for is_size in sizes)] if apart else []
        query = cls.select(
            one.c.status,
            fn.COUNT(one.c.status),
            fn.COUNT(one.c.site_id.distinct()),
            *(_count(condition) for condition in (*sizes, *together)),
        ).from_(one)
        return query.group_by(one.c.status).tuples()

    @classmethod
    def with_status(cls, asked: UpdateFilter, status: str, *more: Any) -> Any:
        """Return a query for the rows in a status, as `listing` does."""
        return cls.listing(asked, *more).where(cls.status_in_sql(asked) == status)

    @classmethod
    def statuses(cls, asked: UpdateFilter) -> dict[int, UpdateStatus]:
        """Return the status of the update by site id, for a filter by one component."""
        query = cls.connected(asked, cls.site, cls.status_in_sql(asked), cls.to_version)
        rows: Any = query.order_by(cls.id).tuples()
        return {site_id: UpdateStatus(*row) for site_id, *row in rows}

    @classmethod
    def listing(cls, asked: UpdateFilter, *more: Any) -> Any:
        """Return a query for all rows, each with its `status`, its site and the site's client.

        `site.report.received_at` and `needs_checking` of a row are for `eligibility.SiteFacts`.
        """
        paused = Change.select(Change.site).where(Change.is_unfinished(), Change.is_incident)
        needs_checking = cls.site.in_(paused).alias("needs_checking")
        columns = (Report.received_at, needs_checking, cls.status_in_sql(asked).alias("status"))
        query = cls.connected(asked, cls, Site, Client, *columns, *more)
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
