"""Update the database schema; safe to run at every start."""

from __future__ import annotations

import hashlib
from pathlib import Path

from playhouse.migrations import Runner

from app.models.base import db, use_database

DIRECTORY = Path(__file__).parent / "migrations"


class DatabaseRefused(Exception):
    """The database is not the one that Aura expects; the text says why and what to do."""


def to_newest(database_url: str, var_dir: Path) -> list[str]:
    """Bind the database and apply missing migrations; return their names.

    Raises: DatabaseRefused for a database of a newer Aura, and for an empty database that had data
    before.
    """
    use_database(database_url)
    # Stored next to the keys, so that an emptied database does not look like a new Aura.
    known = var_dir / "database"
    this_one = hashlib.sha256(database_url.encode()).hexdigest()
    with db.connection_context():
        if not db.get_tables() and known.is_file() and known.read_text().strip() == this_one:
            raise DatabaseRefused(
                "The database is empty, but this Aura has worked with it before. If it was lost, "
                "restore the newest backup as docs/OPERATIONS.md describes. To begin with an empty "
                f"database, delete {known} and start again."
            )
        applied = apply_missing()
    known.write_text(f"{this_one}\n")
    return applied


def read_status() -> tuple[list[str], list[str]]:
    """Return the names of the migrations that are applied, and of those that are missing."""
    known = Runner(db.obj, str(DIRECTORY)).status()
    return (
        [migration.name for migration in known if migration.applied],
        [migration.name for migration in known if not migration.applied],
    )


def is_known(name: str) -> bool:
    """Whether this Aura has a migration of that name."""
    return name in {path.stem for path in DIRECTORY.glob("[0-9]*.py")}


def apply_missing() -> list[str]:
    """Apply missing migrations, each in its own transaction; needs a connection.

    Raises: DatabaseRefused if this Aura does not know an applied migration.
    """
    runner = Runner(db.obj, str(DIRECTORY))
    unknown = [migration.name for migration in runner.status() if migration.path is None]
    if unknown:
        raise DatabaseRefused(
            f"The database was changed by a newer Aura ({', '.join(unknown)}). Install that "
            "version again, or restore a backup from before the update."
        )
    return runner.up()
