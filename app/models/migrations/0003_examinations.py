"""Where the connection doctor keeps what it found."""

from __future__ import annotations

from peewee import BooleanField, CharField, Database, ForeignKeyField, IntegerField, Model
from playhouse.migrate import SchemaMigrator

from app.models.base import JsonField, UtcField


class Site(Model):
    """Only what a foreign key has to know of it."""

    class Meta:
        legacy_table_names = False


class Examination(Model):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    asked_by = CharField(max_length=120)
    asked_at = UtcField()
    started_at = UtcField(null=True)
    ended_at = UtcField(null=True)
    state = CharField(max_length=16, index=True)
    is_paired = BooleanField()
    verdict = CharField(max_length=16)
    blocker = CharField(max_length=64)
    requests = IntegerField()
    checks = JsonField()

    class Meta:
        legacy_table_names = False


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([Site, Examination]):
        db.create_tables([Examination])
    db.execute_sql(
        "CREATE UNIQUE INDEX examination_one_open ON examination (site_id)"
        " WHERE state IN ('queued', 'examining')"
    )
