"""When a site whose connection has ended is checked again."""

from __future__ import annotations

from peewee import Database
from playhouse.migrate import SchemaMigrator

from app.models.base import UtcField


def up(migrator: SchemaMigrator, db: Database) -> None:
    migrator.migrate(migrator.add_column("site", "recheck_at", UtcField(null=True, index=True)))
