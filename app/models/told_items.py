"""What a listener was sent: which items, when, and how often."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

from peewee import AutoField, CharField, IntegerField

from app.models.base import BaseModel, UtcField


class ToldItem(BaseModel):
    """An item that needs attention, as one listener has heard of it or is about to.

    A subclass names its column with the listener in `listener`. `key` is the item's; `told_at` is
    null until a message about it is queued. `gone_at` is when it no longer needed attention. The
    row is deleted once that has been sent as well.
    """

    listener: ClassVar[str]

    id = AutoField()
    key = CharField(max_length=80)
    severity = CharField(max_length=8)
    site_id = IntegerField(null=True)
    title = CharField(max_length=300)
    seen_at = UtcField()
    told_at = UtcField(null=True)
    times_told = IntegerField(default=0)
    gone_at = UtcField(null=True)

    @classmethod
    def by_listener(cls) -> dict[int, list[Self]]:
        """Return all rows by the id of the listener, the oldest first."""
        found: dict[int, list[Self]] = {}
        for row in cls.select().order_by(cls.id):
            found.setdefault(row.__data__[cls.listener], []).append(row)
        return found

    @classmethod
    def of(cls, listener_id: int) -> dict[str, Self]:
        """Return the rows of one listener by key."""
        return {row.key: row for row in cls.select().where(cls._listener() == listener_id)}

    @classmethod
    def note(cls, listener_id: int, items: list[dict[str, Any]]) -> None:
        """Store new items, except those that another process was faster to store."""
        cls.insert_missing({cls.listener: listener_id, **columns} for columns in items)

    @classmethod
    def mark(cls, ids: list[int], **columns: Any) -> None:
        """Set columns of several rows."""
        if ids:
            cls.update(**columns).where(cls.id.in_(ids)).execute()

    @classmethod
    def mark_told(cls, listener_id: int, keys: list[str], now: datetime) -> None:
        """Record that a message to this listener about these items is queued."""
        sent = cls.update(told_at=now, times_told=cls.times_told + 1)
        sent.where(cls._listener() == listener_id, cls.key.in_(keys)).execute()

    @classmethod
    def drop(cls, ids: list[int]) -> None:
        if ids:
            cls.delete().where(cls.id.in_(ids)).execute()

    @classmethod
    def forget(cls, listener_id: int) -> None:
        cls.delete().where(cls._listener() == listener_id).execute()

    @classmethod
    def forget_everyone(cls) -> None:
        cls.delete().execute()

    @classmethod
    def _listener(cls) -> Any:
        return cls.columns()[cls.listener]
