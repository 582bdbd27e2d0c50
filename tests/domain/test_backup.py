"""A backup is created while Aura runs, and restored to an Aura that has lost all data."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from app import keys
from app.config import Config
from app.domain import audit, backup
from app.domain.actor import Actor
from app.domain.audit import checkpoints
from app.domain.backup import Backup, BackupRefused
from app.domain.connection import revocation
from app.models import database_copy
from app.models.accounts import User
from app.models.alerts import Alert
from app.models.audit import AuditEntry
from app.models.base import db, is_postgres, use_database
from app.models.sites import ACTIVE, DISCONNECTED_UNCONFIRMED, Site
from app.models.visibility import EVERYTHING
from tests.support.factories import make_site, make_user, read_report
from tests.support.fakes import Clock, FakeSite, RecordingQueue

PASSPHRASE = "correct horse battery staple"


@pytest.fixture(autouse=True)
def quick_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the key derivation cheap. One of these tests sets the real cost."""
    monkeypatch.setattr(keys, "_SCRYPT", {"n": 2**4, "r": 8, "p": 1})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "aura.backup"


@pytest.fixture
def elsewhere(config: Config, tmp_path: Path) -> Iterator[Config]:
    """An Aura on another machine: an empty database and other keys."""
    var = tmp_path / "elsewhere"
    var.mkdir()
    url = f"sqlite:///{var / 'aura.db'}"
    if is_postgres():
        url = config.database_url.replace("/aura?", "/elsewhere?")
        for statement in ("DROP DATABASE IF EXISTS elsewhere", "CREATE DATABASE elsewhere"):
            db.execute_sql(statement)
    yield Config.from_env({"AURA_VAR": str(var), "DATABASE_URL": url})
    db.close()
    use_database(config.database_url)
    db.connect(reuse_if_open=True)


def create(path: Path, config: Config, clock: Clock, passphrase: str = PASSPHRASE) -> Backup:
    return backup.create_backup(path, passphrase, config=config, now=clock())


def restore(path: Path, config: Config, clock: Clock, **more: bool) -> backup.Restored:
    db.close()
    return backup.restore_backup(path, PASSPHRASE, config=config, now=clock(), **more)


def restored_config(config: Config, done: backup.Restored) -> Config:
    """Return the configuration of the restored Aura, with settings for a person to copy."""
    assert done.settings is None or done.settings.stat().st_mode & 0o777 == 0o600
    lines = done.settings.read_text().splitlines() if done.settings else []
    settings = dict(line.split("=", 1) for line in lines)
    environment = {"AURA_VAR": str(config.var_dir), "DATABASE_URL": config.database_url}
    return Config.from_env({**environment, **settings})


@pytest.mark.both_databases
def test_a_backup_restores_everything_on_another_machine(
    ready: Site, fake: FakeSite, config: Config, elsewhere: Config, clock: Clock, path: Path
) -> None:
    made = create(path, config, clock)
    assert made.entries == AuditEntry.last_seq()
    assert path.stat().st_mode & 0o777 == 0o600
    assert config.backup_mark.is_file()
    clock.advance(hours=1)
    done = restore(path, elsewhere, clock)
    assert (done.migrations, done.aside) == ([], None)
    found = restored_config(elsewhere, done)
    with db.connection_context():
        assert [entry.event for entry in AuditEntry.newest(limit=2)] == [
            "backup_restored",
            "backup_created",
        ]
        assert audit.verify_chain(checkpoints.anchors()).is_whole
        site = Site.get()
        # The site's keys open with the restored sealing key.
        assert read_report(site, fake, config=replace(found, origin=config.origin)).state == "done"
    assert found.secret_key == config.secret_key


@pytest.mark.both_databases
def test_a_backup_is_created_while_others_write(
    ready: Site, config: Config, elsewhere: Config, clock: Clock, path: Path, busy_database: None
) -> None:
    create(path, config, clock)
    restore(path, elsewhere, clock)
    with db.connection_context():
        assert audit.verify_chain().is_whole


# PostgreSQL copies with its own program.
@pytest.mark.sqlite_only
def test_copying_a_large_database_ends_although_others_keep_writing(
    database: Config, busy_database: None, tmp_path: Path
) -> None:
    """SQLite restarts a copy after each write between two of its steps."""
    db.execute_sql("CREATE TABLE large (bytes)")
    for _ in range(20):
        db.execute_sql("INSERT INTO large VALUES (zeroblob(10000000))")
    copied = threading.Event()

    def copy() -> None:
        database_copy.write_copy(tmp_path / "copy", database.database_url)
        copied.set()

    threading.Thread(target=copy, daemon=True).start()
    assert copied.wait(20), "the copy does not end"


# ---- events after the backup ----


