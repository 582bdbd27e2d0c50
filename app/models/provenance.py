"""Changes of where a plugin or theme comes from, and the sites that have it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import (
    AutoField,
    CharField,
    CompositeKey,
    ForeignKeyField,
    fn,
)

from app.models.base import BaseModel, JsonField, UtcField, json_rows
from app.models.reports import Component
from app.models.sites import Site
from app.models.visibility import Visibility

# ProvenanceChange.what, the most serious first.
HOST = "host"
CLOSED = "closed"
GONE = "gone"
OWNER = "owner"
CONTRIBUTORS = "contributors"
AUTHOR = "author"
# Only for the history: no person has to decide.
LISTED_AGAIN = "listed"
KINDS_OF_CHANGE = (HOST, CLOSED, GONE, OWNER, CONTRIBUTORS, AUTHOR, LISTED_AGAIN)


class ProvenanceChange(BaseModel):
    """What changed at once about the source of a plugin or theme, and who has judged it.

    `parts` are lists of what changed, the old and the new value in words; `what` is the most
    serious of them. `ident` and `name` are those of one site that has it. A row never changes,
    except that a person accepts it once.
    """

    id = AutoField()
    kind = CharField(max_length=16)
    slug = CharField(max_length=300)
    ident = CharField(max_length=300)
    name = CharField(max_length=300)
    what = CharField(max_length=16)
    parts = JsonField()
    seen_at = UtcField()
    accepted_at = UtcField(null=True)
    accepted_by = CharField(max_length=120, default="")
    reason = CharField(max_length=500, default="")

    class Meta:
        indexes = ((("kind", "slug"), False),)

    @property
    def is_open(self) -> bool:
        return self.accepted_at is None and self.what != LISTED_AGAIN

    @classmethod
    def awaits_person(cls) -> Any:
        """Return `is_open` as an SQL expression."""
        return cls.accepted_at.is_null() & (cls.what != LISTED_AGAIN)

    @classmethod
    def all_open(cls) -> list[ProvenanceChange]:
        """Return all open changes, the newest first."""
        return list(cls.select().where(cls.awaits_person()).order_by(cls.id.desc()))

    @classmethod
    def nested_open(cls) -> Any:
        """Return all open changes as one column of another query; `read_nested` reads it."""
        return cls.nested(cls.awaits_person())

    @classmethod
    def is_paused(cls, kind: str, slug: str) -> bool:
        query = cls.select().where(cls.kind == kind, cls.slug == slug, cls.awaits_person())
        return bool(query.exists())

    @classmethod
    def history(cls, kind: str, slug: str) -> list[ProvenanceChange]:
        """Return all changes of a plugin or theme, the newest first."""
        query = cls.select().where(cls.kind == kind, cls.slug == slug)
        return list(query.order_by(cls.id.desc()))

    @classmethod
    def listing(cls, visible: Visibility, limit: int) -> list[ProvenanceChange]:
        """Return changes of what visible sites have or had, open ones first, then the newest."""
        theirs = ProvenanceSite.select(ProvenanceSite.change).join(Site)
        query = cls.select().where(cls.id.in_(theirs.where(visible.in_sql(Site.client))))
        return list(query.order_by(cls.accepted_at.is_null(False), cls.id.desc()).limit(limit))

    @classmethod
    def on_site(cls, site_id: int) -> list[ProvenanceChange]:
        """Return the open changes of what a site has, by name."""
        query = cls.select().join(ProvenanceSite)
        query = query.where(ProvenanceSite.site == site_id, cls.awaits_person())
        return list(query.order_by(fn.LOWER(cls.name), cls.id))

    @classmethod
    def is_known(cls, kind: str, slug: str, part: Sequence[str]) -> bool:
        """Whether exactly this part was recorded before, open or accepted."""
        return any(list(part) in one.parts for one in cls.history(kind, slug))

    def accept(self, *, by: str, reason: str, now: datetime) -> bool:
        """Record that a person accepts it; return False if one did before."""
        is_open = ProvenanceChange.awaits_person()
        return self.update_if(is_open, accepted_at=now, accepted_by=by[:120], reason=reason)


class ProvenanceSite(BaseModel):
    """A site that has what an open change is about."""

    change = ForeignKeyField(ProvenanceChange, backref="+", index=False, on_delete="CASCADE")
    change_id: int
    site = ForeignKeyField(Site, backref="+", on_delete="CASCADE")
    site_id: int

    class Meta:
        primary_key = CompositeKey("change", "site")

    @classmethod
    def add(cls, change: ProvenanceChange, site_ids: Iterable[int]) -> None:
        cls.insert_missing({"change": change, "site": site_id} for site_id in site_ids)

    @classmethod
    def renew(cls, site: Site, software: Collection[tuple[str, str]]) -> None:
        """Set which open changes are about a site that has these kinds and slugs."""
        changes = ProvenanceChange.all_open()
        cls.delete().where(cls.site == site, cls.change.in_(changes)).execute()
        for change in changes:
            if (change.kind, change.slug) in software:
                cls.add(change, [site.id])

    @classmethod
    def counted(cls, visible: Visibility) -> Any:
        """Return the open changes of visible sites as one column of another query.

        `OpenChange.read` reads it.
        """
        one = (
            cls.select(
                cls.change,
                Site.client,
                fn.COUNT(Site.id).alias("sites"),
                fn.MIN(Site.name).alias("name"),
            )
            .join(Site)
            .switch(cls)
            .join(ProvenanceChange)
            .where(
                ProvenanceChange.awaits_person(), Site.is_connected(), visible.in_sql(Site.client)
            )
            .group_by(cls.change, Site.client)
            .alias("provenance")
        )
        columns = (one.c.change_id, one.c.client_id, one.c.sites, one.c.name)
        return cls.select(json_rows(columns)).from_(one)


@dataclass(frozen=True)
class OpenChange:
    """An open change, and how many sites of each client have what it is about.

    `clients` has the id of the client, the number of its sites, and the name of one.
    """

    change: ProvenanceChange
    clients: tuple[tuple[int | None, int, str], ...]

    @property
    def sites(self) -> int:
        return sum(count for _, count, _ in self.clients)

    @property
    def site_name(self) -> str:
        """Return the name of the only site; empty if there are several."""
        return self.clients[0][2] if self.sites == 1 else ""

    @property
    def client_ids(self) -> frozenset[int | None]:
        return frozenset(client_id for client_id, _, _ in self.clients)

    @classmethod
    def read(
        cls, changes: Iterable[ProvenanceChange], counts: Sequence[Sequence[Any]]
    ) -> list[OpenChange]:
        """Return the changes that are counted on at least one site, the newest first."""
        by_change: dict[int, list[tuple[int | None, int, str]]] = {}
        for change_id, client_id, sites, name in counts:
            by_change.setdefault(change_id, []).append((client_id, sites, name))
        found = [cls(one, tuple(by_change[one.id])) for one in changes if one.id in by_change]
        return sorted(found, key=lambda one: -int(one.change.id))

    def within(self, visible: Visibility) -> OpenChange | None:
        """Return what of it is visible; None if it is about no visible site."""
        clients = tuple(one for one in self.clients if visible.has(one[0]))
        return OpenChange(self.change, clients) if clients else None


def sites_with(kind: str) -> list[tuple[int, str, str]]:
    """Return site id, ident and name of all plugins or themes of connected sites."""
    query: Any = Component.select(Component.site, Component.ident, Component.name).join(Site)
    return list(query.where(Component.kind == kind, Site.is_connected()).order_by(Site.id).tuples())
