"""The audit trail's rows. They are only ever added; triggers and the chain guard the rest."""

from __future__ import annotations

from datetime import datetime

from peewee import BigIntegerField, CharField, IntegerField, TextField

from app.models.base import BaseModel, UtcField


class Entry(BaseModel):
    """One link of the chain. `body` holds the very bytes that were hashed;
    at, event, actor and site_id repeat parts of it so that they can be searched."""

    seq = BigIntegerField(primary_key=True)
    prev = CharField(max_length=64)
    body = TextField()
    hash = CharField(max_length=64, unique=True)
    at = UtcField(index=True)
    event = CharField(max_length=64, index=True)
    actor = CharField(max_length=80)
    # No foreign key: the trail outlives whatever it speaks of.
    site_id = IntegerField(null=True, index=True)

    class Meta:
        table_name = "audit"

    @classmethod
    def head(cls) -> Entry | None:
        return cls.select().order_by(cls.seq.desc()).first()

    @classmethod
    def newest(
        cls,
        *,
        site_id: int | None = None,
        event: str | None = None,
        before: int | None = None,
        since: datetime | None = None,
        limit: int = 50,
    ) -> list[Entry]:
        """Newest first; `before` is the seq under which the page begins."""
        query = cls.select().order_by(cls.seq.desc()).limit(limit)
        if site_id is not None:
            query = query.where(cls.site_id == site_id)
        if event is not None:
            query = query.where(cls.event == event)
        if before is not None:
            query = query.where(cls.seq < before)
        if since is not None:
            query = query.where(cls.at >= since)
        return list(query)
