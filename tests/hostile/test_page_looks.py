"""Look at the pages that must still work, and report why a response is not usable."""

from __future__ import annotations

from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.config import Config
from app.domain.page_checks import looks
from app.domain.page_checks.comparison import Look, Requirements
from app.domain.page_checks.looks import PageToCheck
from app.models.sites import Site
from tests.support.hostile.server import (
    Behaviour,
    HostileServer,
    Line,
    ReceivedRequest,
    http,
    sends,
)

CONFIG = cast(Config, SimpleNamespace(allow_nets=(ip_network("127.0.0.0/8"),)))
HTML = {"Content-Type": "text/html; charset=utf-8", "Set-Cookie": "visitor=1"}
PAGE = b"<!doctype html><title>Shop</title><h1>Shop</h1><script src='/app.js'></script>"
SHOP = PageToCheck("/shop/?view=all", Requirements(phrase="Shop"))


def look(server: HostileServer, page: PageToCheck = SHOP, **more: Any) -> tuple[Look, Look]:
    site = Site(url=server.url, server_login_sealed="")
    return looks.look_twice(site, [page], config=CONFIG, **more)[page.path]


def seen(behaviour: Behaviour, **more: Any) -> Look:
    with HostileServer(behaviour) as server:
        return look(server, **more)[0]


def by_path(answers: dict[str, bytes]) -> Behaviour:
    def answer(received: ReceivedRequest, line: Line) -> None:
        line.send(answers.get(received.target.partition("?")[0], http(404, HTML, b"Gone")))

    return answer


def test_each_look_is_a_get_without_a_cookie_and_names_the_page() -> None:
    with HostileServer(by_path({"/shop/": http(200, HTML, PAGE)})) as server:
        first, second = look(server)
    assert first == second
    assert (first.unmet, first.why) == ((), "")
    assert {request.method for request in server.received} == {"GET"}
    assert not any("Cookie" in request.headers for request in server.received)
    assert [one.target for one in server.received][:2] == ["/shop/?view=all"] * 2


@pytest.mark.parametrize(
    ("script", "is_broken"),
    [
        (http(200, {"Content-Type": "text/javascript"}, b"run();"), False),
        (http(404, HTML, b"Gone"), True),
        (http(200, HTML, b"<!doctype html><title>Not found</title>"), True),
        (http(503, HTML, b"Busy"), False),
        (b"", False),
    ],
)
def test_a_script_that_is_not_there_is_found(script: bytes, is_broken: bool) -> None:
    found = seen(by_path({"/shop/": http(200, HTML, PAGE), "/app.js": script}))
    assert bool(found.broken_assets) is is_broken


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (http(302, {"Location": "http://127.0.0.2:9/"}, b""), "elsewhere"),
        (http(302, {"Location": "file:///etc/passwd"}, b""), "elsewhere"),
        (http(302, {"Location": "/shop/"}, b""), "redirected"),
        (http(200, {**HTML, "Content-Encoding": "gzip"}, b"\x1f\x8b"), "encoded"),
        (http(200, {**HTML, "Age": "30"}, PAGE), "cached"),
        (http(200, HTML, b"x" * (looks.MAX_BYTES + 1)), "too_large"),
        (http(200, HTML, b"<div>" * 50_000), "too_complex"),
        (http(503, HTML, b"Busy"), "unavailable"),
        (http(429, HTML, b"Wait"), "too_many"),
        (http(401, {"WWW-Authenticate": "Basic"}, b""), "password_asked"),
        (b"", "broken_off"),
        (b"nonsense", "malformed_reply"),
    ],
)
def test_an_unusable_response_has_a_reason(raw: bytes, why: str) -> None:
    found = seen(sends(raw))
    assert (found.structure, found.why) == (None, why)


def test_a_required_error_status_is_accepted() -> None:
    with HostileServer(sends(http(401, HTML, PAGE))) as server:
        page = PageToCheck("/wp-json/wp/v2/users", Requirements(status=401))
        assert look(server, page)[0].unmet == ()


def test_endless_pages_end_at_the_common_deadline() -> None:
    def drip(_received: ReceivedRequest, line: Line) -> None:
        line.send(http(200, HTML, b"", length=10_000))
        for _ in range(100):
            line.send(b"x")
            line.wait(0.1)

    first, second = None, None
    with HostileServer(drip) as server:
        first, second = look(server, budget_s=0.8)
    assert (first.why, second.why) == ("too_slow", "no_time")
