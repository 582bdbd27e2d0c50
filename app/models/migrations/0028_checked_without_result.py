"""An update without a result no longer keeps its component, once a person has checked the site."""

from __future__ import annotations

from peewee import Database
from playhouse.migrate import SchemaMigrator

_INDEX = (
    "DROP INDEX change_one_open",
    "CREATE UNIQUE INDEX change_one_open ON change (site_id, kind, ident)"
    " WHERE state IN ('checking', 'proposed', 'approved', 'running', 'waiting_for_site',"
    " 'unknown') AND closed_by = ''",
)


def up(migrator: SchemaMigrator, db: Database) -> None:
    for statement in _INDEX:
        db.execute_sql(statement)
