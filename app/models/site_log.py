"""A site's own log as it was received, and how far it was read."""

from __future__ import annotations

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


class SiteLog(BaseModel):
    """How far a site's log was read and verified: `n` and `hash`, in a log called `log`.

    `branch` counts how often reading had to restart. `reconciled_n` is the entry up to which both
    sides were compared. `read_at` is when the site last sent entries. `total_bytes` is the stored
    size in all, `day_bytes` that of `day` (UTC).
    """

    site = ForeignKeyField(Site, primary_key=True, backref="+", on_delete="CASCADE")
    site_id: int
    log = CharField(max_length=36, default="")
    branch = IntegerField(default=0)
    n = BigIntegerField(default=0)
    hash = CharField(max_length=64, default="")
    reconciled_n = BigIntegerField(default=0)
    read_at = UtcField(null=True)
    total_bytes = BigIntegerField(default=0)
    day = CharField(max_length=10, default="")
    day_bytes = BigIntegerField(default=0)

    @classmethod
    def get_or_create_for(cls, site: Site) -> SiteLog:
        """Return the row of the site; create it on first use."""
        cls.insert(site=site).on_conflict_ignore().execute()
        return cls.get_by_id(site.id)

    def advance(self, **changes: Any) -> bool:
        """Set columns unless another process has read further; return False if one has."""
        return self.update_if(SiteLog.n == self.n, SiteLog.branch == self.branch, **changes)


class SiteLogEntry(BaseModel):
    """One entry of a site's log, exactly as it was received.

    Rows are only added, which triggers enforce as they do for the audit log.
    """

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
    def behind(cls, site_id: int, branch: int, seq: int) -> list[SiteLogEntry]:
        """Of one branch, those after `seq`, oldest first."""
        query = cls.select().where(cls.site == site_id, cls.branch == branch, cls.seq > seq)
        return list(query.order_by(cls.seq))

    @classmethod
    def count_of(cls, site: Site) -> int:
        return cls.select(fn.COUNT(cls.seq)).where(cls.site == site).scalar()
