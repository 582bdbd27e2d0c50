"""When a site that fails is synced next, and the server that answers for a site."""

from __future__ import annotations

from peewee import CharField, Database
from playhouse.migrate import SchemaMigrator

from app.models.base import UtcField


def up(migrator: SchemaMigrator, db: Database) -> None:
    migrator.migrate(
        migrator.add_column("site", "next_sync_at", UtcField(null=True)),
        migrator.add_column("site", "server_address", CharField(max_length=45, default="")),
    )
