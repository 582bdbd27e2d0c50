"""Packages that Aura or a site has seen."""

from __future__ import annotations

from peewee import (
    AutoField,
    BooleanField,
    CharField,
    Database,
    ForeignKeyField,
    IntegerField,
    Model,
)
from playhouse.migrate import SchemaMigrator

from app.models.base import UtcField


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class Site(Frozen):
    id = AutoField()


class KnownPackage(Frozen):
    id = AutoField()
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    version = CharField(max_length=64)
    host = CharField(max_length=259)
    sha256 = CharField(max_length=64)
    tree_sha256 = CharField(max_length=64)
    site = ForeignKeyField(Site, null=True, on_delete="SET NULL")
    first_seen_at = UtcField()
    is_disputed = BooleanField()
    path = CharField(max_length=230)
    state = CharField(max_length=16)
    next_attempt_at = UtcField(null=True, index=True)
    leased_until = UtcField(null=True)
    attempts = IntegerField()
    checked_at = UtcField(null=True)
    problem = CharField(max_length=40)
    size = IntegerField()
    files = IntegerField()

    class Meta:
        indexes = ((("kind", "ident", "version", "host"), True),)


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([KnownPackage]):
        db.create_tables([KnownPackage])
