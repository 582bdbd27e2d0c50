"""Releases: when each was first seen, and which need not rest any longer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import AutoField, CharField, CompositeKey, Expression, ForeignKeyField, Tuple

from app.models.accounts import User
from app.models.agency import Agency
from app.models.available_updates import AvailableUpdate
from app.models.base import BaseModel, UtcField
from app.models.wordpress_org import DirectoryEntry


class ReleaseSighting(BaseModel):
    """When a site of the fleet first listed a release as available, by Aura's clock.

    The time never moves: not when other sites list the release too, and not when it is withdrawn
    and comes back.
    """

    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    version = CharField(max_length=300)
    first_seen_at = UtcField()

    class Meta:
        primary_key = CompositeKey("kind", "ident", "version")

    @classmethod
    def record(cls, releases: Iterable[tuple[str, str, str]], now: datetime) -> None:
        """Record those of these releases, as kind, ident and version, that were never seen."""
        cls.insert_missing(
            {"kind": kind, "ident": ident, "version": version, "first_seen_at": now}
            for kind, ident, version in releases
        )

    @classmethod
    def forget_withdrawn(cls, before: datetime) -> int:
        """Delete what was first seen before this time and no site lists; return how many.

        A release that comes back after that counts as new.
        """
        listed = AvailableUpdate.select(
            AvailableUpdate.kind, AvailableUpdate.ident, AvailableUpdate.to_version
        )
        release = Tuple(cls.kind, cls.ident, cls.version)
        is_old = cls.first_seen_at < before
        return cls.delete().where(is_old, Expression(release, "NOT IN", listed)).execute()


class RestLift(BaseModel):
    """A person's decision that auto-update rules need not wait for a release to rest."""

    id = AutoField()
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    version = CharField(max_length=300)
    reason = CharField(max_length=500)
    lifted_by = ForeignKeyField(User, null=True, backref="+", on_delete="SET NULL")
    lifter = CharField(max_length=120)
    lifted_at = UtcField()

    class Meta:
        indexes = ((("kind", "ident", "version"), True),)


@dataclass(frozen=True)
class ReleaseRows:
    """What is stored about one release, and the settings of the agency; None where there is none.

    `entry` is what WordPress.org says of the plugin or theme.
    """

    sighting: ReleaseSighting | None
    lift: RestLift | None
    entry: DirectoryEntry | None
    agency: Agency | None

    @classmethod
    def read(cls, kind: str, ident: str, version: str, slug: str) -> ReleaseRows:
        """Read them in one query. `slug` is the name at WordPress.org."""
        columns = []
        for model in (ReleaseSighting, RestLift):
            is_wanted = (model.kind == kind) & (model.ident == ident) & (model.version == version)
            columns.append(model.nested(is_wanted))
        is_entry = (DirectoryEntry.kind == kind) & (DirectoryEntry.slug == slug)
        columns += [DirectoryEntry.nested(is_entry), Agency.nested(Agency.is_the_row())]
        found: Any = ReleaseSighting.select(*columns).from_().tuples().get()
        return cls(
            sighting=next(iter(ReleaseSighting.read_nested(found[0])), None),
            lift=next(iter(RestLift.read_nested(found[1])), None),
            entry=next(iter(DirectoryEntry.read_nested(found[2])), None),
            agency=next(iter(Agency.read_nested(found[3])), None),
        )
