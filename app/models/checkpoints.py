"""What each side has seen of the other's log, and the site's log itself as it was received."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from peewee import (
    BigIntegerField,
    CharField,
    CompositeKey,
    ForeignKeyField,
    IntegerField,
    TextField,
    fn,
)

from app.models.base import BaseModel, UtcField
from app.models.sites import Site

_THE_ONLY_ROW = 1


class TrailFrontier(BaseModel):
    """The Merkle tree over the trail's first `size` entries, the last of which has `hash`; only
    so that the root need not be computed from the beginning each time."""

    id = IntegerField(primary_key=True)
    size = BigIntegerField()
    hash = CharField(max_length=64)
    roots = TextField()

    @classmethod
    def known(cls) -> TrailFrontier | None:
        return cls.get_or_none(cls.id == _THE_ONLY_ROW)

    @classmethod
    def keep(cls, size: int, digest: str, roots: str) -> None:
        row = {"size": size, "hash": digest, "roots": roots}
        cls.insert(id=_THE_ONLY_ROW, **row).on_conflict(
            conflict_target=[cls.id], update=row
        ).execute()


class SiteMark(BaseModel):
    """How far a site's log reached, in its own signed words: the last one of each day, and so
    also the newest. `body` holds the very bytes that were signed."""

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
    def newest(cls, site: Site) -> SiteMark | None:
        return cls.select().where(cls.site == site).order_by(cls.received_at.desc()).first()

    @classmethod
    def keep(cls, **row: Any) -> None:
        """One for each day; the later takes the place of the earlier."""
        later = {
            name: row[name] for name in ("n", "hash", "at", "received_at", "body", "signature")
        }
        cls.insert(**row).on_conflict(
            conflict_target=[cls.site, cls.log, cls.day], update=later, where=cls.n <= row["n"]
        ).execute()

    @classmethod
    def between(cls, site: Site, log: str, first: int, last: int) -> list[SiteMark]:
        return list(
            cls.select().where(cls.site == site, cls.log == log, cls.n.between(first, last))
        )


class AuditAnchor(BaseModel):
    """Up to which entry a site has seen this trail, as it said itself: the furthest of each day.
    Entry `n` had `hash` when Aura called that site."""

    site = ForeignKeyField(Site, backref="+", on_delete="CASCADE")
    site_id: int
    day = CharField(max_length=10)
    n = BigIntegerField()
    hash = CharField(max_length=64)
    said_at = UtcField()

    class Meta:
        primary_key = CompositeKey("site", "day")

    @classmethod
    def keep(cls, site: Site, n: int, digest: str, now: datetime) -> None:
        row = {"n": n, "hash": digest, "said_at": now}
        cls.insert(site=site, day=f"{now:%Y-%m-%d}", **row).on_conflict(
            conflict_target=[cls.site, cls.day], update=row, where=cls.n <= n
        ).execute()


class SiteLog(BaseModel):
    """How far a site's log was read and found whole: `n` and `hash`, in a log called `log`.

    Where a log had to be taken up anew, `branch` counts up. `compared_n` is the entry up to
    which both sides were compared; `read_at` is when the site last gave entries. `total_bytes` is
    how much of it was kept in all, `day_bytes` how much of that on `day` (UTC).
    """

    site = ForeignKeyField(Site, primary_key=True, backref="+", on_delete="CASCADE")
    site_id: int
    log = CharField(max_length=36, default="")
    branch = IntegerField(default=0)
    n = BigIntegerField(default=0)
    hash = CharField(max_length=64, default="")
    compared_n = BigIntegerField(default=0)
    read_at = UtcField(null=True)
    total_bytes = BigIntegerField(default=0)
    day = CharField(max_length=10, default="")
    day_bytes = BigIntegerField(default=0)

    @classmethod
    def get_or_create_for(cls, site: Site) -> SiteLog:
        """The row, made at first use."""
        cls.insert(site=site).on_conflict_ignore().execute()
        return cls.get_by_id(site.id)

    def advance(self, **changes: Any) -> bool:
        """Set columns if nobody has read further since this row was; False if somebody has."""
        return self.update_if(SiteLog.n == self.n, SiteLog.branch == self.branch, **changes)


class SiteEntry(BaseModel):
    """One entry of a site's log, exactly as it was received; only ever added, which triggers
    guard as they do the trail."""

    site = ForeignKeyField(Site, backref="+", on_delete="RESTRICT")
    site_id: int
    branch = IntegerField()
    seq = BigIntegerField()
    log = CharField(max_length=36)
    prev = CharField(max_length=64)
    body = TextField()
    hash = CharField(max_length=64)
    received_at = UtcField()

    class Meta:
        primary_key = CompositeKey("site", "branch", "seq")

    @classmethod
    def behind(cls, site_id: int, branch: int, seq: int) -> list[SiteEntry]:
        """Of one branch, those after `seq`, oldest first."""
        query = cls.select().where(cls.site == site_id, cls.branch == branch, cls.seq > seq)
        return list(query.order_by(cls.seq))

    @classmethod
    def count_of(cls, site: Site) -> int:
        return cls.select(fn.COUNT(cls.seq)).where(cls.site == site).scalar()


class SentCall(BaseModel):
    """A nonce under which a site was called, kept before it was sent: a worker that dies on the
    way leaves no other trace of the call, and the site's entry of it must not look like a
    stranger's."""

    nonce = CharField(max_length=22, primary_key=True)
    site_id = IntegerField(index=True)
    op = CharField(max_length=32)
    at = UtcField(index=True)

    @classmethod
    def note(cls, nonce: str, site_id: int, op: str, now: datetime) -> None:
        cls.create(nonce=nonce, site_id=site_id, op=op, at=now)

    @classmethod
    def nonces_of(cls, site_id: int) -> set[str]:
        return {row.nonce for row in cls.select(cls.nonce).where(cls.site_id == site_id)}

    @classmethod
    def forget(cls, before: datetime) -> None:
        cls.delete().where(cls.at < before).execute()
