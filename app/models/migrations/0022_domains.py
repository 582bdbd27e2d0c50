"""Who ignores updates, by id: a name is not enough to erase what a person typed."""

from __future__ import annotations

from peewee import AutoField, Database, ForeignKeyField, Model
from playhouse.migrate import SchemaMigrator, migrate


class User(Model):
    id = AutoField()

    class Meta:
        table_name = "users"


def up(migrator: SchemaMigrator, db: Database) -> None:
    holder = ForeignKeyField(User, field=User.id, null=True, on_delete="SET NULL")
    migrate(migrator.add_column("update_hold", "holder_id", holder))
