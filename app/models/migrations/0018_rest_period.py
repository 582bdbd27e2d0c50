"""Releases rest before auto-update rules install them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from peewee import (
    AutoField,
    CharField,
    CompositeKey,
    Database,
    ForeignKeyField,
    IntegerField,
    Model,
)
from playhouse.migrate import SchemaMigrator, migrate

from app.models.base import UtcField


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class User(Frozen):
    id = AutoField()

    class Meta:
        table_name = "users"


class AvailableUpdate(Frozen):
    id = AutoField()
    kind = CharField()
    ident = CharField()
    to_version = CharField()


class ReleaseSighting(Frozen):
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    version = CharField(max_length=300)
    first_seen_at = UtcField()

    class Meta:
        primary_key = CompositeKey("kind", "ident", "version")


class RestLift(Frozen):
    id = AutoField()
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    version = CharField(max_length=300)
    reason = CharField(max_length=500)
    lifted_by = ForeignKeyField(User, null=True, on_delete="SET NULL")
    lifter = CharField(max_length=120)
    lifted_at = UtcField()

    class Meta:
        indexes = ((("kind", "ident", "version"), True),)


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([User, AvailableUpdate, ReleaseSighting, RestLift]):
        db.create_tables([ReleaseSighting, RestLift])
        _record_listed()
    for table in ("agency", "auto_update_rule"):
        for column in ("rest_hours", "rest_hours_major"):
            migrate(migrator.add_column(table, column, IntegerField(null=True)))


def _record_listed() -> None:
    """Record what sites list now. Since when is not known, so it counts as new."""
    now = datetime.now(UTC)
    columns = (AvailableUpdate.kind, AvailableUpdate.ident, AvailableUpdate.to_version)
    is_release = AvailableUpdate.kind.in_(("plugin", "theme", "core"))
    listed: Any = AvailableUpdate.select(*columns).where(is_release).distinct()
    for kind, ident, version in listed.tuples():
        ReleaseSighting.insert(kind=kind, ident=ident, version=version, first_seen_at=now).execute()
