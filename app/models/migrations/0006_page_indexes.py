"""Indexes for what pages read each time, however long the history is."""

from __future__ import annotations

from peewee import Database
from playhouse.migrate import SchemaMigrator

_INDEXES = (
    "DROP INDEX change_state",
    "CREATE INDEX change_state_closed_by ON change (state, closed_by)",
    "CREATE INDEX change_is_incident ON change (is_incident)",
    "CREATE INDEX change_state_ended_at ON change (state, ended_at)",
    "CREATE INDEX audit_site_id_event_seq ON audit (site_id, event, seq)",
)


def up(migrator: SchemaMigrator, db: Database) -> None:
    for statement in _INDEXES:
        db.execute_sql(statement)
