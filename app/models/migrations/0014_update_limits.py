"""How the owner of a site limits updates."""

from __future__ import annotations

from peewee import Database
from playhouse.migrate import SchemaMigrator, migrate

from app.models.base import JsonField


def up(migrator: SchemaMigrator, db: Database) -> None:
    migrate(migrator.add_column("site", "update_limits", JsonField(null=True)))
