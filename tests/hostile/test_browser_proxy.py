"""A browser reaches the web only through a proxy, which refuses what a page must not reach."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any

import pytest

from app.http.browser_proxy import BrowserProxy, ProxyLimits
from tests.support.hostile.server import (
    HostileServer,
    Line,
    ReceivedRequest,
    http,
    sends,
)

LOOPBACK = (ip_network("127.0.0.0/8"),)
PAGE = http(200, {"Content-Type": "text/html"}, b"<p>Hello</p>")
REFUSED = b"HTTP/1.1 403 Forbidden"


@contextmanager
def proxy_for(site_url: str, **more: Any) -> Iterator[BrowserProxy]:
    options: dict[str, Any] = {"allow_nets": LOOPBACK, "seconds": 20.0, **more}
    with BrowserProxy(site_url, **options) as proxy:
        yield proxy


def exchange(proxy: BrowserProxy, raw: bytes, then: bytes = b"") -> bytes:
    """Send bytes as a browser, and return everything until the proxy closes."""
    host, port = proxy.address.removeprefix("http://").split(":")
    received = b""
    with socket.create_connection((host, int(port)), timeout=15) as sock:
        sock.sendall(raw)
        try:
            if then:
                received = sock.recv(4096)
                sock.sendall(then)
            while piece := sock.recv(65536):
                received += piece
        except ConnectionError:
            return received
    return received


def get(url: str, *headers: str) -> bytes:
    host = url.split("/")[2]
    return "\r\n".join([f"GET {url} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode()


def connect(target: str) -> bytes:
    return f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()


def test_a_plain_request_gets_the_answer_of_the_site() -> None:
    with HostileServer(sends(PAGE)) as server, proxy_for(server.url) as proxy:
        answer = exchange(proxy, get(f"{server.url}/shop/?x=1", "Proxy-Connection: keep-alive"))
    assert answer == PAGE
    [request] = server.received
    assert request.target == "/shop/?x=1"
    assert request.headers["Connection"] == "close"
    assert "Proxy-Connection" not in request.headers


def test_only_the_body_of_a_form_reaches_the_site() -> None:
    received: list[bytes] = []

    def listen(listener: socket.socket) -> None:
        sock, _ = listener.accept()
        with sock:
            while not b"".join(received).endswith(b"abc"):
                received.append(sock.recv(4096))
            sock.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                received.append(sock.recv(4096))
            sock.sendall(PAGE)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=listen, args=(listener,), daemon=True).start()
        with proxy_for(url) as proxy:
            raw = get(f"{url}/", "Content-Length: 3").replace(b"GET", b"POST")
            answer = exchange(proxy, raw + b"abcGET http://other.example/ HTTP/1.1\r\n\r\n")
    assert answer == PAGE
    assert b"".join(received).endswith(b"\r\n\r\nabc")


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (get("http://169.254.169.254/latest/meta-data/"), "a cloud's own address"),
        (get("http://127.0.0.2/"), "another loopback address"),
        (get("http://[::1]/"), "IPv6 loopback"),
        (get("http://10.0.0.5/admin"), "a private network"),
        (connect("127.0.0.1:6379"), "a port that is not the web's"),
        (connect("10.0.0.5:443"), "a private network over TLS"),
        (connect("shop.example"), "no port"),
        (connect("user@127.0.0.1:443"), "a name before the host"),
        (get("ftp://127.0.0.1/"), "another scheme"),
        (get("http://127.0.0.1/a#b"), "an address that is none"),
        (b"GET /shop/ HTTP/1.1\r\n\r\n", "a request to the proxy itself"),
        (b"nonsense\r\n\r\n", "no request"),
    ],
)
def test_forbidden_targets_are_refused(raw: bytes, why: str) -> None:
    # The site itself is in a private network, which opens that network to no other host.
    nets = (*LOOPBACK, ip_network("10.0.0.0/8"))
    with proxy_for("http://shop.internal:8080", allow_nets=nets) as proxy:
        assert exchange(proxy, raw).startswith(REFUSED), why


def test_only_the_site_itself_may_be_in_an_allowed_private_network() -> None:
    def resolve(host: str, port: int, *_: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    with HostileServer(sends(PAGE)) as server:
        site = f"http://shop.example:{server.port}"
        with proxy_for(site, resolve=resolve) as proxy:
            assert exchange(proxy, get(f"{site}/")) == PAGE
            assert exchange(proxy, get(f"http://www.shop.example:{server.port}/")) == PAGE
            other = get(f"http://cdn.example:{server.port}/app.js")
            assert exchange(proxy, other).startswith(REFUSED)
    assert server.connections == 2


def test_no_other_address_or_port_of_this_machine_is_reachable() -> None:
    with (
        HostileServer(sends(PAGE)) as queue,
        HostileServer(sends(PAGE), host="127.0.0.2") as inward,
        proxy_for(f"http://127.0.0.1:{inward.port}") as proxy,
    ):
        for raw in (
            get(f"{queue.url}/"),
            connect(f"127.0.0.1:{queue.port}"),
            get(f"{inward.url}/"),
        ):
            assert exchange(proxy, raw).startswith(REFUSED)
    assert (queue.connections, inward.connections) == (0, 0)


def test_each_connection_resolves_and_checks_the_name() -> None:
    answers = iter(["127.0.0.1", "10.1.2.3", "127.0.0.1"])

    def resolve(host: str, port: int, *_: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    with HostileServer(sends(PAGE)) as server:
        site = f"http://shop.example:{server.port}"
        with proxy_for(site, resolve=resolve) as proxy:
            found = [exchange(proxy, get(f"{site}/"))[:12] for _ in range(3)]
    assert found == [PAGE[:12], REFUSED[:12], PAGE[:12]]
    assert server.connections == 2


def test_a_tunnel_carries_tls_and_nothing_else() -> None:
    with HostileServer(sends(PAGE)) as server, proxy_for(server.url) as proxy:
        target = f"127.0.0.1:{server.port}"
        upgrade = b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"
        answer = exchange(proxy, connect(target), then=upgrade)
        assert answer == b"HTTP/1.1 200 Connection established\r\n\r\n"
        # The hostile server answers a handshake in plain text, which passes like any other byte.
        handshake = exchange(proxy, connect(target), then=b"\x16\x03\x01\x00\x01\x00")
        assert b"HTTP/1.1 400" in handshake
    assert server.received == []


def test_a_web_socket_is_no_upgrade_behind_the_proxy() -> None:
    with HostileServer(sends(PAGE)) as server, proxy_for(server.url) as proxy:
        headers = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
        assert exchange(proxy, get(f"{server.url}/chat", *headers)) == PAGE
    assert "Upgrade" not in server.received[0].headers


def test_an_endless_answer_is_cut_off_at_the_deadline() -> None:
    def drip(_received: ReceivedRequest, line: Line) -> None:
        line.send(http(200, {}, b"", length=10**9))
        for _ in range(200):
            line.send(b"x" * 100)
            line.wait(0.1)

    began = time.monotonic()
    with HostileServer(drip) as server, proxy_for(server.url, seconds=1.0) as proxy:
        exchange(proxy, get(f"{server.url}/"))
    assert time.monotonic() - began < 15


def flood(_received: ReceivedRequest, line: Line) -> None:
    line.send(http(200, {}, b"", length=10**9))
    while not line.stop.is_set():
        line.send(b"x" * 65536)


def test_all_responses_together_have_a_size_limit() -> None:
    limits = ProxyLimits(total_bytes=300_000)
    with HostileServer(flood) as server, proxy_for(server.url, limits=limits) as proxy:
        assert len(exchange(proxy, get(f"{server.url}/"))) <= 300_000
        assert proxy.is_exceeded
        assert len(exchange(proxy, get(f"{server.url}/"))) <= 65536


def test_the_number_of_connections_is_limited() -> None:
    limits = ProxyLimits(connections=2)
    with HostileServer(sends(PAGE)) as server, proxy_for(server.url, limits=limits) as proxy:
        found = [exchange(proxy, get(f"{server.url}/")) for _ in range(3)]
        assert proxy.is_exceeded
    assert found == [PAGE, PAGE, b""]


def test_a_head_without_an_end_is_refused() -> None:
    with proxy_for("http://shop.example") as proxy:
        raw = b"GET http://shop.example/ HTTP/1.1\r\nX: " + b"x" * 40_000
        assert exchange(proxy, raw).startswith(REFUSED)
