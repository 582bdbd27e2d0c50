"""How the files of sites compare with their releases."""

from __future__ import annotations

from peewee import (
    AutoField,
    BooleanField,
    CharField,
    Database,
    ForeignKeyField,
    IntegerField,
    Model,
    TextField,
)
from playhouse.migrate import SchemaMigrator

from app.models.base import UtcField


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class Site(Frozen):
    id = AutoField()


class SiteFileCheck(Frozen):
    site = ForeignKeyField(Site, primary_key=True, on_delete="CASCADE")
    checked_at = UtcField()
    open_count = IntegerField(index=True)
    open_since = UtcField(null=True)
    open_names = CharField(max_length=300)
    is_urgent = BooleanField()


class ComparedComponent(Frozen):
    id = AutoField()
    site = ForeignKeyField(Site, index=False, on_delete="CASCADE")
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    name = CharField(max_length=300)
    version = CharField(max_length=64)
    compared_with = CharField(max_length=16)
    reason = CharField(max_length=32)
    changed = IntegerField()
    missing = IntegerField()
    unknown = IntegerField()
    soft = IntegerField()
    changed_files = TextField()
    missing_files = TextField()
    unknown_files = TextField()
    fingerprint = CharField(max_length=64)
    found_at = UtcField()
    state = CharField(max_length=16)
    accepted_version = CharField(max_length=64)
    accepted_fingerprint = CharField(max_length=64)
    accepted_at = UtcField(null=True)
    accepted_by = CharField(max_length=120)
    accepted_because = CharField(max_length=500)

    class Meta:
        indexes = ((("site", "kind", "ident"), True),)


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([SiteFileCheck, ComparedComponent]):
        db.create_tables([SiteFileCheck, ComparedComponent])
