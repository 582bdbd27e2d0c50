"""A failed connection is reported with the step at which it ended."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.config import Config
from app.domain.diagnostics import anonymous_probe
from app.domain.diagnostics.results import (
    BLOCKED,
    HEALTHY,
    NAMES,
    OK,
    SKIPPED,
    WARN,
    Diagnosis,
)
from tests.support.hostile.certificates import DAY, Authority
from tests.support.hostile.diagnosed import (
    blocker_of,
    diagnosed,
    diagnosed_at,
    evidence_of,
    verdict_of,
)
from tests.support.hostile.server import HostileServer, Line, ReceivedRequest
from tests.support.hostile.site import refusal, signed
from tests.support.hostile.wordpress import (
    Behind,
    WordPress,
)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the wait of the connection test, which is eight seconds for each answer."""
    monkeypatch.setattr(anonymous_probe, "PROBE_TIMEOUT_S", 0.3)


# ---- failed connections


def at_home(host: str, port: int, *_: object) -> list[Any]:
    """Resolve every name to this machine."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


def unknown(*_: object) -> list[Any]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """Yield a port that silently accepts no further connection."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield int(listener.getsockname()[1])


def assert_stopped_at(found: Diagnosis, name: str, finding: str) -> None:
    """Assert one blocker, after checks that passed and before checks that were skipped."""
    assert blocker_of(found) == (name, finding)
    assert found.verdict == BLOCKED
    place = NAMES.index(name)
    assert all(one.verdict == OK for one in found.checks[:place])
    assert all((one.verdict, one.because) == (SKIPPED, name) for one in found.checks[place + 1 :])


@pytest.mark.parametrize("paired", [True, False])
def test_an_unknown_name_is_a_blocker(paired: bool, config: Config) -> None:
    found = diagnosed_at("https://no.example.test", config, paired=paired, resolve=unknown)
    assert_stopped_at(found, "dns", "dns")


@pytest.mark.parametrize("paired", [True, False])
def test_a_private_address_is_a_blocker(paired: bool, config: Config) -> None:
    closed = replace(config, allow_nets=())
    with HostileServer(WordPress()) as server:
        found = diagnosed_at(server.url, closed, paired=paired)
        assert server.connections == 0
    assert_stopped_at(found, "dns", "address_refused")


@pytest.mark.parametrize("paired", [True, False])
def test_a_refused_port_is_a_blocker(paired: bool, config: Config) -> None:
    found = diagnosed_at(f"http://127.0.0.1:{closed_port()}", config, paired=paired)
    assert_stopped_at(found, "tcp", "connection_refused")
    assert evidence_of(found, "tcp")["addresses"] == "127.0.0.1"


def test_a_silent_port_is_a_blocker(config: Config, impatient: None) -> None:
    with full_backlog() as port:
        found = diagnosed_at(f"http://127.0.0.1:{port}", config, paired=False)
    assert_stopped_at(found, "tcp", "connect_timeout")


def test_a_port_without_a_tls_answer_is_a_blocker(config: Config, impatient: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://shop.example.test:{listener.getsockname()[1]}"
        found = diagnosed_at(url, config, paired=False, resolve=at_home)
    assert_stopped_at(found, "tls", "connect_timeout")


def test_an_unreachable_address_of_the_name_is_a_warning(config: Config) -> None:
    def two(_host: str, port: int, *_: object) -> list[Any]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("127.0.0.2", port)), (*kind, ("127.0.0.1", port))]

    with HostileServer(WordPress()) as server:
        url = f"http://shop.example.test:{server.port}"
        found = diagnosed_at(url, config, paired=True, resolve=two)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "tcp") == (WARN, "some_addresses_silent")
    assert evidence_of(found, "tcp")["silent"] == "127.0.0.2"


def over_tls(config: Config, tmp_path: Path, name: str, **certificate: Any) -> Diagnosis:
    """A paired site at https://shop.example.test with a certificate for `name`."""
    authority = Authority(tmp_path)
    with HostileServer(WordPress(), tls=authority.server(name, **certificate)) as server:
        return diagnosed_at(
            f"https://shop.example.test:{server.port}",
            config,
            paired=True,
            resolve=at_home,
            ca_file=str(authority.ca_file),
        )


@pytest.mark.parametrize(
    ("name", "certificate", "finding"),
    [
        ("shop.example.test", {"starts": -9 * DAY, "ends": -DAY}, "tls_expired"),
        ("other.example.test", {}, "tls_wrong_name"),
        ("shop.example.test", {"vouched": False}, "tls_invalid"),
    ],
)
def test_an_invalid_certificate_is_a_blocker(
    name: str, certificate: dict[str, Any], finding: str, config: Config, tmp_path: Path
) -> None:
    found = over_tls(config, tmp_path, name, **certificate)
    assert_stopped_at(found, "tls", finding)
    assert evidence_of(found, "tls")["names"] == name


def test_a_certificate_that_ends_soon_is_a_warning(config: Config, tmp_path: Path) -> None:
    found = over_tls(config, tmp_path, "shop.example.test", ends=5 * DAY)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "tls") == (WARN, "certificate_ends_soon")
    assert evidence_of(found, "tls")["days_left"] == 4


def test_a_valid_certificate_is_shown(config: Config, tmp_path: Path) -> None:
    found = over_tls(config, tmp_path, "shop.example.test", ends=60 * DAY)
    assert verdict_of(found, "tls") == (OK, "certificate_good")
    seen = evidence_of(found, "tls")
    assert (seen["issuer"], seen["names"]) == ("Test Authority", "shop.example.test")
    assert str(seen["tls"]).startswith("TLSv1.")


@pytest.mark.parametrize("code", ["identity_changed", "internal_error", "replayed"])
def test_a_signed_refusal_is_the_blocker(code: str, config: Config) -> None:
    def say_no(received: ReceivedRequest, line: Line) -> None:
        answer = WordPress().answer(received, line)
        if answer.status == 200 and received.method == "POST":
            answer = signed(received, line, refusal(code), status=409)
        line.send(answer.raw())

    found = diagnosed(say_no, config, paired=True)
    error_code = "refused_by_site" if code == "internal_error" else code
    assert blocker_of(found) == ("echo", error_code)
    assert verdict_of(found, "headers") == (OK, "headers_proven")
    assert verdict_of(found, "body") == (OK, "body_proven")


# ---- slow and broken


def test_a_slow_reply_ends_at_the_deadline(config: Config, impatient: None) -> None:
    def drip(_asked: ReceivedRequest, line: Line) -> None:
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(100):
            line.send(b"x")
            line.wait(0.1)

    found = diagnosed(drip, config, paired=False)
    assert blocker_of(found) == ("website", "too_slow")


def test_a_closed_connection_is_a_blocker(config: Config) -> None:
    found = diagnosed(lambda _asked, _line: None, config, paired=True)
    assert blocker_of(found) == ("website", "broken_off")


def test_calls_cut_off_by_a_firewall_are_a_blocker(config: Config) -> None:
    cut = Behind(instead=lambda received: b"" if received.method == "POST" else None)
    found = diagnosed(cut, config, paired=True)
    assert blocker_of(found) == ("pretty", "broken_off")
