"""A site's own log as it was received, and how far it was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from peewee import (
    BigIntegerField,
    BlobField,
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
    sides were compared, `digests_n` the one up to which routine entries are kept as digests only.
    `read_at` is when the site last sent entries. `total_bytes` is the received size in all,
    `day_bytes` that of `day` (UTC).
    """

    site = ForeignKeyField(Site, primary_key=True, backref="+", on_delete="CASCADE")
    site_id: int
    log = CharField(max_length=36, default="")
    branch = IntegerField(default=0)
    n = BigIntegerField(default=0)
    hash = CharField(max_length=64, default="")
    reconciled_n = BigIntegerField(default=0)
    digests_n = BigIntegerField(default=0)
    read_at = UtcField(null=True)
    total_bytes = BigIntegerField(default=0)
    day = CharField(max_length=10, default="")
    day_bytes = BigIntegerField(default=0)

    @classmethod
    def get_or_create_for(cls, site: Site) -> SiteLog:
        """Return the row of the site; create it on first use."""
        cls.insert(site=site).on_conflict_ignore().execute()
        return cls.get_by_id(site.id)

    def begin_another(self, log: str) -> bool:
        """Read a log from its beginning, as another branch; return False as `advance` does."""
        start = {"n": 0, "hash": "", "reconciled_n": 0, "digests_n": 0}
        return self.advance(branch=self.branch + 1, log=log, **start)

    def advance_digests(self, through: int) -> bool:
        """Record up to which entry digests are kept; return False if another process was faster."""
        is_same = SiteLog.digests_n == self.digests_n
        return self.update_if(is_same, SiteLog.branch == self.branch, digests_n=through)

    def advance(self, **changes: Any) -> bool:
        """Set columns unless another process has read further; return False if one has."""
        return self.update_if(SiteLog.n == self.n, SiteLog.branch == self.branch, **changes)


class SiteLogEntry(BaseModel):
    """One entry of a site's log, exactly as it was received.

    Rows are only added, which triggers enforce as they do for the audit log. A row may be deleted
    once `SiteLogDigests` has its digest.
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

    # How many `between` returns.
    MOST = 2000

    class Meta:
        primary_key = CompositeKey("site", "branch", "seq")

    @classmethod
    def behind(cls, site_id: int, branch: int, seq: int) -> list[SiteLogEntry]:
        """Of one branch, those after `seq`, oldest first."""
        query = cls.select().where(cls.site == site_id, cls.branch == branch, cls.seq > seq)
        return list(query.order_by(cls.seq))

    @classmethod
    def between(cls, site_id: int, branch: int, after: int, until: int) -> list[SiteLogEntry]:
        """Of one branch, those after one number up to another, oldest first; at most `MOST`."""
        is_there = cls.seq.between(after + 1, until)
        query = cls.select().where(cls.site == site_id, cls.branch == branch, is_there)
        return list(query.order_by(cls.seq).limit(cls.MOST))

    @classmethod
    def first_of(cls, site_id: int, branch: int) -> int:
        """Return the number of the first entry of a branch; 0 if there is none."""
        query = cls.select(fn.MIN(cls.seq)).where(cls.site == site_id, cls.branch == branch)
        return int(query.scalar() or 0)

    @classmethod
    def count_of(cls, site: Site) -> int:
        """Return how many entries of the site are known, with those whose digests are kept."""
        whole = cls.select(fn.COUNT(cls.seq)).where(cls.site == site).scalar()
        return int(whole) + SiteLogDigests.count_of(site)


class SiteLogDigests(BaseModel):
    """The digests of a run of entries of a site's log whose text is no longer kept.

    They are the SHA-256 of the bodies of entries `first` to `last`, 32 bytes each. With them, the
    chain from the entry before to the entry after the run can be verified. Rows are only added,
    which triggers enforce.
    """

    site = ForeignKeyField(Site, backref="+", on_delete="RESTRICT")
    site_id: int
    branch = IntegerField()
    first = BigIntegerField()
    last = BigIntegerField()
    digests = BlobField()

    class Meta:
        primary_key = CompositeKey("site", "branch", "first")

    @classmethod
    def replace_run(cls, entries: Sequence[SiteLogEntry], digests: bytes) -> None:
        """Keep these digests in place of entries whose numbers follow each other."""
        first, last = entries[0], entries[-1]
        cls.create(
            site=first.site_id, branch=first.branch, first=first.seq, last=last.seq, digests=digests
        )
        row = SiteLogEntry
        is_one_of = row.seq.between(first.seq, last.seq)
        of_branch = (row.site == first.site_id) & (row.branch == first.branch)
        row.delete().where(of_branch, is_one_of).execute()

    @classmethod
    def of(cls, site_id: int, branch: int) -> list[SiteLogDigests]:
        """Return the runs of one branch, oldest first."""
        query = cls.select().where(cls.site == site_id, cls.branch == branch)
        return list(query.order_by(cls.first))

    @classmethod
    def count_of(cls, site: Site) -> int:
        length = cls.last - cls.first + 1
        return int(cls.select(fn.SUM(length)).where(cls.site == site).scalar() or 0)
