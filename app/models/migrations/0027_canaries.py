"""Auto-update rules may install a release on sites with a tag first."""

from __future__ import annotations

from peewee import AutoField, CharField, Database, ForeignKeyField, IntegerField, Model
from playhouse.migrate import SchemaMigrator, migrate

from app.models.base import UtcField


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class Change(Frozen):
    id = AutoField()


class CanaryLook(Frozen):
    change = ForeignKeyField(Change, primary_key=True, on_delete="CASCADE")
    answer = CharField(max_length=16)
    looked_at = UtcField()


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([Change, CanaryLook]):
        db.create_tables([CanaryLook])
    migrate(
        migrator.add_column("auto_update_rule", "canary_tag", CharField(max_length=30, default="")),
        migrator.add_column("auto_update_rule", "canary_hours", IntegerField(null=True)),
    )