def test_a_site_revoked_after_the_backup_is_shown_as_disconnected(
    ready: Site,
    fake: FakeSite,
    ana: Actor,
    config: Config,
    elsewhere: Config,
    clock: Clock,
    path: Path,
    jobs: RecordingQueue,
) -> None:
    create(path, config, clock)
    revocation.revoke_access(ready, by=ana, now=clock.advance(minutes=5))
    revocation.deliver_revocation(ready.id, config=config, call=fake.call, now=clock)
    clock.advance(hours=2)
    restore(path, elsewhere, clock)
    with db.connection_context():
        site = Site.get()
        assert site.state == ACTIVE, "the restored data says active"
        for _ in range(3):
            assert read_report(site, fake, config=config).error_code == "unauthorized"
            clock.advance(hours=1)
        site.refresh()
        assert site.state == DISCONNECTED_UNCONFIRMED
        assert "site_disconnected" in [entry.event for entry in AuditEntry.newest(limit=6)]


@pytest.mark.both_databases
def test_a_site_called_after_the_backup_raises_an_alert(
    ready: Site, fake: FakeSite, config: Config, elsewhere: Config, clock: Clock, path: Path
) -> None:
    create(path, config, clock)
    make_user("Ben", "operator")
    make_site(Actor.of(User.get(User.name == "Ana")), now=clock(), url="https://later.example")
    read_report(ready, fake, config=config)
    clock.advance(hours=2)
    restore(path, elsewhere, clock)
    with db.connection_context():
        read_report(Site.get(), fake, config=config)
        assert "audit_log_lost" in {alert.kind for alert in Alert.unresolved(EVERYTHING)}


# ---- refused restores ----


