"""Pages whose console must be without errors after an update."""

from __future__ import annotations

from peewee import BooleanField, Database
from playhouse.migrate import SchemaMigrator, migrate


def up(migrator: SchemaMigrator, db: Database) -> None:
    migrate(migrator.add_column("site_page", "no_console_error", BooleanField(default=False)))
