"""The only way out for a browser that opens pages of sites: a proxy on the loopback interface.

Chromium resolves no name and opens no connection of its own. It asks this proxy, which opens each
connection with the guard of app/http/egress.py. A page can name any host, so only the site's own
host may be in one of the listed private networks; every other host needs a public address. Through
a tunnel only TLS passes, and every proxy has an end: in bytes, connections and time.
"""

from __future__ import annotations

import contextlib
import re
import selectors
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from app.http import egress
from app.http.connection_trace import Trace
from app.http.egress import EgressError, Guard, Limits, Resolver
from app.http.ip_policy import Network

_WEB_PORTS = (80, 443)
_MOST_HEAD_BYTES = 32 * 1024
_CHUNK = 64 * 1024
_HEAD_WITHIN_S = 10.0
_CONNECT_S = 5.0
_POLL_S = 0.2
_TLS_HANDSHAKE = b"\x16"
_METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE")
# Headers of one connection, which end here. Without "Upgrade", no web socket opens.
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "expect"}
)
_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}")


@dataclass(frozen=True)
class ProxyLimits:
    """What all connections of one proxy may take together.

    A page is opened at all widths at once. Ordinary pages have files from dozens of hosts, each of
    which is a connection.
    """

    total_bytes: int = 200 * 1024 * 1024
    connections: int = 600
    at_once: int = 200


LIMITS = ProxyLimits()


class ProxyRefused(Exception):
    """A request is none that this proxy forwards."""


