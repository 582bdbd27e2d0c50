"""With which of the dashboard's signing keys each site checks plans."""

from __future__ import annotations

from peewee import CharField, Database
from playhouse.migrate import SchemaMigrator


def up(migrator: SchemaMigrator, db: Database) -> None:
    migrator.migrate(
        migrator.add_column("site", "sign_d", CharField(max_length=64, default="")),
    )
