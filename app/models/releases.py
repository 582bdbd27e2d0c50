"""Releases: when each was first seen, and which need not rest any longer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from peewee import AutoField, CharField, CompositeKey, Expression, ForeignKeyField, Tuple, chunked

from app.models.accounts import User
from app.models.available_updates import AvailableUpdate
from app.models.base import BaseModel, UtcField

_ROWS_PER_INSERT = 50


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
        rows = [
            {"kind": kind, "ident": ident, "version": version, "first_seen_at": now}
            for kind, ident, version in releases
        ]
        for some in chunked(rows, _ROWS_PER_INSERT):
            cls.insert_many(some).on_conflict_ignore().execute()

    @classmethod
    def find(cls, kind: str, ident: str, version: str) -> datetime | None:
        """Return when a release was first seen; None if it was not."""
        row = cls.fetch_one(kind=kind, ident=ident, version=version)
        return row.first_seen_at if row else None

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

    @classmethod
    def find(cls, kind: str, ident: str, version: str) -> RestLift | None:
        """Return the decision about this release, if there is one."""
        return cls.fetch_one(kind=kind, ident=ident, version=version)
