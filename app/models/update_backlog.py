"""How many updates were available on each site, day by day."""

from __future__ import annotations

from datetime import date
from typing import Any

from peewee import AutoField, DateField, ForeignKeyField, IntegerField, Value, fn

from app.models.base import BaseModel, transaction
from app.models.composed import composed_once
from app.models.sites import Site
from app.models.statements import given
from app.models.visibility import Visibility


class UpdateBacklog(BaseModel):
    """The number of available updates of one connected site at the beginning of a day (UTC)."""

    id = AutoField()
    site = ForeignKeyField(Site, on_delete="CASCADE")
    day = DateField()
    updates = IntegerField()

    class Meta:
        indexes = ((("day", "site"), True),)

    @classmethod
    def store(cls, day: date, *, keep_from: date) -> int:
        """Store `day` once, and delete the days before `keep_from`; return the number of sites."""
        if cls.select().where(cls.day == day).exists():
            return 0
        counted = Site.select(Site.id, Value(day, converter=cls.day.db_value), Site.update_count)
        counted = counted.where(Site.is_connected())
        with transaction():
            if cls.select().where(cls.day == day).exists():
                return 0
            cls.delete().where(cls.day < keep_from).execute()
            cls.insert_from(counted, [cls.site, cls.day, cls.updates]).execute()
            return int(cls.select().where(cls.day == day).count())

    @classmethod
    def by_day(cls, since: date, visible: Visibility) -> list[tuple[date, int]]:
        """Return the number of updates of visible sites on each stored day from `since` on.

        A site counts for the client that it belongs to now.
        """
        return [(day, int(updates)) for day, updates in cls._by_day(visible, day=since)]

    @classmethod
    @composed_once
    def _by_day(cls, visible: Visibility) -> Any:
        query = cls.select(cls.day, fn.SUM(cls.updates)).join(Site)
        query = query.where(cls.day >= given(cls.day), Site.is_shown(visible))
        return query.group_by(cls.day).order_by(cls.day).tuples()
