"""An outage of the database is told from everything else that can go wrong in SQL."""

from __future__ import annotations

from pathlib import Path

import pytest
from peewee import IntegrityError, OperationalError

from app.config import Config
from app.models.base import DuplicateRow, db, is_postgres, use_database
from app.models.clients import Client
from app.models.database_errors import OUTAGES, trouble_of

pytestmark = pytest.mark.both_databases


def failing(statement: str) -> Exception:
    with pytest.raises(Exception) as caught:
        db.execute_sql(statement)
    return caught.value


def test_a_mistake_of_ours_is_no_outage(database: Config) -> None:
    assert not trouble_of(failing("SELECT * FROM nothing_of_this"))
    wrong = failing("INSERT INTO client (name) VALUES (NULL)")
    assert isinstance(wrong, IntegrityError)
    assert not isinstance(wrong, DuplicateRow)
    assert not trouble_of(wrong)


def test_a_second_row_under_one_key_is_a_duplicate(database: Config) -> None:
    """A primary key and a unique index alike, by statement and through a model."""
    Client.named("Bakery Ltd")
    taken = Client.get()
    with pytest.raises(DuplicateRow) as caught:
        Client.create(name=taken.name)
    assert not trouble_of(caught.value)
    with pytest.raises(DuplicateRow):
        Client.insert(id=taken.id, name="Another").execute()


def test_a_database_that_is_not_there_is_one(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/no/folder/aura.db", "postgresql://x@/aura?host=/nowhere"):
        use_database(url)
        with pytest.raises(OUTAGES) as caught:
            db.connect()
        assert trouble_of(caught.value), url


def test_a_session_that_was_ended_is_one(database: Config) -> None:
    if not is_postgres():
        # SQLite has no sessions.
        return
    ended = failing("SELECT pg_terminate_backend(pg_backend_pid())")
    assert trouble_of(ended)


def test_what_nobody_raised_in_sql_is_none() -> None:
    assert not trouble_of(OperationalError("of ours"))
