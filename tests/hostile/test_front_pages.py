"""Request a front page as a visitor does, and classify the response."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from app.domain.uptime import verdicts
from app.domain.uptime.verdicts import Verdict
from app.http.front_page import FEW_BYTES, MANY_BYTES, FrontPage, fetch_front_page
from tests.support.hostile.certificates import DAY, Authority
from tests.support.hostile.server import (
    Behaviour,
    HostileServer,
    Line,
    ReceivedRequest,
    http,
    sends,
)

LOOPBACK = (ip_network("127.0.0.0/8"),)
HTML = {"Content-Type": "text/html; charset=utf-8"}
PAGE = b"<!doctype html><html><body>Fresh bread&nbsp;every\n  day</body></html>"


def fetch(url: str, **more: Any) -> FrontPage:
    return fetch_front_page(url, allow_nets=LOOPBACK, **more)


def judge(behaviour: Behaviour, phrase: str = "", **more: Any) -> Verdict:
    with HostileServer(behaviour) as server:
        return verdicts.judge_page(fetch(server.url, **more), phrase)


def test_a_page_is_up_and_its_time_is_measured() -> None:
    def late(_received: ReceivedRequest, line: Line) -> None:
        line.wait(0.2)
        line.send(http(200, HTML, PAGE[:20], length=len(PAGE)))
        line.wait(0.8)
        line.send(PAGE[20:])

    with HostileServer(late) as server:
        page = fetch(server.url)
    assert page.first_byte_ms > 150
    # On a busy machine, the first byte is noticed late as well.
    assert page.ms - page.first_byte_ms > 200
    assert verdicts.judge_page(page, "").result == "up"
    assert page.certificate_ends_at is None
    assert server.received[0].headers["User-Agent"] == "Aura"


def test_each_request_uses_a_new_connection() -> None:
    with HostileServer(sends(http(200, HTML, PAGE))) as server:
        fetch(server.url)
        fetch(server.url)
    assert server.connections == 2


def test_a_slow_page_is_degraded() -> None:
    seen = verdicts.judge_page(FrontPage(None, None, 1, 1, "x"), "")
    assert seen.result == "down"
    with HostileServer(sends(http(200, HTML, PAGE))) as server:
        page = fetch(server.url)
    slow = FrontPage(page.received, None, verdicts.SLOW_MS + 1, 10, "x")
    assert verdicts.judge_page(slow, "").cause == "slow"
    at_limit = FrontPage(page.received, None, verdicts.SLOW_MS, 10, "x")
    assert verdicts.judge_page(at_limit, "").result == "up"


def test_a_page_that_never_ends_is_given_up() -> None:
    def drip(_received: ReceivedRequest, line: Line) -> None:
        line.send(http(200, HTML, b"", length=10_000))
        for _ in range(100):
            line.send(b"x")
            line.wait(0.1)

    seen = judge(drip, deadline_s=0.6)
    assert (seen.result, seen.cause, seen.is_network) == ("down", "too_slow", True)
    assert seen.ms < 5000


@pytest.mark.parametrize(
    ("raw", "result", "cause"),
    [
        (http(500, HTML, b"oops"), "down", "critical_error"),
        (http(200, HTML, b"There has been a critical error on this website."), "down",
         "critical_error"),
        (http(502, HTML, b"Bad gateway"), "down", "http_error"),
        (http(503, {**HTML, "Retry-After": "5"}, b"Guru"), "down", "http_error"),
        (http(503, {**HTML, "Retry-After": "600"}, b"Briefly"), "maintenance", "wordpress"),
        (http(404, HTML, b"Not here"), "down", "page_missing"),
        (http(403, HTML, b"Denied"), "unknown", "blocked"),
        (http(429, HTML, b"Wait"), "unknown", "blocked"),
        (http(401, {"WWW-Authenticate": "Basic"}, b""), "unknown", "blocked"),
        (b"", "down", "broken_off"),
        (b"nonsense", "down", "malformed_reply"),
        (http(200, HTML, b"half", length=5000), "down", "broken_off"),
    ],
)  # fmt: skip
def test_responses_that_are_not_a_page_are_classified(raw: bytes, result: str, cause: str) -> None:
    seen = judge(sends(raw))
    assert (seen.result, seen.cause) == (result, cause)


def test_a_closed_port_is_down() -> None:
    with HostileServer(sends(b"")) as server:
        url = server.url
    seen = verdicts.judge_page(fetch(url), "")
    assert (seen.result, seen.cause, seen.is_network) == ("down", "connection_refused", True)


def test_a_private_address_is_not_called_and_not_down() -> None:
    page = fetch_front_page("http://127.0.0.1:9", allow_nets=())
    assert verdicts.judge_page(page, "").result == "unknown"


def test_a_redirect_to_another_host_is_not_followed() -> None:
    with HostileServer(sends(http(200, HTML, PAGE))) as other:
        away = http(302, {"Location": f"http://127.0.0.2:{other.port}/"})
        seen = judge(sends(away))
        assert (seen.result, seen.cause) == ("degraded", "elsewhere")
        assert other.connections == 0


def test_redirects_on_the_same_host_are_followed() -> None:
    path = ["/", "/en", "/en/", "/en/home", "/en/home/", "/en/home/today/"]

    def home(received: ReceivedRequest, line: Line) -> None:
        place = path.index(received.target) + 1
        away = http(301, {"Location": path[place]}) if place < len(path) else http(200, HTML, PAGE)
        line.send(away)

    with HostileServer(home) as server:
        page = fetch(server.url, server_login="ana:secret")
    assert page.received is not None
    assert [one.target for one in server.received] == path
    assert all("Authorization" in one.headers for one in server.received)


def test_endless_redirects_end() -> None:
    with HostileServer(sends(http(302, {"Location": "/"}))) as server:
        seen = verdicts.judge_page(fetch(server.url), "")
    assert server.connections == 11
    assert (seen.result, seen.cause) == ("down", "http_error")


def test_basic_auth_is_not_sent_after_a_redirect_to_another_scheme(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = HostileServer(sends(http(200, HTML, PAGE)), tls=authority.server("127.0.0.1"))
    with server as secure:
        away = sends(http(301, {"Location": f"{secure.url}/"}))
        with HostileServer(away) as plain:
            page = fetch(plain.url, server_login="ana:secret", ca_file=str(authority.ca_file))
    assert page.received is not None
    assert page.received.status == 200
    assert "Authorization" in plain.received[0].headers
    assert "Authorization" not in secure.received[0].headers


@pytest.mark.parametrize(
    ("phrase", "result"),
    [
        ("fresh bread every day", "up"),
        ("stale bread", "degraded"),
        ("", "up"),
    ],
)
def test_a_phrase_must_be_on_the_page(phrase: str, result: str) -> None:
    assert judge(sends(http(200, HTML, PAGE)), phrase).result == result


def test_a_huge_character_reference_does_not_hide_a_phrase() -> None:
    odd = PAGE + b"&#" + b"1" * 5000 + b";"
    assert judge(sends(http(200, HTML, odd)), "fresh bread every day").result == "up"


def test_a_phrase_is_found_far_down_the_page() -> None:
    long = b"<html>" + b"x" * 300_000 + b"Imprint</html>"
    assert judge(sends(http(200, HTML, long)), "imprint", max_bytes=MANY_BYTES).result == "up"
    assert judge(sends(http(200, HTML, long)), "other", max_bytes=MANY_BYTES).result == "degraded"
    assert judge(sends(http(200, HTML, long)), "imprint").result == "up"


def test_only_part_of_a_large_page_is_read() -> None:
    def flood(_received: ReceivedRequest, line: Line) -> None:
        line.send(http(200, HTML, b"", length=50_000_000))
        for _ in range(500):
            line.send(b"x" * 100_000)

    with HostileServer(flood) as server:
        page = fetch(server.url)
    assert page.received is not None
    assert len(page.received.body) == FEW_BYTES
    assert server.sent < 25_000_000
    assert verdicts.judge_page(page, "").result == "up"


def test_the_expiry_of_any_certificate_is_recorded(tmp_path: Path) -> None:
    authority, now = Authority(tmp_path), datetime.now(UTC)
    for ends, problem in ((10 * DAY, "ends_soon"), (2 * DAY, "ends_now"), (20 * DAY, "")):
        tls = authority.server("127.0.0.1", ends=ends)
        with HostileServer(sends(http(200, HTML, PAGE)), tls=tls) as server:
            page = fetch(server.url, ca_file=str(authority.ca_file))
        assert page.certificate_ends_at is not None
        assert abs(page.certificate_ends_at - now - ends) < timedelta(minutes=2)
        assert verdicts.certificate_problem(page.certificate_ends_at, now) == problem
    tls = authority.server("127.0.0.1", starts=-3 * DAY, ends=-DAY)
    with HostileServer(sends(http(200, HTML, PAGE)), tls=tls) as server:
        page = fetch(server.url, ca_file=str(authority.ca_file))
    seen = verdicts.judge_page(page, "")
    assert (seen.result, seen.cause, seen.is_network) == ("down", "tls_expired", False)
    assert page.certificate_ends_at is not None
    assert page.certificate_ends_at < now
