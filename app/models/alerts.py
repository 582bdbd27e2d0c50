"""Alerts that a person has to resolve."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from peewee import AutoField, CharField, ForeignKeyField, fn

from app.models.base import BaseModel, JsonField, UtcField
from app.models.sites import Site
from app.models.visibility import Visibility

# A site has seen an entry of Aura's audit log that is not in it.
AUDIT_LOG_LOST = "audit_log_lost"


class Alert(BaseModel):
    """One contradiction between Aura and a site.

    `key` distinguishes findings of one kind, so that each is raised only once, even after it was
    closed. `evidence` is what each side recorded, as shown on its page.
    """

    id = AutoField()
    site = ForeignKeyField(Site, backref="+", on_delete="RESTRICT")
    site_id: int
    kind = CharField(max_length=24)
    key = CharField(max_length=100)
    evidence = JsonField(default=dict)
    raised_at = UtcField(index=True)
    closed_at = UtcField(null=True)
    closed_by = CharField(max_length=120, default="")
    closing_note = CharField(max_length=500, default="")

    class Meta:
        indexes = ((("site", "kind", "key"), True),)

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @classmethod
    def known(cls, alert_id: int) -> Alert | None:
        return cls.get_or_none(cls.id == alert_id)

    @classmethod
    def unresolved(cls, visible: Visibility) -> list[Alert]:
        """Return the open alerts of visible sites, newest first, each with its site."""
        query = cls.select(cls, Site).join(Site)
        query = query.where(cls.closed_at.is_null(), visible.in_sql(Site.client))
        return list(query.order_by(cls.id.desc()))

    @classmethod
    def resolved(cls, limit: int, visible: Visibility) -> list[Alert]:
        query = cls.select(cls, Site).join(Site)
        query = query.where(cls.closed_at.is_null(False), visible.in_sql(Site.client))
        return list(query.order_by(cls.closed_at.desc(), cls.id.desc()).limit(limit))

    @classmethod
    def open_of(cls, site: Site, kind: str) -> int:
        query = cls.select().where(cls.site == site, cls.kind == kind, cls.closed_at.is_null())
        return query.count()

    @classmethod
    def open_of_kind(cls, kind: str, site_id: int | None = None) -> list[Alert]:
        """Return the open alerts of a kind at one site, or at all of them."""
        query = cls.select().where(cls.kind == kind, cls.closed_at.is_null())
        return list(query if site_id is None else query.where(cls.site == site_id))

    @classmethod
    def last_closed(cls, site_id: int, kind: str, prefix: str, *, by: str) -> Alert | None:
        """Return the newest alert with a key that begins like this, of those closed by `by`."""
        query = cls.select().where(cls.site == site_id, cls.kind == kind, cls.closed_by == by)
        query = query.where(cls.key.startswith(prefix), cls.closed_at.is_null(False))
        return query.order_by(cls.id.desc()).first()

    @classmethod
    def open_count_of(cls, site_id: Any) -> Any:
        """Return the query for the number of open alerts of the site in another query's row."""
        return cls.select(fn.COUNT(cls.id)).where(cls.site == site_id, cls.closed_at.is_null())

    @classmethod
    def similar(cls, alert: Alert, *, everywhere: bool, visible: Visibility) -> list[Alert]:
        """Return the other open alerts of the same kind, at the same site or at any visible one."""
        query = cls.select().join(Site).where(visible.in_sql(Site.client))
        query = query.where(cls.kind == alert.kind, cls.id != alert.id, cls.closed_at.is_null())
        if not everywhere:
            query = query.where(cls.site == alert.site_id)
        return list(query.order_by(cls.id.desc()))

    @classmethod
    def others_open(cls, alert: Alert, prefix: str) -> bool:
        """Whether another open alert of the kind has a key that begins like this, at any site."""
        same = (cls.kind == alert.kind) & cls.key.startswith(prefix)
        return cls.select().where(same, cls.id != alert.id, cls.closed_at.is_null()).exists()

    @classmethod
    def exists_for(cls, site: Site, kind: str, key: str) -> bool:
        """Whether it was raised before, closed or not."""
        return cls.select().where(cls.site == site, cls.kind == kind, cls.key == key[:100]).exists()

    def close(self, *, by: str, note: str, now: datetime) -> bool:
        """Close the alert; return False if it was closed before."""
        columns: dict[str, Any] = {"closed_at": now, "closed_by": by, "closing_note": note}
        return self.update_if(Alert.closed_at.is_null(), **columns)
