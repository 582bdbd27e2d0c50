"""Requests of one thread share a database connection as long as it works."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import psycopg
import pytest

from app.config import Config
from app.models.base import db, is_postgres
from app.models.sites import Site
from tests.support.browsers import Person

pytestmark = pytest.mark.both_databases


@pytest.fixture
def reader(as_ana: Person) -> Iterator[Person]:
    """Yield a browser whose requests find no connection that the test opened."""
    db.close()
    yield as_ana
    db.connect(reuse_if_open=True)


def read_page(reader: Person) -> str:
    response = reader.get("/sites")
    assert response.status_code == 200
    return str(response.text)


def test_the_next_page_uses_the_same_connection(reader: Person) -> None:
    read_page(reader)
    first = db.connection()
    read_page(reader)
    assert db.connection() is first


def test_a_connection_that_was_idle_for_long_is_replaced(reader: Person) -> None:
    read_page(reader)
    first = db.connection()
    with patch("app.models.kept_connection._MOST_IDLE_S", -1):
        read_page(reader)
    assert db.connection() is not first


def test_a_connection_that_broke_meanwhile_breaks_no_page(reader: Person, config: Config) -> None:
    read_page(reader)
    _break(config)
    read_page(reader)


def _break(config: Config) -> None:
    """Break the kept connection: end the server's process, or close the file."""
    if is_postgres():
        (process,) = db.execute_sql("SELECT pg_backend_pid()").fetchone()
        with psycopg.connect(config.database_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (process,))
    else:
        db.close()


@pytest.mark.sqlite_only
def test_a_replaced_database_file_is_read(reader: Person, config: Config, paired: Site) -> None:
    file = Path(config.database_url.removeprefix("sqlite:///"))
    Site.update(name="As it was").execute()
    db.close()
    earlier = file.with_suffix(".earlier")
    shutil.copyfile(file, earlier)
    Site.update(name="As it is").execute()
    db.close()
    assert "As it is" in read_page(reader)
    earlier.replace(file)
    assert "As it was" in read_page(reader)


def test_a_connection_that_was_open_before_stays_open(as_ana: Person) -> None:
    db.connect(reuse_if_open=True)
    own = db.connection()
    read_page(as_ana)
    assert db.connection() is own
