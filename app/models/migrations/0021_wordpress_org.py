"""What WordPress.org says of plugins and themes."""

from __future__ import annotations

from peewee import (
    AutoField,
    CharField,
    Database,
    DateField,
    ForeignKeyField,
    IntegerField,
    Model,
)
from playhouse.migrate import SchemaMigrator

from app.models.base import JsonField, UtcField


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class Site(Frozen):
    id = AutoField()


class DirectoryEntry(Frozen):
    id = AutoField()
    kind = CharField(max_length=16)
    slug = CharField(max_length=200)
    state = CharField(max_length=16)
    name = CharField(max_length=200)
    version = CharField(max_length=64)
    last_updated = UtcField(null=True)
    author = CharField(max_length=200)
    owner = CharField(max_length=200)
    contributors = JsonField()
    requires = CharField(max_length=64)
    tested = CharField(max_length=64)
    requires_php = CharField(max_length=64)
    closed_on = DateField(null=True)
    closed_reason = CharField(max_length=200)
    checked_at = UtcField(null=True)
    misses = IntegerField()
    missed_on = DateField(null=True)
    problem = CharField(max_length=32)
    problem_since = UtcField(null=True)
    next_attempt_at = UtcField(null=True, index=True)
    leased_until = UtcField(null=True)
    attempts = IntegerField()

    class Meta:
        indexes = ((("kind", "slug"), True),)


class SoftwareSource(Frozen):
    site = ForeignKeyField(Site, primary_key=True, on_delete="CASCADE")
    report_digest = CharField(max_length=64)


TABLES = (DirectoryEntry, SoftwareSource)


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx(TABLES):
        db.create_tables(TABLES)
