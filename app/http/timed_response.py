"""Read an answer as it comes: under the time limit of its call, and never all of it at once."""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Callable
from typing import Any


class _TimedReader(io.RawIOBase):
    """Read under the total time limit, so that slow single bytes do not prolong a call."""

    def __init__(
        self, raw: io.RawIOBase, sock: socket.socket, seconds_left: Callable[[], float]
    ) -> None:
        self._raw = raw
        self._sock = sock
        self._seconds_left = seconds_left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._seconds_left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _CountedBuffer(io.BufferedReader):
    """Reads a given number of bytes, and never all that comes.

    Every caller gives a number. But `http.client` passes on the size of a chunk as the server wrote
    it: for `-1` it would read until the server ends, however much that is.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            raise http.client.HTTPException("a chunk has a negative size")
        return super().read(size)


class TimedResponse(http.client.HTTPResponse):
    """An answer whose reads end when `seconds_left` does, which then raises TimeoutError."""

    def __init__(
        self, sock: socket.socket, *args: Any, seconds_left: Callable[[], float], **kwargs: Any
    ) -> None:
        super().__init__(sock, *args, **kwargs)
        raw = self.fp.detach()
        self.fp = _CountedBuffer(_TimedReader(raw, sock, seconds_left))
