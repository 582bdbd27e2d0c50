"""How much of a site's log was kept, in all and on the newest day: it may not fill the disk."""

from __future__ import annotations

from peewee import BigIntegerField, CharField, Database
from playhouse.migrate import SchemaMigrator


def up(migrator: SchemaMigrator, db: Database) -> None:
    migrator.migrate(
        migrator.add_column("site_log", "total_bytes", BigIntegerField(default=0)),
        migrator.add_column("site_log", "day", CharField(max_length=10, default="")),
        migrator.add_column("site_log", "day_bytes", BigIntegerField(default=0)),
    )
