"""Rotation of keys, the head of a site's log, quarantine, clocks, a server's own password."""

from __future__ import annotations

from peewee import (
    BigIntegerField,
    CharField,
    Database,
    Field,
    ForeignKeyField,
    IntegerField,
    Model,
    TextField,
)
from playhouse.migrate import SchemaMigrator

from app.models.base import JsonField, UtcField


class Site(Model):
    class Meta:
        legacy_table_names = False


class Rotation(Model):
    site = ForeignKeyField(Site, on_delete="CASCADE")
    asked_by = CharField(max_length=120)
    asked_at = UtcField()
    ended_at = UtcField(null=True)
    state = CharField(max_length=16, index=True)
    op_id = CharField(max_length=36, unique=True)
    plan = TextField()
    signature = CharField(max_length=100)
    exchange_sealed = TextField(null=True)
    next_sealed = TextField(null=True)
    home = CharField(max_length=2000)
    endpoints = JsonField()
    attempts = IntegerField()
    next_try_at = UtcField()
    busy_until = UtcField(null=True)
    fault = CharField(max_length=32)
    evidence = JsonField()

    class Meta:
        legacy_table_names = False


COLUMNS: dict[str, Field] = {
    "clock_offset_s": IntegerField(null=True),
    "log_n": BigIntegerField(default=0),
    "log_hash": CharField(max_length=64, default=""),
    "quarantine": CharField(max_length=16, default=""),
    "quarantine_at": UtcField(null=True),
    "quarantine_evidence": JsonField(default=dict),
    "server_login_sealed": TextField(null=True),
}


def up(migrator: SchemaMigrator, db: Database) -> None:
    migrator.migrate(*(migrator.add_column("site", name, kind) for name, kind in COLUMNS.items()))
    with db.bind_ctx([Site, Rotation]):
        db.create_tables([Rotation])
    db.execute_sql(
        "CREATE UNIQUE INDEX rotation_one_open ON rotation (site_id)"
        " WHERE state IN ('asking', 'agreed')"
    )
