"""Copy the whole database to a file while Aura uses it, and load such a copy."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from app.models.base import db, is_postgres

SQLITE, POSTGRESQL = "sqlite", "postgresql"
_MAX_REASON_CHARS = 500


class CopyFailed(Exception):
    """The database could not be copied or loaded; the text says why."""


def kind() -> str:
    """Return the kind of the database in use."""
    return POSTGRESQL if is_postgres() else SQLITE


def is_unused() -> bool:
    """Whether the database in use has no tables, or on SQLite neither users nor entries."""
    tables = set(db.get_tables())
    if is_postgres() or not {"users", "audit"} <= tables:
        return not tables
    found = db.execute_sql("SELECT EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM audit)")
    return not found.fetchone()[0]


def write_copy(path: Path, url: str) -> None:
    """Write the database at `url`, which is in use, to a new file.

    Raises: CopyFailed.
    """
    if is_postgres():
        _run(["pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={path}"], url)
        return
    try:
        with closing(sqlite3.connect(db.obj.database)) as live, closing(_open_new(path)) as copy:
            # In one step: SQLite begins again after each write that happens between two steps, so
            # the copy of a large database in use would never end. In WAL mode, others write
            # during a step as well (https://www.sqlite.org/c3ref/backup_finish.html).
            live.backup(copy)
    except sqlite3.Error as why:
        raise CopyFailed(f"The database could not be copied: {why}.") from why


def load_copy(path: Path, url: str, *, aside: str) -> Path | None:
    """Put a copy in the place of the database at `url`, which nothing uses.

    A SQLite file with data gets `aside` appended to its name; return its new path. A database on
    PostgreSQL must be empty.

    Raises: CopyFailed.
    """
    if is_postgres():
        _run(["pg_restore", "--single-transaction", "--no-owner", "--no-privileges", path], url)
        return None
    _check_sqlite(path)
    target = Path(db.obj.database)
    with db.connection_context():
        is_kept = not is_unused()
    # The copy may be on another file system. So it is brought here before the old file moves.
    staged = target.with_name(target.name + ".restored")
    staged.unlink(missing_ok=True)
    os.close(_create(staged))
    shutil.move(path, staged)
    moved = _move_aside(target, aside)
    staged.replace(target)
    if is_kept:
        return moved
    moved.unlink()
    return None


def _open_new(path: Path) -> sqlite3.Connection:
    """Return a connection to a new database, whose file only this user can read."""
    os.close(_create(path))
    return sqlite3.connect(path)


def _create(path: Path) -> int:
    """Create a file that only this user can read, and return its descriptor."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _check_sqlite(path: Path) -> None:
    try:
        with closing(sqlite3.connect(path)) as copy:
            (state,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as why:
        raise CopyFailed(f"The copy of the database cannot be read: {why}.") from why
    if state != "ok":
        raise CopyFailed(f"The copy of the database is damaged: {state}.")


def _move_aside(target: Path, aside: str) -> Path:
    """Rename a SQLite file, with everything that its journal still holds."""
    try:
        with closing(sqlite3.connect(target)) as old:
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as why:
        raise CopyFailed(f"The database that is there cannot be closed: {why}.") from why
    moved = target.with_name(target.name + aside)
    target.rename(moved)
    for part in ("-wal", "-shm"):
        target.with_name(target.name + part).unlink(missing_ok=True)
    return moved


def _run(command: list[str | Path], url: str) -> None:
    """Run one of PostgreSQL's programs on the database at `url`."""
    with tempfile.TemporaryDirectory() as folder:
        address = _without_password(url, Path(folder) / "password")
        try:
            done = subprocess.run(
                [*command, f"--dbname={address}"], capture_output=True, text=True, check=False
            )
        except FileNotFoundError as why:
            reason = f"{command[0]} is missing. Install the client programs of PostgreSQL."
            raise CopyFailed(reason) from why
    if done.returncode:
        raise CopyFailed(f"{command[0]} failed: {done.stderr.strip()[:_MAX_REASON_CHARS]}")


def _without_password(url: str, path: Path) -> str:
    """Return `url` with the name of a file in the place of its password.

    Every user of the machine can list the arguments of a program. libpq reads the file (PostgreSQL,
    "The Password File").
    """
    parts = urlsplit(url)
    if parts.password is None:
        return url
    password = unquote(parts.password).replace("\\", "\\\\").replace(":", "\\:")
    with os.fdopen(_create(path), "w") as file:
        file.write(f"*:*:*:*:{password}\n")
    host = parts.netloc.rpartition("@")[2]
    query = "&".join(filter(None, (parts.query, f"passfile={quote(str(path), safe='')}")))
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{host}", query=query))
