"""Facts about the database itself."""

from __future__ import annotations

from dataclasses import dataclass

from app.models.base import db, is_postgres


@dataclass(frozen=True)
class DatabaseFacts:
    """The kind and version of the database, and its size in bytes."""

    kind: str
    version: str
    size: int


def read_facts() -> DatabaseFacts:
    """Return the facts in one query."""
    if is_postgres():
        query = "SELECT current_setting('server_version'), pg_database_size(current_database())"
    else:
        query = (
            "SELECT sqlite_version(), page_count * page_size"
            " FROM pragma_page_count(), pragma_page_size()"
        )
    version, size = db.execute_sql(query).fetchone()
    return DatabaseFacts("PostgreSQL" if is_postgres() else "SQLite", version.split()[0], size)
