"""Hostile answers of domain registries: size, redirects, certificates and error reasons."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.http.registry import MAX_BYTES, RegistryFailed, fetch_json
from tests.support.hostile.calls import LOOPBACK
from tests.support.hostile.certificates import Authority
from tests.support.hostile.server import (
    Behaviour,
    HostileServer,
    Line,
    ReceivedRequest,
    http,
    sends,
)

ANSWER = {"objectClassName": "domain", "ldhName": "bakery.com"}
JSON = {"Content-Type": "application/rdap+json"}

Ask = Callable[..., tuple[Any, HostileServer]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def ask(authority: Authority) -> Iterator[Ask]:
    servers: list[HostileServer] = []

    def fetch(behaviour: Behaviour, **more: Any) -> tuple[Any, HostileServer]:
        server = HostileServer(behaviour, authority.server("127.0.0.1"))
        servers.append(server.__enter__())
        options = {"allow_nets": LOOPBACK, "ca_file": str(authority.ca_file), "deadline_s": 3.0}
        return fetch_json(f"{server.url}/domain/bakery.com", **{**options, **more}), server

    yield fetch
    for server in servers:
        server.__exit__()


def failure(ask: Ask, behaviour: Behaviour, **more: Any) -> tuple[str, str]:
    with pytest.raises(RegistryFailed) as caught:
        ask(behaviour, **more)
    return caught.value.code, caught.value.retry_after


def test_a_request_does_not_identify_this_aura(ask: Ask) -> None:
    found, server = ask(sends(http(200, JSON, json.dumps(ANSWER).encode())))
    assert found == ANSWER
    [received] = server.received
    assert received.target == "/domain/bakery.com"
    assert received.headers.keys() <= {
        "Host", "User-Agent", "Accept", "Accept-Encoding", "Connection",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (http(404, JSON, b"{}"), ("not_registered", "")),
        (http(429, {"Retry-After": "30"}, b"{}"), ("too_many_requests", "30")),
        (http(503, {"Retry-After": "60"}, b"{}"), ("unreachable", "60")),
        (http(301, {"Location": "https://127.0.0.1/"}, b""), ("refused", "")),
        (http(403, JSON, b"{}"), ("refused", "")),
        (http(200, JSON, b"[1]"), ("unreadable", "")),
        (http(200, JSON, b"<html>"), ("unreadable", "")),
        (http(200, JSON, b"\xff\xfe"), ("unreadable", "")),
        (http(200, JSON, b"[" * 100_000), ("unreadable", "")),
        (http(200, {"Content-Encoding": "gzip"}, b"{}"), ("unreadable", "")),
        (http(200, JSON, b"{", length=5000), ("unreachable", "")),
        (b"nonsense", ("unreachable", "")),
        (b"", ("unreachable", "")),
    ],
)
def test_each_bad_answer_has_its_reason(ask: Ask, raw: bytes, code: tuple[str, str]) -> None:
    assert failure(ask, sends(raw)) == code


def test_an_endless_answer_is_cut_off(ask: Ask) -> None:
    sent: list[Line] = []

    def endless(_: ReceivedRequest, line: Line) -> None:
        sent.append(line)
        line.send(b"HTTP/1.1 200 OK\r\n\r\n{")
        while not line.stop.is_set():
            line.send(b" " * 65536)

    assert failure(ask, endless) == ("unreadable", "")
    assert sent[0].sent < MAX_BYTES + 8 * 1024 * 1024


def test_a_slow_answer_is_given_up(ask: Ask) -> None:
    def silent(_: ReceivedRequest, line: Line) -> None:
        line.wait(5)

    assert failure(ask, silent, deadline_s=0.4) == ("unreachable", "")


def test_private_addresses_and_plain_http_are_never_asked(authority: Authority) -> None:
    with HostileServer(sends(http(200, JSON, b"{}"))) as server:
        with pytest.raises(RegistryFailed) as caught:
            fetch_json(server.url, allow_nets=LOOPBACK)
        assert caught.value.code == "refused"
        assert server.connections == 0
    with HostileServer(sends(http(200, JSON, b"{}")), authority.server("127.0.0.1")) as server:
        with pytest.raises(RegistryFailed) as caught:
            fetch_json(server.url, ca_file=str(authority.ca_file))
        assert (caught.value.code, server.connections) == ("unreachable", 0)


def test_a_certificate_of_an_unknown_authority_is_refused(authority: Authority) -> None:
    tls = authority.server("127.0.0.1")
    with HostileServer(sends(http(200, JSON, b"{}")), tls) as server:
        with pytest.raises(RegistryFailed) as caught:
            fetch_json(server.url, allow_nets=LOOPBACK)
        assert (caught.value.code, server.received) == ("unreachable", [])