@dataclass
class _Head:
    """The first lines of a request, and what has arrived after them."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    rest: bytes

    def value(self, name: str) -> str:
        return next((text for key, text in self.headers if key.casefold() == name), "")


@dataclass
class BrowserProxy:
    """Forward the connections of one browser; use as a context manager.

    `site_url` is the site whose pages are opened. After `seconds`, everything is closed.
    `is_exceeded` is true if a limit cut something off, so that what a page showed proves nothing.
    """

    site_url: str
    allow_nets: tuple[Network, ...]
    seconds: float
    limits: ProxyLimits = field(default_factory=lambda: LIMITS)
    resolve: Resolver = socket.getaddrinfo
    is_exceeded: bool = field(default=False, init=False)

    def __enter__(self) -> Self:
        site = urlsplit(self.site_url)
        self._site_host = _bare(site.hostname or "")
        self._ports = {*_WEB_PORTS, site.port or 443}
        self._ends_at = time.monotonic() + self.seconds
        self._bytes_left = self.limits.total_bytes
        self._count = 0
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(self.limits.at_once)
        self._is_closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_POLL_S)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closed.set()
        self._listener.close()
        for thread in list(self._threads):
            thread.join(timeout=_HEAD_WITHIN_S)

    @property
    def _is_over(self) -> bool:
        return self._is_closed.is_set() or time.monotonic() > self._ends_at

    def _listen(self) -> None:
        while not self._is_over:
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return  # closed
            if not self._has_room():
                client.close()
                continue
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _has_room(self) -> bool:
        self._count += 1
        if self._count <= self.limits.connections and self._room.acquire(blocking=False):
            return True
        self.is_exceeded = True
        return False

    def _serve(self, client: socket.socket) -> None:
        """Serve one connection of the browser; an error of either side only ends it."""
        try:
            with client, contextlib.suppress(OSError):
                client.settimeout(_HEAD_WITHIN_S)
                try:
                    head = _read_head(client)
                    if head.method == "CONNECT":
                        self._tunnel(client, head)
                    else:
                        self._forward(client, head)
                except (EgressError, ProxyRefused):
                    # The page learns no address: it only gets no answer from that host.
                    client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        finally:
            self._room.release()

    def _connect(self, host: str, port: int) -> socket.socket:
        if port not in self._ports:
            raise ProxyRefused(f"port {port}")
        nets = self.allow_nets if _bare(host) == self._site_host else ()
        left = max(self._ends_at - time.monotonic(), 0.05)
        limits = Limits(total_s=left, connect_s=_CONNECT_S)
        return Guard(nets, limits, self.resolve, Trace()).connect(host, port)

    # ---- what passes ----

    def _tunnel(self, client: socket.socket, head: _Head) -> None:
        """Pass TLS through, which the browser verifies itself."""
        host, port = _authority(head.target)
        with self._connect(host, port) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            first = head.rest or client.recv(_CHUNK)
            # Anything else would be a web socket or another protocol without TLS.
            if first.startswith(_TLS_HANDSHAKE) and self._spend(len(first)):
                server.sendall(first)
                self._relay({client: server, server: client})

    def _forward(self, client: socket.socket, head: _Head) -> None:
        """Send one plain request, and pass the answer back until the server closes."""
        host, port, path = _plain_target(head)
        if head.value("transfer-encoding"):
            raise ProxyRefused("a body of unknown length")
        length = head.value("content-length") or "0"
        if not (length.isascii() and length.isdigit()):
            raise ProxyRefused("a length that is no number")
        with self._connect(host, port) as server:
            server.sendall(_request(head, path))
            self._send_body(client, server, head.rest, int(length))
            self._relay({server: client})

    def _send_body(
        self, client: socket.socket, server: socket.socket, rest: bytes, length: int
    ) -> None:
        piece = rest[:length]
        while True:
            if not self._spend(len(piece)):
                raise ProxyRefused("too many bytes")
            server.sendall(piece)
            length -= len(piece)
            if length <= 0:
                return
            piece = client.recv(min(_CHUNK, length))
            if not piece:
                raise ProxyRefused("the body ended early")

    def _relay(self, ways: dict[socket.socket, socket.socket]) -> None:
        """Pass bytes from each socket to its other end until one closes or a limit is reached."""
        with selectors.DefaultSelector() as ready:
            for source, other in ways.items():
                source.settimeout(_HEAD_WITHIN_S)
                ready.register(source, selectors.EVENT_READ, (source, other))
            while not self._is_over:
                for key, _ in ready.select(_POLL_S):
                    source, other = key.data
                    piece = source.recv(_CHUNK)
                    if not piece or not self._spend(len(piece)):
                        return
                    other.sendall(piece)

    def _spend(self, count: int) -> bool:
        """Count bytes of all connections; False if they are used up."""
        with self._lock:
            self._bytes_left -= count
            if self._bytes_left < 0:
                self.is_exceeded = True
            return self._bytes_left >= 0


def _read_head(client: socket.socket) -> _Head:
    """Read the first lines of a request. Raises: ProxyRefused, or OSError."""
    raw, ends_at = b"", time.monotonic() + _HEAD_WITHIN_S
    while b"\r\n\r\n" not in raw:
        piece = client.recv(_CHUNK)
        raw += piece
        if not piece or len(raw) > _MOST_HEAD_BYTES or time.monotonic() > ends_at:
            raise ProxyRefused("no complete request")
    lines, _, rest = raw.partition(b"\r\n\r\n")
    first, *others = lines.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or any("\n" in line or "\r" in line for line in (first, *others)):
        raise ProxyRefused("no request of HTTP")
    headers = [(name.strip(), value.strip()) for name, _, value in map(_colon, others)]
    return _Head(parts[0], parts[1], headers, rest)


def _bare(host: str) -> str:
    return host.casefold().removeprefix("www.")


def _colon(line: str) -> tuple[str, str, str]:
    return line.partition(":")


def _authority(target: str) -> tuple[str, int]:
    """Return the host and port of a CONNECT request. Raises: ProxyRefused."""
    try:
        parts = urlsplit(f"//{target}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not _HOST.fullmatch(host) or port is None or "@" in target:
        raise ProxyRefused("no host and port")
    return host, port


def _plain_target(head: _Head) -> tuple[str, int, str]:
    """Return host, port and path of a plain request. Raises: ProxyRefused, or EgressError."""
    egress.check_url(head.target)
    parts = urlsplit(head.target)
    if head.method not in _METHODS or parts.scheme != "http":
        raise ProxyRefused("no plain request")
    path = parts._replace(scheme="", netloc="").geturl() or "/"
    return parts.hostname or "", parts.port or 80, path if path.startswith("/") else f"/{path}"


def _request(head: _Head, path: str) -> bytes:
    """Return the first lines for the server, which then closes its side after the answer."""
    kept = [(name, value) for name, value in head.headers if name.casefold() not in _HOP_BY_HOP]
    lines = [f"{head.method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in kept)]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")
