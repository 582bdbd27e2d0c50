"""Back up this installation to one file, and restore it.

A backup is a zip with the database, a manifest with its digest, and the keys of this installation.
The keys are encrypted with a passphrase and bound to the manifest. So without the passphrase, none
of the three can be changed unnoticed. See docs/OPERATIONS.md.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import file_digest, sha256
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.audit.events import BackupCreated, BackupRestored
from app.keys import SealBroken, lock, unlock
from app.models import database_copy, migrate
from app.models.audit import AuditEntry
from app.models.base import db, transaction, use_database
from app.models.database_copy import CopyFailed
from app.protocol import ProtocolError, b64u, canonical, from_b64u, parse_json

VERSION = 1
MIN_PASSPHRASE_CHARS = 12
_DATABASE, _KEYS, _MANIFEST = "database", "keys", "manifest.json"
_MAX_SMALL_FILE = 1 << 20
_PIECE = 1 << 20


class BackupRefused(Exception):
    """A backup could not be made or restored, and nothing was changed; the text says why."""


@dataclass(frozen=True)
class Backup:
    """What a backup says about itself: when it was made, and how far its audit log reaches."""

    made_at: datetime
    kind: str
    migrations: tuple[str, ...]
    entries: int
    head: str
    database_digest: str


@dataclass(frozen=True)
class Restored:
    """A restored backup, the schema updates it needed, and what a person still has to do.

    `aside` is the database that was there before, if any.
    """

    backup: Backup
    migrations: list[str]
    aside: Path | None
    settings: Path | None


def create_backup(path: Path, passphrase: str, *, config: Config, now: datetime) -> Backup:
    """Write a backup to a new file at `path`, readable only by this user; Aura may be running.

    Raises: BackupRefused.
    """
    if len(passphrase) < MIN_PASSPHRASE_CHARS:
        raise BackupRefused(f"Use a passphrase of at least {MIN_PASSPHRASE_CHARS} characters.")
    if path.exists():
        raise BackupRefused(f"{path} exists already.")
    with transaction():
        audit.record(BackupCreated(), SYSTEM, now=now)
    entries, head = AuditEntry.end() or (0, "")
    applied, _ = migrate.read_status()
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".backup-") as folder:
            copy, packed = Path(folder) / _DATABASE, Path(folder) / "packed"
            database_copy.write_copy(copy, config.database_url)
            kind, digest = database_copy.kind(), _digest_of(copy)
            backup = Backup(now, kind, tuple(applied), entries, head, digest)
            manifest = _manifest_of(backup)
            keys = lock(_keys_of(config), passphrase, _context(manifest))
            with _new_file(packed) as file, ZipFile(file, "w", ZIP_DEFLATED) as archive:
                archive.writestr(_MANIFEST, manifest)
                archive.writestr(_KEYS, keys)
                archive.write(copy, _DATABASE)
            packed.rename(path)
    except (OSError, CopyFailed) as why:
        raise BackupRefused(f"The backup was not made. {why}") from why
    config.backup_mark.touch()
    return backup


def restore_backup(
    path: Path, passphrase: str, *, config: Config, now: datetime, replaces: bool = False
) -> Restored:
    """Restore the backup at `path`, while no process of Aura runs.

    Everything is checked before anything is changed. With `replaces`, a SQLite database with data
    is renamed; otherwise it is a reason to refuse.

    Raises: BackupRefused.
    """
    use_database(config.database_url)
    with _opened(path) as archive, tempfile.TemporaryDirectory(dir=config.var_dir) as folder:
        manifest = _small(archive, _MANIFEST)
        backup = _backup_in(manifest)
        _require_fit(backup)
        with db.connection_context():
            may_replace = replaces and backup.kind == database_copy.SQLITE
            if not may_replace and not database_copy.is_unused():
                raise BackupRefused(_NOT_EMPTY[backup.kind])
        keys = _keys_in(_small(archive, _KEYS), passphrase, manifest)
        copy = Path(folder) / _DATABASE
        _unpack(archive, backup, copy)
        try:
            aside = database_copy.load_copy(
                copy, config.database_url, aside=f".before-{now:%Y%m%d-%H%M%S}"
            )
        except (OSError, CopyFailed) as why:
            raise BackupRefused(f"The backup was not restored. {why}") from why
    settings = _put_keys(keys, config)
    migrations = migrate.to_newest(config.database_url, config.var_dir)
    with db.connection_context(), transaction():
        made_at = backup.made_at.isoformat()
        audit.record(BackupRestored(made_at=made_at, entries=backup.entries), SYSTEM, now=now)
    return Restored(backup, migrations, aside, settings)


_NOT_EMPTY = {
    database_copy.SQLITE: (
        "There is a database with data already. To keep it under another name and restore the "
        "backup, add --replace."
    ),
    database_copy.POSTGRESQL: (
        "The database in DATABASE_URL is not empty. Create an empty one, for example with "
        "createdb, and name it in DATABASE_URL."
    ),
}


# ---- the file ----


def _manifest_of(backup: Backup) -> bytes:
    return canonical(
        {
            "v": VERSION,
            "made_at": backup.made_at.astimezone(UTC).isoformat(),
            "database": backup.kind,
            "migrations": list(backup.migrations),
            "entries": backup.entries,
            "head": backup.head,
            "database_digest": backup.database_digest,
        }
    )


def _backup_in(manifest: bytes) -> Backup:
    try:
        document = parse_json(manifest)
        if document["v"] != VERSION:
            raise BackupRefused("A newer Aura made this backup. Install that version first.")
        return Backup(
            datetime.fromisoformat(document["made_at"]),
            document["database"],
            tuple(document["migrations"]),
            document["entries"],
            document["head"],
            document["database_digest"],
        )
    except (ProtocolError, KeyError, TypeError, ValueError) as why:
        raise BackupRefused(f"The manifest of the backup cannot be read: {why}.") from why


def _context(manifest: bytes) -> str:
    """Return what the keys are bound to."""
    return f"backup {sha256(manifest).hexdigest()}"


def _new_file(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


@contextmanager
def _opened(path: Path) -> Iterator[ZipFile]:
    try:
        with ZipFile(path) as archive:
            yield archive
    except (BadZipFile, KeyError, EOFError, zlib.error) as why:
        raise BackupRefused(f"{path} is not a backup of Aura, or it is damaged: {why}.") from why


def _small(archive: ZipFile, name: str) -> bytes:
    with archive.open(name) as file:
        return file.read(_MAX_SMALL_FILE)


def _require_fit(backup: Backup) -> None:
    """Raise BackupRefused for a backup of another kind of database or of a newer Aura."""
    if backup.kind != database_copy.kind():
        raise BackupRefused(
            f"This is a backup of a {backup.kind} database, and DATABASE_URL names a "
            f"{database_copy.kind()} database."
        )
    unknown = [name for name in backup.migrations if not migrate.is_known(name)]
    if unknown:
        raise BackupRefused(
            f"A newer Aura made this backup ({', '.join(unknown)}). Install that version first."
        )


def _unpack(archive: ZipFile, backup: Backup, copy: Path) -> None:
    digest = sha256()
    with archive.open(_DATABASE) as packed, _new_file(copy) as file:
        while piece := packed.read(_PIECE):
            digest.update(piece)
            file.write(piece)
    if digest.hexdigest() != backup.database_digest:
        raise BackupRefused("The database in the backup is damaged: its digest does not match.")


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


# ---- the keys ----


@dataclass(frozen=True)
class _Keys:
    """The secrets of an installation that are not in its database."""

    sealing_keys: tuple[tuple[str, bytes], ...]
    secret_key: str


def _keys_of(config: Config) -> bytes:
    sealing = [[name, b64u(key)] for name, key in config.sealing_keys]
    return canonical({"sealing_keys": sealing, "secret_key": config.secret_key})


def _keys_in(locked: bytes, passphrase: str, manifest: bytes) -> _Keys:
    try:
        document = parse_json(unlock(locked, passphrase, _context(manifest)))
    except SealBroken as why:
        raise BackupRefused(
            "The passphrase is not that of this backup, or the backup was changed."
        ) from why
    sealing = tuple((name, from_b64u(key, 32)) for name, key in document["sealing_keys"])
    return _Keys(sealing, document["secret_key"])


def _put_keys(keys: _Keys, config: Config) -> Path | None:
    """Put the keys where Aura reads them.

    Return the file with settings that a person has to take over instead, if this Aura's keys come
    from the environment, or the backup has more than one sealing key.
    """
    if keys == _Keys(config.sealing_keys, config.secret_key):
        return None
    sealing_file, secret_file = config.var_dir / "sealing.key", config.var_dir / "secret.key"
    are_in_files = (
        [name for name, _ in keys.sealing_keys] == ["k1"]
        and _holds(sealing_file, b64u(config.sealing_keys[0][1]))
        and _holds(secret_file, config.secret_key)
    )
    pairs = ",".join(f"{name}:{b64u(key)}" for name, key in keys.sealing_keys)
    if are_in_files:
        _put(sealing_file, b64u(keys.sealing_keys[0][1]))
        _put(secret_file, keys.secret_key)
        return None
    settings = config.var_dir / "restored-keys.env"
    _put(settings, f"AURA_SEALING_KEYS={pairs}\nAURA_SECRET_KEY={keys.secret_key}")
    return settings


def _holds(path: Path, secret: str) -> bool:
    return path.is_file() and path.read_text("ascii").strip() == secret


def _put(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with _new_file(path) as file:
        file.write(f"{text}\n".encode())
