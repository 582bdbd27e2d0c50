"""Checkpoints: signed heads of site logs, and what sites have seen of Aura's log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from peewee import BigIntegerField, CharField, CompositeKey, ForeignKeyField, TextField

from app.models.base import BaseModel, UtcField
from app.models.sites import Site
from app.models.statements import Statement, given


class SiteCheckpoint(BaseModel):
    """A signed checkpoint of a site's log, the last one of each day.

    `body` has the exact signed bytes.
    """

    site = ForeignKeyField(Site, backref="+", on_delete="CASCADE")
    site_id: int
    log = CharField(max_length=36)
    day = CharField(max_length=10)
    n = BigIntegerField()
    hash = CharField(max_length=64)
    at = BigIntegerField()
    received_at = UtcField()
    body = TextField()
    signature = CharField(max_length=86)

    class Meta:
        primary_key = CompositeKey("site", "log", "day")

    @classmethod
    def newest(cls, site: Site) -> SiteCheckpoint | None:
        row = _NEWEST.read_row(site=site)
        return None if row is None else cls.from_row(row)

    @classmethod
    def keep(cls, **row: Any) -> None:
        """One for each day; the later takes the place of the earlier."""
        _KEEP.execute(**row)

    @classmethod
    def between(cls, site: Site, log: str, first: int, last: int) -> list[SiteCheckpoint]:
        rows = _BETWEEN.read_rows(site=site, log=log, first=first, last=last)
        return [cls.from_row(row) for row in rows]


class AuditAnchor(BaseModel):
    """The newest audit entry that a site has seen, one per day.

    Entry `n` had `hash` when Aura called that site.
    """

    site = ForeignKeyField(Site, backref="+", on_delete="CASCADE")
    site_id: int
    day = CharField(max_length=10)
    n = BigIntegerField()
    hash = CharField(max_length=64)
    reported_at = UtcField()

    class Meta:
        primary_key = CompositeKey("site", "day")

    @classmethod
    def keep(cls, site: Site, n: int, digest: str, now: datetime) -> None:
        _KEEP_ANCHOR.execute(site=site, day=f"{now:%Y-%m-%d}", n=n, hash=digest, reported_at=now)

    @classmethod
    def all_with_names(cls) -> Iterator[tuple[int, str, int, str, datetime]]:
        """Yield site id, site name, `n`, `hash` and `reported_at` of all, by `n`.

        There is one for each site and day, so after years they are many: no models are built.
        """
        query: Any = cls.select(cls.site, Site.name, cls.n, cls.hash, cls.reported_at).join(Site)
        yield from query.order_by(cls.n).tuples().iterator()


def _keep_latest(model: Any, *key: str) -> Statement:
    """Return the statement that stores a row, unless its key has the same `n` already or a later.

    `key` are the names of the columns that are unique together.
    """
    row = {name: given(field) for name, field in model.columns().items()}
    later = {name: place for name, place in row.items() if name not in key}
    is_later = model.n < given(model.n)
    target = [model.columns()[name] for name in key]
    insert = model.insert(row)
    return Statement(insert.on_conflict(conflict_target=target, update=later, where=is_later))


_NEWEST = Statement(
    SiteCheckpoint.select()
    .where(SiteCheckpoint.site == given(SiteCheckpoint.site))
    .order_by(SiteCheckpoint.received_at.desc())
    .limit(1)
)
_BETWEEN = Statement(
    SiteCheckpoint.select().where(
        SiteCheckpoint.site == given(SiteCheckpoint.site),
        SiteCheckpoint.log == given(SiteCheckpoint.log),
        SiteCheckpoint.n.between(given(SiteCheckpoint.n, "first"), given(SiteCheckpoint.n, "last")),
    )
)
_KEEP = _keep_latest(SiteCheckpoint, "site", "log", "day")
_KEEP_ANCHOR = _keep_latest(AuditAnchor, "site", "day")