def alter(path: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    with ZipFile(path) as archive:
        files = {member: archive.read(member) for member in archive.namelist()}
    with ZipFile(path, "w") as archive:
        for member, raw in files.items():
            archive.writestr(member, change(raw) if member == name else raw)


def in_manifest(**values: object) -> Callable[[bytes], bytes]:
    return lambda raw: json.dumps({**json.loads(raw), **values}).encode()


def last_byte(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


ALTERED: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "database": ("database", last_byte, "is damaged"),
    "keys": ("keys", last_byte, "the backup was changed"),
    "no keys": ("keys", lambda raw: b"", "the backup was changed"),
    "no manifest": ("manifest.json", lambda raw: b"{}", "manifest"),
    "no text": ("manifest.json", lambda raw: b"\xff", "manifest"),
    "newer form": ("manifest.json", in_manifest(v=2), "newer Aura"),
    "newer schema": ("manifest.json", in_manifest(migrations=["0999_x"]), "newer Aura"),
    "other kind": ("manifest.json", in_manifest(database="mysql"), "DATABASE_URL names"),
    "other digest": ("manifest.json", in_manifest(database_digest="0" * 64), "was changed"),
    "other time": ("manifest.json", in_manifest(made_at="2026-11-25T10:00:00+00:00"), "changed"),
}


@pytest.mark.parametrize(("name", "change", "why"), ALTERED.values(), ids=ALTERED)
def test_an_altered_or_newer_backup_is_refused(
    name: str,
    change: Callable[[bytes], bytes],
    why: str,
    ready: Site,
    config: Config,
    elsewhere: Config,
    clock: Clock,
    path: Path,
) -> None:
    create(path, config, clock)
    alter(path, name, change)
    before = elsewhere.sealing_keys
    with pytest.raises(BackupRefused, match=why):
        restore(path, elsewhere, clock)
    with db.connection_context():
        assert db.get_tables() == []
    assert Config.from_env({"AURA_VAR": str(elsewhere.var_dir)}).sealing_keys == before
    assert [entry.name for entry in elsewhere.var_dir.iterdir() if entry.is_dir()] == []


@pytest.mark.both_databases
def test_a_database_damaged_at_any_byte_is_refused(
    ready: Site, config: Config, elsewhere: Config, clock: Clock, path: Path
) -> None:
    create(path, config, clock)
    raw = path.read_bytes()
    with ZipFile(path) as archive:
        packed = archive.getinfo("database")
    begins = packed.header_offset + 30 + len(packed.filename)
    # The last bytes only mark the end.
    for at in range(begins, begins + packed.compress_size - 16, packed.compress_size // 25):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 255]) + raw[at + 1 :])
        with pytest.raises(BackupRefused):
            restore(path, elsewhere, clock)
    path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(BackupRefused, match="or it is damaged"):
        restore(path, elsewhere, clock)


def test_another_passphrase_is_refused(
    ready: Site, config: Config, elsewhere: Config, clock: Clock, path: Path
) -> None:
    create(path, config, clock, passphrase="something else entirely")
    with pytest.raises(BackupRefused, match="passphrase is not that of this backup"):
        restore(path, elsewhere, clock)


def test_a_file_that_is_no_backup_is_refused(elsewhere: Config, clock: Clock, path: Path) -> None:
    path.write_bytes(b"something")
    with pytest.raises(BackupRefused, match="is not a backup of Aura"):
        restore(path, elsewhere, clock)


def test_a_short_passphrase_and_an_existing_file_are_refused(
    ready: Site, config: Config, clock: Clock, path: Path
) -> None:
    with pytest.raises(BackupRefused, match="at least 12 characters"):
        create(path, config, clock, passphrase="short")
    path.touch()
    with pytest.raises(BackupRefused, match="exists already"):
        create(path, config, clock)


@pytest.mark.both_databases
def test_a_database_with_data_is_kept(
    ready: Site, config: Config, clock: Clock, path: Path
) -> None:
    create(path, config, clock)
    with pytest.raises(BackupRefused, match=r"data already|not empty"):
        restore(path, config, clock)
    with db.connection_context():
        assert Site.select().count() == 1
    if is_postgres():
        with pytest.raises(BackupRefused, match="not empty"):
            restore(path, config, clock, replaces=True)
        return
    clock.advance(minutes=1)
    done = restore(path, config, clock, replaces=True)
    assert done.aside is not None
    assert done.aside.name == f"aura.db.before-{clock():%Y%m%d-%H%M%S}"
    use_database(f"sqlite:///{done.aside}")
    with db.connection_context():
        assert Site.select().count() == 1


def test_the_password_of_postgresql_is_in_no_command_line(tmp_path: Path) -> None:
    path = tmp_path / "password"
    url = "postgresql://aura:a%3Ab%5Cc@db.example:5433/aura?sslmode=require"
    address = database_copy._without_password(url, path)
    assert address.startswith("postgresql://aura@db.example:5433/aura?sslmode=require&passfile=")
    assert path.read_text() == "*:*:*:*:a\\:b\\\\c\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert database_copy._without_password("postgresql://aura@/aura", path) == (
        "postgresql://aura@/aura"
    )


def test_the_database_may_be_on_another_file_system(
    ready: Site,
    config: Config,
    elsewhere: Config,
    clock: Clock,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create(path, config, clock)
    original = os.rename

    def rename(source: Any, target: Any) -> None:
        if Path(source).name == "database":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        original(source, target)

    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(os, "replace", rename)
    restore(path, elsewhere, clock)
    if not is_postgres():
        assert (elsewhere.var_dir / "aura.db").stat().st_mode & 0o777 == 0o600
    with db.connection_context():
        assert Site.select().count() == 1


# ---- keys ----


def test_keys_in_files_are_restored_as_files(
    ready: Site, config: Config, elsewhere: Config, clock: Clock, path: Path
) -> None:
    in_files = replace(config, sealing_keys=(("k1", bytes(range(32))),))
    create(path, in_files, clock)
    done = restore(path, elsewhere, clock)
    assert done.settings is None
    found = restored_config(elsewhere, done)
    assert (found.sealing_keys, found.secret_key) == (in_files.sealing_keys, config.secret_key)
    for name in ("sealing.key", "secret.key"):
        assert (elsewhere.var_dir / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("setting", ["secret_key", "sealing_keys"])
def test_keys_in_settings_are_written_to_a_file_for_a_person(
    setting: str, ready: Site, config: Config, elsewhere: Config, clock: Clock, path: Path
) -> None:
    in_files = replace(config, sealing_keys=(("k1", bytes(range(32))),))
    create(path, in_files, clock)
    values = {"secret_key": "s" * 40, "sealing_keys": (("k1", b"k" * 32),)}
    done = restore(path, replace(elsewhere, **{setting: values[setting]}), clock)
    assert done.settings is not None
    assert restored_config(elsewhere, done).sealing_keys == in_files.sealing_keys


def test_no_key_is_readable_in_a_backup(
    ready: Site, config: Config, clock: Clock, path: Path
) -> None:
    create(path, config, clock)
    with ZipFile(path) as archive:
        raw = b"".join(archive.read(name) for name in archive.namelist())
    for secret in (config.secret_key.encode(), keys.b64u(config.sealing_keys[0][1]).encode()):
        assert secret not in raw
    assert config.sealing_keys[0][1] not in raw


def test_a_passphrase_decrypts_only_what_it_encrypted() -> None:
    locked = keys.lock(b"secret", PASSPHRASE, "test")
    assert keys.unlock(locked, PASSPHRASE, "test") == b"secret"
    for wrong in ((PASSPHRASE, "other"), ("other", "test")):
        with pytest.raises(keys.SealBroken):
            keys.unlock(locked, *wrong)
    with pytest.raises(keys.SealBroken):
        keys.unlock(b"", PASSPHRASE, "test")


def test_the_default_cost_is_the_one_that_owasp_recommends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert keys._SCRYPT == {"n": 2**17, "r": 8, "p": 1}
    locked = keys.lock(b"secret", PASSPHRASE, "test")
    assert keys.unlock(locked, PASSPHRASE, "test") == b"secret"
