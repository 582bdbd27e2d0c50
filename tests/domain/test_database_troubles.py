"""Aura distinguishes the problems of a database, and gives advice for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.config import Config
from app.factory import create_app
from app.models import migrate
from app.models.base import db, is_postgres
from app.models.database_errors import DAMAGED, OUTAGES, READ_ONLY, trouble_of
from app.models.installation import Setting
from app.run import serve
from tests.support.config import make_config


@pytest.fixture
def started(tmp_path: Path) -> Config:
    """Return the configuration of an Aura that has been started before, on SQLite."""
    config = make_config(tmp_path)
    migrate.to_newest(config.database_url, config.var_dir)
    return config


def refusal(config: Config) -> str:
    with pytest.raises((serve.CannotStart, migrate.DatabaseRefused)) as why:
        serve._migrate(config)
    return str(why.value)


def test_an_emptied_database_is_no_new_installation(started: Config) -> None:
    (started.var_dir / "aura.db").unlink()
    for name in ("aura.db-wal", "aura.db-shm"):
        (started.var_dir / name).unlink(missing_ok=True)
    assert "is empty, but this Aura has worked with it before" in refusal(started)
    (started.var_dir / "database").unlink()
    serve._migrate(started)


def test_another_database_may_be_empty(started: Config) -> None:
    other = make_config(started.var_dir, database_url=f"sqlite:///{started.var_dir / 'other.db'}")
    serve._migrate(other)


def test_a_newer_schema_is_not_started(started: Config) -> None:
    with db.connection_context():
        db.execute_sql(
            "INSERT INTO schema_migration (name, applied) VALUES ('9999_later', '2027-01-01')"
        )
    words = refusal(started)
    assert "changed by a newer Aura (9999_later)" in words


@pytest.mark.parametrize("content", [b"not a database " * 100, b"SQLite format 3\0" + b"x" * 9000])
def test_a_damaged_file_is_reported_as_damaged(started: Config, content: bytes) -> None:
    db.close()
    (started.var_dir / "aura.db").write_bytes(content)
    for name in ("aura.db-wal", "aura.db-shm"):
        (started.var_dir / name).unlink(missing_ok=True)
    assert "The file is damaged or not a database" in refusal(started)


def test_a_page_says_what_is_wrong_with_the_database(started: Config) -> None:
    app = create_app(started)
    browser: Any = app.test_client()
    db.close()
    (started.var_dir / "aura.db").write_bytes(b"not a database " * 100)
    answer = browser.get("/sign-in")
    assert answer.status_code == 503
    assert "The database is damaged" in answer.text


def test_a_read_only_database_differs_from_an_unreachable_one(database: Config) -> None:
    pragma = "PRAGMA query_only = 1"
    db.execute_sql("SET default_transaction_read_only = on" if is_postgres() else pragma)
    with pytest.raises(OUTAGES) as why:
        Setting.create(name="a", value="b")
    assert trouble_of(why.value) == READ_ONLY != DAMAGED
