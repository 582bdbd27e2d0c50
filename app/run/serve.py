"""Start web, workers and scheduler under one process: what `make run` runs.

They are forked from this process, which has loaded the whole application once. Redis is a bundled
one on a unix socket unless REDIS_URL names another.
"""

from __future__ import annotations

import logging
import os
import pkgutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app import logs
from app.config import Config, ConfigError
from app.http.certificates import read_authorities
from app.models import migrate
from app.models.database_errors import AWAY, DAMAGED, OUTAGES, READ_ONLY, trouble_of
from app.run import data_folder, parts
from app.run.bundled_redis import RedisServer, RedisUnavailable
from app.run.supervisor import Supervisor

# How long the processes of an Aura that was killed may take to notice it and to close the port.
_PREVIOUS_ENDS_WITHIN_S = 20.0
_ADVICE = {
    AWAY: "Start the database or correct DATABASE_URL, then try again.",
    READ_ONLY: "Give Aura's user write access to that file and its folder, or remount the disk "
    "for writing. Then try again.",
    DAMAGED: "The file is damaged or not a database. Keep a copy of it, restore the newest backup "
    "as docs/OPERATIONS.md describes, and start Aura again.",
}

# Its own name is __main__ when it is started alone.
_log = logging.getLogger("app.run.serve")


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
    """Run until Ctrl-C, SIGTERM or a failure; the exit status is 0 without a failure."""
    # No other user may read the database, queue and secrets.
    os.umask(0o077)
    try:
        config = Config.from_env()
        logs.configure("supervisor", as_json=config.logs_json)
        with data_folder.locked(config) as previous_was_killed:
            config.origin_file.write_text(f"{config.origin}\n", encoding="utf-8")
            require_free_port(config, wait_s=_PREVIOUS_ENDS_WITHIN_S if previous_was_killed else 0)
            _migrate(config)
            supervisor = Supervisor(config)
            _run(config, supervisor)
    except _REFUSALS as why:
        print(why, file=sys.stderr)
        return 1
    if supervisor.why:
        _log.error(supervisor.why)
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


def _run(config: Config, supervisor: Supervisor) -> None:
    """Load what all processes share, and run them."""
    pkgutil.resolve_name("wsgi:app")
    read_authorities()
    chosen = [parts.WEB, *[parts.WORKER] * config.workers, parts.SCHEDULER]
    with _own_redis(config) as redis:
        supervisor.run(chosen, started=lambda: _watch(redis, supervisor))


def _watch(redis: RedisServer | None, supervisor: Supervisor) -> None:
    if redis:
        redis.watch(gave_up=supervisor.end)


@contextmanager
def _own_redis(config: Config) -> Iterator[RedisServer | None]:
    """Run the bundled Redis during the block if the queue uses Aura's socket."""
    path = config.var_dir / "redis.sock"
    if config.redis_url != f"unix://{path}":
        yield None
        return
    redis = RedisServer(path)
    redis.start()
    try:
        yield redis
    finally:
        redis.stop()


if __name__ == "__main__":
    sys.exit(main())
