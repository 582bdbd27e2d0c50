"""The `busy_database` fixture: another process writes, and its failures fail the test."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from app.config import Config
from app.models.audit import AuditEntry
from tests.support.busy_writers import BusyWriter

pytestmark = pytest.mark.both_databases


def entries() -> int:
    return AuditEntry.select().count()


def test_another_process_keeps_writing(database: Config, busy_database: None) -> None:
    before = entries()
    while entries() < before + 5:
        assert entries() >= before


def test_the_writer_follows_the_database_and_stops_in_between(
    database: Config, busy_writer: BusyWriter
) -> None:
    assert entries() == 0
    with busy_writer.writing_to(database):
        assert entries() > 0
    after = entries()
    with busy_writer.writing_to(database):
        assert entries() > after


def test_a_failed_write_fails_the_test(empty_database: Config, busy_writer: BusyWriter) -> None:
    with pytest.raises(AssertionError, match=r"no such table|does not exist"):
        busy_writer.writing_to(empty_database).__enter__()


def test_a_write_during_an_open_read_is_refused_on_a_plain_connection(
    config: Config, migrated_file: bytes, busy_writer: BusyWriter
) -> None:
    """The fixture finds this error: SQLite reports a locked database at once."""
    path = config.var_dir / "aura.db"
    path.write_bytes(migrated_file)
    with busy_writer.writing_to(config), closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN")
        before = db.execute("SELECT count(*) FROM audit").fetchone()
        with closing(sqlite3.connect(path)) as other:
            while other.execute("SELECT count(*) FROM audit").fetchone() == before:
                pass
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            db.execute("UPDATE site SET name = name")
