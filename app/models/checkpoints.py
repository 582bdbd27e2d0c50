"""Checkpoints: signed heads of site logs, and what sites have seen of Aura's log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from peewee import BigIntegerField, CharField, CompositeKey, ForeignKeyField, TextField

from app.models.base import BaseModel, UtcField
from app.models.sites import Site


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
    def between(cls, site: Site, log: str, first: int, last: int) -> list[SiteCheckpoint]:
        return list(
            cls.select().where(cls.site == site, cls.log == log, cls.n.between(first, last))
        )


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
        row = {"n": n, "hash": digest, "reported_at": now}
        cls.insert(site=site, day=f"{now:%Y-%m-%d}", **row).on_conflict(
            conflict_target=[cls.site, cls.day], update=row, where=cls.n <= n
        ).execute()
