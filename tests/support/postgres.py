"""A temporary PostgreSQL cluster for the tests, on a socket in a temporary folder.

Every test gets a fresh copy of a prepared database, because the triggers of the audit log prevent
emptying one.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from app.config import Config

OWNER = "postgres"
_USED = "aura"
_SETTINGS = {
    # The data must survive processes, but not the machine.
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "60",
    "autovacuum": "off",
    "jit": "off",
}
_PATIENCE_S = 60
_ROOM_BYTES = 1 << 30


def programs() -> Path:
    """Return the folder with initdb and postgres of the newest version."""
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    # Debian keeps them out of the PATH.
    versions = list(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not versions:
        raise RuntimeError("PostgreSQL's programs are missing; `make prepare` installs them.")
    return max(versions, key=lambda path: int(path.parts[-3])).parent


def _server_account() -> dict[str, Any]:
    """Return the account that runs the server, because PostgreSQL refuses root."""
    if os.getuid():
        return {}
    accounts = {account.pw_name: account for account in pwd.getpwall()}
    account = accounts.get("postgres") or accounts["nobody"]
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _folder() -> Path:
    """Return a folder in memory if there is room, where copying takes a fifth of the time."""
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > _ROOM_BYTES
    return Path(tempfile.mkdtemp(prefix="aura-pg-", dir=memory if has_room else None))


@dataclass
class Cluster:
    """One server process and its files. `remove` ends it and leaves nothing."""

    folder: Path = field(default_factory=_folder)
    _server: subprocess.Popen[bytes] | None = None
    _connection: psycopg.Connection[Any] | None = None
    _templates: set[str] = field(default_factory=set)

    @classmethod
    def create(cls) -> Cluster:
        """Create and start a new cluster."""
        cluster, who = cls(), _server_account()
        if who:
            os.chown(cluster.folder, who["user"], who["group"])
        command = [programs() / "initdb", "-D", cluster.folder / "data", "-U", OWNER]
        command += ["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=cluster.folder, **who)
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")
        cluster.start()
        return cluster

    def url(self, name: str = _USED, user: str = OWNER) -> str:
        """DATABASE_URL for a database in it."""
        return f"postgresql://{user}@/{name}?host={quote(str(self.folder))}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [programs() / "postgres", "-D", "data", "-k", str(self.folder), *options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                **_server_account(),
            )
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline and self._server.poll() is None:
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.02)
        raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()}")

    def stop(self) -> None:
        """Stop the server as `pg_ctl stop -m immediate` does: every connection breaks at once."""
        assert self._server is not None
        if self._connection is not None:
            self._connection.close()
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait(_PATIENCE_S)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def sql(self, *statements: str) -> None:
        """Run statements as the cluster's owner, on a connection that is kept."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.url("postgres"), autocommit=True)
        for statement in statements:
            self._connection.execute(statement)

    def blank(self) -> None:
        """Empty the database at `url`, even if connections to it are open."""
        self._recreate(_USED, "template0")

    def restore(self, name: str, config: Config, fill: Callable[[Config], None]) -> None:
        """Replace the database by a copy of `name`, which `fill` fills the first time."""
        if name not in self._templates:
            self._recreate(name, "template0")
            fill(replace(config, database_url=self.url(name)))
            self._templates.add(name)
        self._recreate(_USED, name)

    def _recreate(self, name: str, template: str) -> None:
        # Copying files also copies caches that the first connection would have to build.
        self.sql(
            f"DROP DATABASE IF EXISTS {name} WITH (FORCE)",
            f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY",
        )


@dataclass
class Given:
    """A database named by an environment variable. The tests drop everything in it."""

    address: str

    def url(self) -> str:
        return self.address

    def blank(self) -> None:
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

    def restore(self, name: str, config: Config, fill: Callable[[Config], None]) -> None:
        """Fill the database again, because there is no second one to copy."""
        self.blank()
        fill(replace(config, database_url=self.address))

    def remove(self) -> None:
        """Do nothing: the tests did not create the database."""
