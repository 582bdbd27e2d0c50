"""The pages that a thread answers share one connection to the database, while it is of use."""

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
    """A browser whose requests find no connection of the test."""
    db.close()
    yield as_ana
    db.connect(reuse_if_open=True)


def reads_a_page(reader: Person) -> str:
    answer = reader.get("/sites")
    assert answer.status_code == 200
    return str(answer.text)


def test_the_next_page_uses_the_same_connection(reader: Person) -> None:
    reads_a_page(reader)
    first = db.connection()
    reads_a_page(reader)
    assert db.connection() is first


def test_a_connection_that_was_idle_for_long_is_replaced(reader: Person) -> None:
    reads_a_page(reader)
    first = db.connection()
    with patch("app.models.kept_connection._MOST_IDLE_S", -1):
        reads_a_page(reader)
    assert db.connection() is not first


def test_a_connection_that_broke_meanwhile_breaks_no_page(reader: Person, config: Config) -> None:
    reads_a_page(reader)
    _break(config)
    reads_a_page(reader)


def _break(config: Config) -> None:
    """End the server's process, or close the file; what kept the connection does not know."""
    if is_postgres():
        (process,) = db.execute_sql("SELECT pg_backend_pid()").fetchone()
        with psycopg.connect(config.database_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (process,))
    else:
        db.close()


@pytest.mark.sqlite_only
def test_a_file_that_was_put_in_place_of_the_other_is_read(
    reader: Person, config: Config, paired: Site
) -> None:
    file = Path(config.database_url.removeprefix("sqlite:///"))
    Site.update(name="As it was").execute()
    db.close()
    earlier = file.with_suffix(".earlier")
    shutil.copyfile(file, earlier)
    Site.update(name="As it is").execute()
    db.close()
    assert "As it is" in reads_a_page(reader)
    earlier.replace(file)
    assert "As it was" in reads_a_page(reader)


def test_a_connection_that_was_open_before_stays_open(as_ana: Person) -> None:
    db.connect(reuse_if_open=True)
    own = db.connection()
    reads_a_page(as_ana)
    assert db.connection() is own
