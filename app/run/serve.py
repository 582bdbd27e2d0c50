"""Start web, worker and scheduler under one process: what `make run` runs.

Honcho supervises: when one part ends, or Ctrl-C arrives, all end. The queue's
Redis is a bundled one on a unix socket unless REDIS_URL names another.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TextIO

from honcho.manager import Manager
from honcho.printer import Printer

from app import create_app
from app.config import Config, ConfigError
from app.models import migrate
from app.models.base import AWAY, DAMAGED, OUTAGES, READ_ONLY, trouble_of
from app.run.bundled_redis import RedisServer, RedisUnavailable, ended

_INTERRUPTED = (130, 143)
# How long the parts of an Aura that was killed may take to notice and end, in seconds.
_PARTS_END_S = 15.0
_ADVICE = {
    AWAY: "Start the database or correct DATABASE_URL, then try again.",
    READ_ONLY: "Give Aura's user write access to that file and its folder, or remount the disk "
    "for writing. Then try again.",
    DAMAGED: "The file is damaged or not a database. Keep a copy of it, restore the newest backup "
    "as docs/OPERATIONS.md describes, and start Aura again.",
}


class CannotStart(Exception):
    """Something outside Aura stands in the way; the text says what and what to do."""


class Supervisor(Manager):  # type: ignore[misc]  # honcho has no types
    """Honcho's manager, which also says why everything ended and can be told to end it.

    `why` stays empty when somebody asked for the end.
    """

    why = ""

    def end(self, why: str) -> None:
        """End every part because of something else; may be called from another thread."""
        self.why = self.why or why

    def terminate(self) -> None:
        if not self._terminating and self.returncode not in _INTERRUPTED:
            self.why = self.why or self._first_to_end()
            for part in self._processes.values():
                # One that was killed outright may leave children in its group.
                self._procmgr.terminate(part["pid"])
        super().terminate()

    def _any_stopped(self) -> bool:
        return bool(self.why) or bool(super()._any_stopped())

    def _first_to_end(self) -> str:
        name, status = next(
            (name, part["returncode"])
            for name, part in self._processes.items()
            if part.get("returncode") is not None
        )
        return (
            f"The {name} process {ended(status)}, so Aura stops. See its message above. Aura "
            "continues its work at the next start. docs/OPERATIONS.md shows how to restart it "
            "automatically."
        )


def main() -> int:
    """Run until Ctrl-C or until one part ends; the exit status is 0 after Ctrl-C."""
    # Database, queue and secrets are nobody else's to read, whatever the folder allows.
    os.umask(0o077)
    try:
        config = Config.from_env()
        with _only_one(config):
            config.origin_file.write_text(f"{config.origin}\n", encoding="utf-8")
            _require_free_port(config)
            create_app(config)
            _migrate(config)
            parts = _parts()
            with _own_redis(config, parts):
                parts.loop()
    except (ConfigError, CannotStart, RedisUnavailable, migrate.DatabaseRefused) as why:
        print(why, file=sys.stderr)
        return 1
    if parts.why:
        print(parts.why, file=sys.stderr)
    return 1 if parts.why else 0


@contextmanager
def _only_one(config: Config) -> Iterator[None]:
    """Lock the folder of this Aura.

    Two on one folder would share their queue and run every job twice.
    """
    path = config.var_dir / "aura.lock"
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as why:
            file.seek(0)
            raise CannotStart(
                f"Aura is already running on the data in {config.var_dir} "
                f"(process {file.read().strip() or 'unknown'}). Use that one, or stop it first. "
                "For a second, separate Aura set AURA_VAR to another folder and PORT to "
                "another port."
            ) from why
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        os.register_at_fork(after_in_child=partial(_end_with_parent, os.getpid(), file))
        yield


def _end_with_parent(parent: int, lock: TextIO) -> None:
    """Let go of the lock in a process of honcho's, and end it once Aura was killed.

    Honcho's process for each part hands on what the part prints, and waits for ever once nobody
    reads that any more. The parts themselves notice and end (AURA_SUPERVISOR_PID).
    """
    lock.close()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        time.sleep(_PARTS_END_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _parts() -> Supervisor:
    python = f"env AURA_SUPERVISOR_PID={os.getpid()} {shlex.quote(sys.executable)}"
    parts = Supervisor(Printer(sys.stdout, time_format="%H:%M:%S"))
    parts.add_process("web", f"exec {python} -m gunicorn -c python:app.run.gunicorn_conf wsgi:app")
    parts.add_process("worker", f"exec {python} -m jobs.worker")
    parts.add_process("schedule", f"exec {python} -m jobs.schedule")
    return parts


def _require_free_port(config: Config) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.bind, config.port))
        except OSError as why:
            raise CannotStart(
                f"Port {config.port} on {config.bind} cannot be opened ({why.strerror}). "
                f"Choose another: PORT={config.port + 1} make run"
            ) from why


def _migrate(config: Config) -> None:
    try:
        migrate.to_newest(config.database_url, config.var_dir)
    except OUTAGES as why:
        trouble = trouble_of(why)
        if not trouble:
            raise
        raise CannotStart(f"The database cannot be used: {why}\n{_ADVICE[trouble]}") from why


@contextmanager
def _own_redis(config: Config, parts: Supervisor) -> Iterator[None]:
    """Run the bundled Redis during the block, if the queue's address is our socket."""
    path = config.var_dir / "redis.sock"
    if config.redis_url != f"unix://{path}":
        yield
        return
    redis = RedisServer(path, say=lambda text: print(f"\n  {text}\n", flush=True))
    redis.start()
    try:
        redis.watch(gave_up=parts.end)
        yield
    finally:
        redis.stop()


if __name__ == "__main__":
    sys.exit(main())
