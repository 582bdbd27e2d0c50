"""Bring a database to the newest schema; safe to run at every start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from playhouse.migrations import Runner

from app.models.base import db, use_database

if TYPE_CHECKING:
    from app.config import Config

DIRECTORY = Path(__file__).parent / "migrations"


def to_newest(config: Config) -> list[str]:
    """Bind the configured database and apply what is missing; returns the names."""
    use_database(config.database_url)
    with db.connection_context():
        return apply_missing()


def apply_missing() -> list[str]:
    """Apply what is missing, each migration in a transaction of its own; needs a connection."""
    return Runner(db.obj, str(DIRECTORY)).up()


def is_newest() -> bool:
    """Whether every migration has been applied; needs an open connection."""
    return all(m.applied for m in Runner(db.obj, str(DIRECTORY)).status())
