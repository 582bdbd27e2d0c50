"""Counts of refusals within an hour, so that they do not fill the audit log."""

from __future__ import annotations

from datetime import datetime

from peewee import CharField, CompositeKey, IntegerField

from app.models.base import BaseModel, UtcField


class RefusalCount(BaseModel):
    """Refusals of one kind from one `source` within the hour from `began_at` on.

    It counts how many became entries, and how many were only counted. `actor` and `ip` are of the
    latest.
    """

    event = CharField(max_length=40)
    source = CharField(max_length=120)
    began_at = UtcField(index=True)
    written = IntegerField(default=0)
    suppressed = IntegerField(default=0)
    actor = CharField(max_length=40)
    ip = CharField(max_length=45)

    class Meta:
        primary_key = CompositeKey("event", "source")

    @classmethod
    def of(cls, event: str, source: str) -> RefusalCount | None:
        return cls.get_or_none(cls.event == event, cls.source == source)

    @classmethod
    def ended(cls, before: datetime, limit: int) -> list[RefusalCount]:
        """Those whose hour began before that time, the oldest first."""
        return list(cls.select().where(cls.began_at <= before).order_by(cls.began_at).limit(limit))

    def count(self, name: str) -> None:
        """Add one to `written` or `suppressed`; inside the caller's transaction."""
        RefusalCount.update({name: getattr(RefusalCount, name) + 1}).where(self._row()).execute()

    def forget(self) -> None:
        RefusalCount.delete().where(self._row()).execute()

    def _row(self) -> object:
        return (RefusalCount.event == self.event) & (RefusalCount.source == self.source)
