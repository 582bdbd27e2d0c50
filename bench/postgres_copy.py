"""Copy a whole database from SQLite to PostgreSQL."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import psycopg
from psycopg import sql

from app.config import Config
from app.models import migrate

_AT_ONCE = 10_000
# The tables of SQLite's full-text index, and what migrations fill.
_LEFT_OUT = ("audit_words_", "sqlite_", "schema_migration")


def copy_to_postgres(source: Config, target: Config) -> None:
    """Fill the empty database of `target` with all rows of `source`."""
    migrate.to_newest(target.database_url, target.var_dir)
    path = source.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as old, psycopg.connect(target.database_url) as new:
        new.execute("SET session_replication_role = replica")
        found = old.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in found:
            if not table.startswith(_LEFT_OUT):
                _copy_table(table, old, new)
    with psycopg.connect(target.database_url, autocommit=True) as done:
        done.execute("ANALYZE")


def _copy_table(table: str, old: sqlite3.Connection, new: psycopg.Connection) -> None:
    name = sql.Identifier(table)
    # The guards of the audit log also work for replicas.
    new.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER ALL").format(name))
    new.execute(sql.SQL("DELETE FROM {}").format(name))
    columns = new.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position",
        (table,),
    ).fetchall()
    is_words = table == "audit_words"
    names = [column for column, _ in columns]
    read = ["rowid AS seq" if is_words and one == "seq" else f'"{one}"' for one in names]
    flags = [number for number, (_, kind) in enumerate(columns) if kind == "boolean"]
    cursor = old.execute(f'SELECT {", ".join(read)} FROM "{table}"')
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(
        name, sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with new.cursor() as writing, writing.copy(into) as copy:
        while rows := cursor.fetchmany(_AT_ONCE):
            for row in rows:
                values = list(row)
                for number in flags:
                    values[number] = None if values[number] is None else bool(values[number])
                copy.write_row(values)
    new.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER ALL").format(name))
    if "id" in names:
        last = "SELECT setval(pg_get_serial_sequence(%s, 'id'), MAX(id)) FROM {} HAVING MAX(id) > 0"
        if table != "agency" and table != "agency_logo" and table != "merkle_frontier":
            new.execute(sql.SQL(last).format(name), (f'"{table}"',))
