"""Distinguish an outage of the database from every other SQL error."""

from __future__ import annotations

from pathlib import Path

import pytest
from peewee import IntegrityError, OperationalError

from app.config import Config
from app.models.base import DuplicateRow, db, is_postgres, use_database
from app.models.clients import Client
from app.models.database_errors import OUTAGES, trouble_of

pytestmark = pytest.mark.both_databases


def catch_error(statement: str) -> Exception:
    with pytest.raises(Exception) as caught:
        db.execute_sql(statement)
    return caught.value


def test_a_programming_error_is_no_outage(database: Config) -> None:
    assert not trouble_of(catch_error("SELECT * FROM nothing_of_this"))
    wrong = catch_error("INSERT INTO client (name) VALUES (NULL)")
    assert isinstance(wrong, IntegrityError)
    assert not isinstance(wrong, DuplicateRow)
    assert not trouble_of(wrong)


def test_a_second_row_under_one_key_is_a_duplicate(database: Config) -> None:
    """Test a primary key and a unique index, by statement and through a model."""
    Client.named("Bakery Ltd")
    taken = Client.get()
    with pytest.raises(DuplicateRow) as caught:
        Client.create(name=taken.name)
    assert not trouble_of(caught.value)
    with pytest.raises(DuplicateRow):
        Client.insert(id=taken.id, name="Another").execute()


def test_an_unreachable_database_is_an_outage(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/no/folder/aura.db", "postgresql://x@/aura?host=/nowhere"):
        use_database(url)
        with pytest.raises(OUTAGES) as caught:
            db.connect()
        assert trouble_of(caught.value), url


def test_a_terminated_session_is_an_outage(database: Config) -> None:
    if not is_postgres():
        # SQLite has no sessions.
        return
    ended = catch_error("SELECT pg_terminate_backend(pg_backend_pid())")
    assert trouble_of(ended)


def test_an_error_raised_outside_sql_is_no_outage() -> None:
    assert not trouble_of(OperationalError("of ours"))
