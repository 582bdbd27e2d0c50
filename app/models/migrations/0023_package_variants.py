"""Several packages of one version: of WordPress in each language, and of translations."""

from __future__ import annotations

from peewee import CharField, Database
from playhouse.migrate import SchemaMigrator, migrate


def up(migrator: SchemaMigrator, db: Database) -> None:
    db.execute_sql("DROP INDEX known_package_kind_ident_version_host")
    variant = CharField(max_length=230, default="")
    migrate(
        migrator.add_column("known_package", "variant", variant),
        migrator.add_index(
            "known_package", ("kind", "ident", "version", "host", "variant"), unique=True
        ),
    )
