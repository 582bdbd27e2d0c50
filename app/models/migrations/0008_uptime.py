"""Uptime: how each site is watched, its checks, hours and days, and its outages."""

from __future__ import annotations

from peewee import (
    AutoField,
    CharField,
    CompositeKey,
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


class SiteWatch(Frozen):
    site = ForeignKeyField(Site, primary_key=True, on_delete="CASCADE")
    every_minutes = IntegerField()
    phrase = CharField(max_length=200)
    state = CharField(max_length=16)
    state_since = UtcField(null=True)
    cause = CharField(max_length=32)
    status = IntegerField()
    ms = IntegerField(null=True)
    strikes = IntegerField()
    failures = IntegerField()
    counted_until = UtcField(null=True)
    checked_at = UtcField(null=True)
    next_check_at = UtcField(index=True)
    down_since = UtcField(null=True)
    recovered_at = UtcField(null=True)
    certificate_ends_at = UtcField(null=True)
    certificate_problem = CharField(max_length=16)


class UptimeCheck(Frozen):
    site = ForeignKeyField(Site, index=False, on_delete="CASCADE")
    at = IntegerField()
    result = IntegerField()
    status = IntegerField()
    ms = IntegerField()

    class Meta:
        primary_key = CompositeKey("site", "at")


class UptimeSpan(Frozen):
    site = ForeignKeyField(Site, index=False, on_delete="CASCADE")
    unit = CharField(max_length=1)
    number = IntegerField()
    up_s = IntegerField()
    degraded_s = IntegerField()
    down_s = IntegerField()
    maintenance_s = IntegerField()
    unknown_s = IntegerField()
    counts = TextField()

    class Meta:
        primary_key = CompositeKey("site", "unit", "number")


class UptimeOutage(Frozen):
    id = AutoField()
    site = ForeignKeyField(Site, index=False, on_delete="CASCADE")
    began_at = UtcField()
    ended_at = UtcField(null=True)
    cause = CharField(max_length=32)
    status = IntegerField()
    counted_s = IntegerField()

    class Meta:
        indexes = ((("site", "began_at"), False),)


def up(migrator: SchemaMigrator, db: Database) -> None:
    tables = [SiteWatch, UptimeCheck, UptimeSpan, UptimeOutage]
    with db.bind_ctx(tables):
        db.create_tables(tables)
