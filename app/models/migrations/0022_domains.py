"""Ends of domains, who ignores updates, and whether a provider checks a second factor."""

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
from playhouse.migrate import SchemaMigrator, migrate

from app.models.base import UtcField


class User(Model):
    id = AutoField()

    class Meta:
        table_name = "users"


class DomainName(Model):
    name = CharField(max_length=253, primary_key=True)
    ends_at = UtcField(null=True)
    problem = CharField(max_length=32)
    checked_at = UtcField(null=True)
    next_check_at = UtcField(null=True, index=True)
    attempts = IntegerField()

    class Meta:
        legacy_table_names = False


def up(migrator: SchemaMigrator, db: Database) -> None:
    # A name is not enough to erase what a person typed.
    holder = ForeignKeyField(User, field=User.id, null=True, on_delete="SET NULL")
    migrate(
        migrator.add_column("update_hold", "holder_id", holder),
        migrator.add_column("site_watch", "domain", CharField(max_length=253, null=True)),
        migrator.add_column("site_watch", "domain_ends_at", UtcField(null=True)),
        migrator.add_column("site_watch", "domain_problem", CharField(max_length=16, default="")),
        migrator.add_index("site_watch", ("domain",)),
        migrator.add_column("open_id_provider", "checks_factor", BooleanField(default=False)),
    )
    with db.bind_ctx([DomainName]):
        db.create_tables([DomainName])
