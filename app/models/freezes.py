"""Freezes: days on which nothing is updated, for all clients, one client or one site."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from peewee import JOIN, AutoField, CharField, DateField, ForeignKeyField

from app.models.base import BaseModel, UtcField
from app.models.clients import Client
from app.models.sites import Site
from app.models.visibility import Visibility


class Freeze(BaseModel):
    """A named span of days, both inclusive, in the agency's time zone.

    Without a client and a site it is for all sites. `ended_at` is set if it was ended early.
    """

    id = AutoField()
    name = CharField(max_length=120)
    first_day = DateField()
    last_day = DateField(index=True)
    client = ForeignKeyField(Client, null=True, backref="+", on_delete="RESTRICT")
    client_id: int | None
    site = ForeignKeyField(Site, null=True, backref="+", on_delete="CASCADE")
    site_id: int | None
    added_by = CharField(max_length=120)
    added_at = UtcField()
    ended_by = CharField(max_length=120, default="")
    ended_at = UtcField(null=True)

    class Meta:
        # FREEZE is a reserved word of PostgreSQL.
        table_name = "update_freeze"

    @property
    def is_for_all(self) -> bool:
        return self.client_id is None and self.site_id is None

    def applies_to(self, site: Site) -> bool:
        """Whether it is for this site."""
        if self.site_id is not None:
            return self.site_id == site.id
        return self.client_id is None or self.client_id == site.client_id

    def end(self, *, by: str, now: datetime) -> bool:
        """End it early; return False if that was done before."""
        return self.update_if(Freeze.ended_at.is_null(), ended_by=by, ended_at=now)

    @classmethod
    def not_over(cls, day: date) -> list[Freeze]:
        """Return the freezes that last until this day or longer and were not ended."""
        return list(cls.select().where(cls._lasts_until(day)))

    @classmethod
    def not_over_nested(cls, day: date) -> Any:
        """Return `not_over` as a column of another query, for `read_nested`."""
        return cls.nested(cls._lasts_until(day))

    @classmethod
    def _lasts_until(cls, day: date) -> Any:
        return cls.ended_at.is_null() & (cls.last_day >= day)

    @classmethod
    def newest(cls, limit: int, visible: Visibility) -> list[Freeze]:
        """Return the newest freezes first, also those that are over, with whom they are for.

        Those for all sites, for visible clients and for visible sites.
        """
        is_for_all = cls.client.is_null() & cls.site.is_null()
        is_visible = is_for_all | visible.in_sql(cls.client) | visible.in_sql(Site.client)
        query = cls.select(cls, Client, Site).join(Client, JOIN.LEFT_OUTER)
        query = query.join_from(cls, Site, JOIN.LEFT_OUTER)
        query = query.where(is_visible).order_by(cls.last_day.desc(), cls.id.desc())
        return list(query.limit(limit))
