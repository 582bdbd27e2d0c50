"""Exports of the trail."""

from __future__ import annotations

from peewee import BigIntegerField, BooleanField, CharField, Database, IntegerField, Model
from playhouse.migrate import SchemaMigrator

from app.models.base import UtcField


class TrailExport(Model):
    asked_by = CharField(max_length=120)
    asked_by_id = IntegerField()
    asked_at = UtcField()
    form = CharField(max_length=8)
    scope = CharField(max_length=300)
    client_id = IntegerField(null=True)
    about_site_id = IntegerField(null=True)
    since = UtcField(null=True)
    until = UtcField(null=True)
    has_private = BooleanField()
    state = CharField(max_length=16, index=True)
    seen_working_at = UtcField(null=True)
    ended_at = UtcField(null=True)
    entries = BigIntegerField()
    total = BigIntegerField()
    size = BigIntegerField()
    digest = CharField(max_length=64)

    class Meta:
        legacy_table_names = False


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([TrailExport]):
        db.create_tables([TrailExport])
