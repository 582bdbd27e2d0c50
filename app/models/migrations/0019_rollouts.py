"""Rollouts of a batch in waves."""

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


class Change(Frozen):
    id = AutoField()


class Site(Frozen):
    id = AutoField()


class Rollout(Frozen):
    id = AutoField()
    batch = CharField(max_length=36, unique=True)
    name = CharField(max_length=120)
    started_by = CharField(max_length=120)
    started_at = UtcField()
    wait_s = IntegerField()
    waves = IntegerField()
    wave = IntegerField()
    wave_started_at = UtcField()
    passed_wave = IntegerField()
    state = CharField(max_length=16, index=True)
    reason = CharField(max_length=40)
    change = ForeignKeyField(Change, null=True, on_delete="SET NULL")
    site = ForeignKeyField(Site, null=True, on_delete="SET NULL")
    changed_at = UtcField()
    changed_by = CharField(max_length=120)


class RolloutUpdate(Frozen):
    change = ForeignKeyField(Change, primary_key=True, on_delete="CASCADE")
    rollout = ForeignKeyField(Rollout, on_delete="CASCADE")
    wave = IntegerField()
    is_left_out = BooleanField()
    accepted = CharField(max_length=40)
    accepted_at = UtcField(null=True)
    look = CharField(max_length=16)
    looked_at = UtcField(null=True)


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([Rollout, RolloutUpdate]):
        db.create_tables([Rollout, RolloutUpdate])
    db.execute_sql("CREATE INDEX change_kind_ident_to_version ON change (kind, ident, to_version)")
