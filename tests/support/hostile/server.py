"""A web server on 127.0.0.1 that sends exactly the bytes of a test.

Every connection goes to one `behaviour`, which gets the request it read and the raw
socket. The server keeps requests and counts the bytes it could send.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

Behaviour = Callable[["ReceivedRequest", "Line"], None]

_TLS_HANDSHAKE = b"\x16"
_HANDSHAKE_MAX_BYTES = 1 << 16


@dataclass(frozen=True)
class ReceivedRequest:
    """A received request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Line:
    """The connection to the client; `sent` counts the bytes that the client accepted."""

    sock: socket.socket
    stop: threading.Event
    sent: int = 0

    def send(self, raw: bytes) -> None:
        self.sock.sendall(raw)
        self.sent += len(raw)

    def wait(self, seconds: float) -> None:
        """Sleep for `seconds` or until the test ends."""
        self.stop.wait(seconds)


@dataclass
class HostileServer:
    """A server to use as a context manager; `url` is its address."""

    behaviour: Behaviour
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    received: list[ReceivedRequest] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> HostileServer:
        self._listener = socket.create_server((self.host, 0))
        self._listener.settimeout(0.05)
        self.port = self._listener.getsockname()[1]
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=10)
        self._listener.close()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    @property
    def sent(self) -> int:
        return sum(line.sent for line in self.lines)

    def _listen(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                sock, _ = self._listener.accept()
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(10)
        # Many of these tests are about a client that disconnects early.
        with contextlib.suppress(OSError, ssl.SSLError), contextlib.ExitStack() as stack:
            stack.enter_context(sock)
            if self.tls is not None:
                sock = stack.enter_context(self.tls.wrap_socket(sock, server_side=True))
            line = Line(sock, self._stop)
            self.lines.append(line)
            if self.tls is None and sock.recv(1, socket.MSG_PEEK) == _TLS_HANDSHAKE:
                # Reading more would wait for the end of a line, which random bytes rarely have.
                sock.recv(_HANDSHAKE_MAX_BYTES)
                line.send(http(400, {}))
                return
            received = _read_request(sock)
            if received is not None:
                self.received.append(received)
                self.behaviour(received, line)


def _read_request(sock: socket.socket) -> ReceivedRequest | None:
    with sock.makefile("rb") as stream:
        first = stream.readline().decode("latin-1").split()
        if len(first) != 3:
            return None
        headers: dict[str, str] = {}
        while (text := stream.readline().decode("latin-1").strip()) != "":
            name, _, value = text.partition(":")
            headers[name.strip()] = value.strip()
        size = int(headers.get("Content-Length", "0"))
        return ReceivedRequest(first[0], first[1], headers, stream.read(size))


def http(
    status: int, headers: dict[str, str], body: bytes = b"", *, length: int | None = None
) -> bytes:
    """Return a plain HTTP/1.1 reply; `length` overrides the Content-Length."""
    fields = {"Content-Length": str(len(body) if length is None else length), **headers}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def sends(raw: bytes) -> Behaviour:
    """Return a behavior that always sends these bytes."""
    return lambda _received, line: line.send(raw)
