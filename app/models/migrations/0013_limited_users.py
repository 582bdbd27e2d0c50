"""People of the agency may be limited to some clients."""

from __future__ import annotations

from peewee import Database
from playhouse.migrate import SchemaMigrator, migrate

from app.models.base import JsonField


def up(migrator: SchemaMigrator, _db: Database) -> None:
    migrate(migrator.add_column("users", "limited_to", JsonField(null=True)))
