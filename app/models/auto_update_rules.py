"""Auto-update rules and ignored updates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from peewee import JOIN, AutoField, CharField, ForeignKeyField, IntegerField

from app.models.accounts import User
from app.models.base import BaseModel, JsonField, UtcField
from app.models.clients import Client
from app.models.sites import Site
from app.models.tags import SiteTag


class AutoUpdateRule(BaseModel):
    """An auto-update rule.

    It covers `permissions` and `release_types` on sites of one `client`, with any of the `tags`,
    and among
    `site_ids`, in the hours from `from_hour` to `to_hour` (UTC) of `weekdays`. What is empty
    narrows nothing.

    It never releases anything else. It ends at `expires_at` at the latest. If a client requires a
    second person, it is active only after another person has confirmed it.
    """

    id = AutoField()
    name = CharField(max_length=120)
    permissions = JsonField()
    release_types = JsonField()
    client = ForeignKeyField(Client, null=True, backref="+", on_delete="RESTRICT")
    client_id: int | None
    site_ids = JsonField(default=list)
    tags = JsonField(default=list)
    weekdays = JsonField()
    from_hour = IntegerField()
    to_hour = IntegerField()
    created_by = ForeignKeyField(User, backref="+", on_delete="RESTRICT")
    created_by_id: int
    maker = CharField(max_length=120)
    created_at = UtcField()
    reason = CharField(max_length=500)
    expires_at = UtcField()
    # How old a release has to be, in hours; None is what the agency has set.
    rest_hours = IntegerField(null=True)
    rest_hours_major = IntegerField(null=True)
    # Which sites get a release first, and how many hours the others wait; empty for none.
    canary_tag = CharField(max_length=30, default="")
    canary_hours = IntegerField(null=True)
    confirmed_by = ForeignKeyField(User, null=True, backref="+", on_delete="RESTRICT")
    confirmed_by_id: int | None
    confirmer = CharField(max_length=120, default="")
    confirmed_at = UtcField(null=True)
    ended_at = UtcField(null=True)
    ended_by = CharField(max_length=120, default="")

    def is_in_force(self, now: datetime) -> bool:
        return self.ended_at is None and now < self.expires_at

    def confirm(self, by: int, now: datetime, **changes: Any) -> bool:
        """Record a second person's confirmation; return False if it has ended or is confirmed."""
        return self.update_if(
            AutoUpdateRule.created_by != by,
            AutoUpdateRule.confirmed_by.is_null(),
            AutoUpdateRule.ended_at.is_null(),
            AutoUpdateRule.expires_at > now,
            confirmed_by=by,
            confirmed_at=now,
            **changes,
        )

    def end(self, **changes: Any) -> bool:
        """End the rule; return False if it has already ended."""
        return self.update_if(AutoUpdateRule.ended_at.is_null(), **changes)

    @classmethod
    def in_force(cls, now: datetime) -> list[AutoUpdateRule]:
        """Return the rules that have neither ended nor expired, each with its client."""
        return list(cls._with_clients().where(cls.is_current(now)).order_by(cls.id))

    @classmethod
    def in_force_beside_tags(
        cls, site: Site, now: datetime
    ) -> tuple[list[AutoUpdateRule], dict[str, str]]:
        """Return what `in_force` and `SiteTag.of_site` do, in one query.

        Without rules there are no tags either.
        """
        tags = SiteTag.nested(SiteTag.site == site.id).alias("tags_of_site")
        query = cls._with_clients().select_extend(tags).where(cls.is_current(now)).order_by(cls.id)
        rules = list(query)
        found = SiteTag.read_nested(rules[0].tags_of_site) if rules else []
        return rules, {tag.folded: tag.text for tag in sorted(found, key=lambda tag: tag.folded)}

    @classmethod
    def is_current(cls, now: datetime) -> Any:
        """Return `is_in_force` as an SQL expression."""
        return cls.ended_at.is_null() & (cls.expires_at > now)

    @classmethod
    def listing(cls) -> list[AutoUpdateRule]:
        """Return active rules first, the newest of each first, each with its client."""
        return list(cls._with_clients().order_by(cls.ended_at.is_null(False), cls.id.desc()))

    @classmethod
    def _with_clients(cls) -> Any:
        return cls.select(cls, Client).join(Client, JOIN.LEFT_OUTER)


class UpdateHold(BaseModel):
    """A component of a site whose updates are ignored until a date, or until it is released.

    `holder` is the person who decided so; None if an older version of Aura stored only the name.
    """

    id = AutoField()
    site = ForeignKeyField(Site, backref="holds", on_delete="CASCADE")
    site_id: int
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    reason = CharField(max_length=500)
    until = UtcField(null=True)
    created_by = CharField(max_length=120)
    created_at = UtcField()
    holder = ForeignKeyField(User, null=True, backref="+", on_delete="SET NULL")
    holder_id: int | None

    class Meta:
        indexes = ((("site", "kind", "ident"), True),)

    def is_in_force(self, now: datetime) -> bool:
        return self.until is None or self.until > now

    @classmethod
    def of_sites(cls, site_ids: Sequence[int]) -> list[UpdateHold]:
        """Return the holds of these sites, also those that have expired."""
        return list(cls.select().where(cls.site.in_(site_ids)))

    @classmethod
    def by_component(cls, site_ids: Sequence[int]) -> dict[tuple[int, str, str], UpdateHold]:
        """Return the holds of these sites, by site id, kind and component."""
        return {(hold.site_id, hold.kind, hold.ident): hold for hold in cls.of_sites(site_ids)}

    @classmethod
    def in_force(cls, site_id: int, kind: str, ident: str, now: datetime) -> UpdateHold | None:
        """Return the hold on a component that is active at `now`."""
        is_open = cls.until.is_null() | (cls.until > now)
        return cls.get_or_none(cls.site == site_id, cls.kind == kind, cls.ident == ident, is_open)

    @classmethod
    def put(cls, site: Site, kind: str, ident: str, **columns: Any) -> None:
        """Ignore updates, and replace an earlier hold of the same component."""
        cls.release(site, kind, ident)
        cls.create(site=site, kind=kind, ident=ident, **columns)

    @classmethod
    def release(cls, site: Site, kind: str, ident: str) -> bool:
        query = cls.delete().where(cls.site == site, cls.kind == kind, cls.ident == ident)
        return query.execute() > 0
