"""The stop switch, freezes and maintenance windows, and changes approved in spite of them."""

from __future__ import annotations

from peewee import AutoField, CharField, Database, DateField, ForeignKeyField, Model
from playhouse.migrate import SchemaMigrator, migrate

from app.models.base import JsonField, UtcField


class Frozen(Model):
    class Meta:
        legacy_table_names = False


class Client(Frozen):
    id = AutoField()


class Site(Frozen):
    id = AutoField()


class ChangeStop(Frozen):
    id = AutoField()
    reason = CharField(max_length=500)
    stopped_by = CharField(max_length=120)
    stopped_at = UtcField()
    started_by = CharField(max_length=120)
    started_at = UtcField(null=True)


class Freeze(Frozen):
    id = AutoField()
    name = CharField(max_length=120)
    first_day = DateField()
    last_day = DateField(index=True)
    client = ForeignKeyField(Client, null=True, on_delete="RESTRICT")
    site = ForeignKeyField(Site, null=True, on_delete="CASCADE")
    added_by = CharField(max_length=120)
    added_at = UtcField()
    ended_by = CharField(max_length=120)
    ended_at = UtcField(null=True)

    class Meta:
        table_name = "update_freeze"


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([Client, Site, ChangeStop, Freeze]):
        db.create_tables([ChangeStop, Freeze])
    migrate(
        migrator.add_column("client", "maintenance_window", JsonField(null=True)),
        migrator.add_column("site", "maintenance_window", JsonField(null=True)),
        migrator.add_column("change", "override", CharField(max_length=500, default="")),
    )
