"""What the sites said about themselves, and the asking for it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from peewee import AutoField, BooleanField, CharField, ForeignKeyField, TextField, fn

from app.models.base import BaseModel, JsonField, UtcField
from app.models.sites import Site

# Sync.state
QUEUED = "queued"
ASKING = "asking"
READING = "reading"
DONE = "done"
FAILED = "failed"
RUNNING = (ASKING, READING)
OPEN = (QUEUED, *RUNNING)

KINDS = ("plugin", "theme", "mu_plugin", "dropin")


class Sync(BaseModel):
    """One asking of a site for its report, from the wish to the outcome."""

    id = AutoField()
    site = ForeignKeyField(Site, backref="syncs", on_delete="CASCADE")
    site_id: int
    asked_by = CharField(max_length=120)
    asked_at = UtcField()
    started_at = UtcField(null=True)
    ended_at = UtcField(null=True)
    state = CharField(max_length=16, default=QUEUED, index=True)
    fault = CharField(max_length=32, default="")
    evidence = JsonField(default=dict)
    unchanged = BooleanField(default=False)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    def move(self, *, to: str, when: tuple[str, ...], **changes: Any) -> bool:
        """Go to state `to` if the row still is in one of `when`; False if it is not."""
        return self.update_if(Sync.state.in_(when), state=to, **changes)

    @classmethod
    def ask(cls, site: Site, *, asked_by: str, now: datetime) -> Sync:
        """Queue one for `site`; raises IntegrityError while another is open."""
        return cls.create(site=site, asked_by=asked_by[:120], asked_at=now)

    @classmethod
    def open_for(cls, site: Site) -> Sync | None:
        return cls.get_or_none(cls.site == site, cls.state.in_(OPEN))

    @classmethod
    def latest_for(cls, site: Site) -> Sync | None:
        return cls.select().where(cls.site == site).order_by(cls.id.desc()).first()

    @classmethod
    def stuck(cls, before: datetime) -> list[Sync]:
        """Running since before that time: their worker is gone."""
        return list(cls.select().where(cls.state.in_(RUNNING), cls.started_at < before))

    @classmethod
    def waiting_since(cls, before: datetime) -> list[Sync]:
        """Queued before that time and never begun: the queue may have lost them."""
        return list(cls.select().where(cls.state == QUEUED, cls.asked_at < before))

    @classmethod
    def forget_ended(cls, before: datetime) -> int:
        """Delete what ended before that time; returns how many."""
        return cls.delete().where(cls.state.not_in(OPEN), cls.ended_at < before).execute()


# The database keeps syncs serial per site.
Sync.add_index(Sync.index(Sync.site, unique=True, where=Sync.state.in_(OPEN), name="sync_one_open"))


class Report(BaseModel):
    """The last report that was accepted, whole, without the fields the manifest does not name."""

    id = AutoField()
    site = ForeignKeyField(Site, unique=True, backref="reports", on_delete="CASCADE")
    digest = CharField(max_length=64)
    taken_at = UtcField()
    received_at = UtcField()
    # Repeated from the body, because the list of sites shows them.
    wordpress = CharField(max_length=64, default="")
    php = CharField(max_length=64, default="")
    body = TextField()

    @classmethod
    def versions(cls) -> dict[int, tuple[str, str]]:
        """WordPress and PHP version by site id."""
        rows: Any = cls.select(cls.site, cls.wordpress, cls.php).tuples()
        return {site_id: (wordpress, php) for site_id, wordpress, php in rows}

    @classmethod
    def of(cls, site: Site) -> Report | None:
        return cls.get_or_none(cls.site == site)


class Component(BaseModel):
    """A plugin, theme, must-use plugin or drop-in as the last report named it."""

    id = AutoField()
    site = ForeignKeyField(Site, backref="components", on_delete="CASCADE")
    site_id: int
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    name = CharField(max_length=300)
    version = CharField(max_length=300)
    active = BooleanField(default=False)
    network_active = BooleanField(default=False)
    auto_update = BooleanField(default=False)
    author = CharField(max_length=300, default="")
    parent = CharField(max_length=300, null=True)
    requires_wp = CharField(max_length=300, default="")
    requires_php = CharField(max_length=300, default="")
    update_uri = CharField(max_length=300, default="")
    offered_version = CharField(max_length=300, null=True)
    offered_package = BooleanField(null=True)
    offered_requires_wp = CharField(max_length=300, default="")
    offered_requires_php = CharField(max_length=300, default="")

    class Meta:
        indexes = ((("site", "kind", "ident"), True),)

    @property
    def is_outdated(self) -> bool:
        return self.offered_version is not None

    @classmethod
    def for_site(cls, site: Site, kind: str = "") -> list[Component]:
        """By kind, those with an offer first, then by name."""
        query = cls.select().where(cls.site == site)
        if kind:
            query = query.where(cls.kind == kind)
        return list(
            query.order_by(cls.kind, cls.offered_version.is_null(), fn.LOWER(cls.name), cls.ident)
        )

    @classmethod
    def offers_by_kind(cls, site: Site) -> dict[str, int]:
        """How many components of each kind have a newer version waiting."""
        rows: Any = (
            cls.select(cls.kind, fn.COUNT(cls.id))
            .where(cls.site == site, cls.offered_version.is_null(False))
            .group_by(cls.kind)
            .tuples()
        )
        return {**dict.fromkeys(KINDS, 0), **dict(rows)}
