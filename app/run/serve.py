"""Start web, worker and scheduler under one process: what `make run` runs.

When one process ends, or on Ctrl-C, all end. Redis is a bundled one on a unix socket unless
REDIS_URL names another.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.config import Config, ConfigError
from app.models import migrate
from app.models.base import AWAY, DAMAGED, OUTAGES, READ_ONLY, trouble_of
from app.run import data_folder
from app.run.bundled_redis import RedisServer, RedisUnavailable
from app.run.supervisor import Supervisor

# The three processes of Aura, by name.
_COMMANDS = {
    "web": (sys.executable, "-m", "gunicorn", "-c", "python:app.run.gunicorn_conf", "wsgi:app"),
    "worker": (sys.executable, "-m", "jobs.worker"),
    "schedule": (sys.executable, "-m", "jobs.schedule"),
}
# How long the processes of an Aura that was killed may take to notice it and to close the port.
_PREVIOUS_ENDS_WITHIN_S = 20.0
_ADVICE = {
    AWAY: "Start the database or correct DATABASE_URL, then try again.",
    READ_ONLY: "Give Aura's user write access to that file and its folder, or remount the disk "
    "for writing. Then try again.",
    DAMAGED: "The file is damaged or not a database. Keep a copy of it, restore the newest backup "
    "as docs/OPERATIONS.md describes, and start Aura again.",
}


class CannotStart(Exception):
    """Something outside of Aura prevents the start; the text says what and what to do."""


_REFUSALS = (
    ConfigError,
    CannotStart,
    data_folder.InUse,
    RedisUnavailable,
    migrate.DatabaseRefused,
)


def main() -> int:
    """Run until Ctrl-C or until one process ends; the exit status is 0 after Ctrl-C."""
    # No other user may read the database, queue and secrets.
    os.umask(0o077)
    try:
        config = Config.from_env()
        with data_folder.locked(config) as previous_was_killed:
            config.origin_file.write_text(f"{config.origin}\n", encoding="utf-8")
            require_free_port(config, wait_s=_PREVIOUS_ENDS_WITHIN_S if previous_was_killed else 0)
            _migrate(config)
            supervisor = Supervisor()
            with _own_redis(config, supervisor):
                supervisor.run(_COMMANDS)
    except _REFUSALS as why:
        print(why, file=sys.stderr)
        return 1
    if supervisor.why:
        print(supervisor.why, file=sys.stderr)
    return 1 if supervisor.why else 0


def require_free_port(config: Config, *, wait_s: float = 0) -> None:
    """Check that the port can be opened, for up to `wait_s` seconds.

    Raises: CannotStart if it cannot.
    """
    deadline = time.monotonic() + wait_s
    while (problem := _port_problem(config)) and time.monotonic() < deadline:
        time.sleep(0.2)
    if problem:
        raise CannotStart(
            f"Port {config.port} on {config.bind} cannot be opened ({problem}). "
            f"Choose another: PORT={config.port + 1} make run"
        )


def _port_problem(config: Config) -> str:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.bind, config.port))
        except OSError as why:
            return why.strerror or str(why)
    return ""


def _migrate(config: Config) -> None:
    try:
        migrate.to_newest(config.database_url, config.var_dir)
    except OUTAGES as why:
        trouble = trouble_of(why)
        if not trouble:
            raise
        raise CannotStart(f"The database cannot be used: {why}\n{_ADVICE[trouble]}") from why


@contextmanager
def _own_redis(config: Config, supervisor: Supervisor) -> Iterator[None]:
    """Run the bundled Redis during the block if the queue uses Aura's socket."""
    path = config.var_dir / "redis.sock"
    if config.redis_url != f"unix://{path}":
        yield
        return
    redis = RedisServer(path, say=lambda text: print(f"\n  {text}\n", flush=True))
    redis.start()
    try:
        redis.watch(gave_up=supervisor.end)
        yield
    finally:
        redis.stop()


if __name__ == "__main__":
    sys.exit(main())
