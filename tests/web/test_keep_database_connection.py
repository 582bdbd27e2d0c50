"""Pages on PostgreSQL share one connection for each thread; pages on SQLite close theirs."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import psycopg
import pytest

from app.config import Config
from app.models.base import db, is_postgres
from tests.support.browsers import Person

pytestmark = pytest.mark.both_databases


@pytest.fixture
def reader(as_ana: Person) -> Iterator[Person]:
    """A browser whose requests find no connection of the test."""
    db.close()
    yield as_ana
    db.connect(reuse_if_open=True)


def reads_a_page(reader: Person) -> None:
    assert reader.get("/sites").status_code == 200


def kept() -> int | None:
    """The process of PostgreSQL at the other end of this thread's connection, if one is open."""
    if db.is_closed():
        return None
    (found,) = db.execute_sql("SELECT pg_backend_pid()").fetchone()
    return int(found)


def test_a_page_leaves_only_a_connection_to_postgresql_open(reader: Person) -> None:
    reads_a_page(reader)
    assert db.is_closed() is not is_postgres()


def test_the_next_page_uses_the_same_connection(reader: Person) -> None:
    reads_a_page(reader)
    first = kept()
    reads_a_page(reader)
    assert kept() == first


def test_a_connection_that_broke_meanwhile_breaks_no_page(reader: Person, config: Config) -> None:
    reads_a_page(reader)
    broken = kept()
    if is_postgres():
        with psycopg.connect(config.database_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (broken,))
    reads_a_page(reader)
    assert (kept() != broken) is is_postgres()


def test_a_connection_that_was_idle_for_long_is_replaced(reader: Person) -> None:
    reads_a_page(reader)
    first = kept()
    with patch("app.views.database_connection._MOST_IDLE_S", -1):
        reads_a_page(reader)
    assert (kept() != first) is is_postgres()


def test_a_connection_that_was_open_before_stays_open(as_ana: Person) -> None:
    reads_a_page(as_ana)
    assert not db.is_closed()
