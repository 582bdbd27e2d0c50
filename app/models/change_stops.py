"""The switch that stops all changes: each time it was used, and who used it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from peewee import AutoField, CharField

from app.models.base import BaseModel, UtcField


class ChangeStop(BaseModel):
    """A time in which no change is approved or sent; `started_at` is empty while it lasts."""

    id = AutoField()
    reason = CharField(max_length=500)
    stopped_by = CharField(max_length=120)
    stopped_at = UtcField()
    started_by = CharField(max_length=120, default="")
    started_at = UtcField(null=True)

    @classmethod
    def current(cls) -> ChangeStop | None:
        """Return the stop that lasts, if there is one."""
        return cls.get_or_none(cls.is_current())

    @classmethod
    def is_current(cls) -> Any:
        """Return the condition that a stop lasts, also for a query that joins it."""
        return cls.started_at.is_null()

    def end(self, *, by: str, now: datetime) -> bool:
        """Let changes start again; return False if they may already."""
        return self.update_if(ChangeStop.started_at.is_null(), started_by=by, started_at=now)
