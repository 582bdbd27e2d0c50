"""Aura looks at pages of sites with a real browser in its sandbox, as a visitor does."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.domain.connection import calls
from app.domain.page_checks import browser_looks
from app.domain.page_checks.browser_looks import PageToCheck, Seen
from app.http import browser_process, browser_proxy, browser_visit
from app.http.browser_proxy import BrowserProxy
from tests.support.browser_looks import HTML, browse, kill_browser, profiles, whys
from tests.support.hostile.server import Behaviour, HostileServer, Line, ReceivedRequest, http
from tests.support.sandboxed_chromium import chromium_for

SCRIPT = {"Content-Type": "text/javascript"}
SHOP = b"""<!doctype html><html lang="en"><title>Shop</title><h1>Shop</h1>
<div style="height: 9000px">Goods</div>
<script src="/wp-content/plugins/cart/app.js?ver=%d"></script>"""
Look = Callable[..., dict[str, Seen]]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chromium_for(tmp_path_factory.mktemp("chromium"))


@pytest.fixture
def look(tmp_path: Path, chromium: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Look at pages with time enough for a slow machine."""
    monkeypatch.setattr(browser_looks, "BUDGET_S", 60.0)
    return lambda url, *pages: browse(url, chromium, tmp_path, pages or (PageToCheck("/", 200),))


def by_path(answers: dict[str, bytes]) -> Behaviour:
    def answer(received: ReceivedRequest, line: Line) -> None:
        line.send(answers.get(received.target.partition("?")[0], http(404, HTML, b"Gone")))

    return answer


def page(text: str) -> bytes:
    return http(200, HTML, f"<!doctype html><html lang=en><title>Shop</title>{text}".encode())


def test_a_script_broken_by_an_update_is_reported(look: Look) -> None:
    answers = {
        "/": http(200, HTML, SHOP % 1),
        "/wp-content/plugins/cart/app.js": http(200, SCRIPT, b"document.title = 'Cart';"),
    }
    with HostileServer(by_path(answers)) as server:
        before = look(server.url)["/"]
        answers["/wp-content/plugins/cart/app.js"] = http(200, SCRIPT, b"\n\ncart.open(17);")
        after = look(server.url, PageToCheck("/", 200, known=()))["/"]
    assert [console.errors for console in before.consoles] == [(), ()]
    assert whys(before) == {""}
    found = ("ReferenceError: cart is not defined (/wp-content/plugins/cart/app.js)",)
    assert [console.errors for console in after.consoles] == [found, found]


def test_the_same_error_reads_the_same_in_each_look(look: Look) -> None:
    text = (
        "<script>console.error('Order', Math.random(), location.href + '?n=' + Date.now())</script>"
    )
    with HostileServer(by_path({"/": page(text)})) as server:
        first, second = look(server.url)["/"], look(server.url)["/"]
    assert first.consoles == second.consoles
    assert len(first.consoles[0].errors) == 1


def test_an_unconfirmed_error_does_not_count(look: Look) -> None:
    flaky = "<script>if (!window.name) { fetch('/seen'); throw new Error('once'); }</script>"
    answers = {"/": page(flaky)}

    def answer(received: ReceivedRequest, line: Line) -> None:
        if received.target == "/seen":
            answers["/"] = page("<h1>Calm</h1>")
        by_path(answers)(received, line)

    with HostileServer(answer) as server:
        seen = look(server.url, PageToCheck("/", 200, known=()))["/"]
    assert [console.errors for console in seen.consoles] == [(), ()]


def test_pictures_at_both_widths_are_cropped_and_small(look: Look) -> None:
    answers = {"/": http(200, HTML, SHOP % 1)}
    with HostileServer(by_path(answers)) as server:
        seen = look(server.url)["/"]
    sizes = {name: Image.open(io.BytesIO(data)).size for name, data in seen.pictures.items()}
    assert sizes == {"desktop": (1280, 2400), "phone": (390, 2800)}
    assert all(len(data) < 400 * 1024 for data in seen.pictures.values())


def test_no_cookie_or_profile_survives_a_look(look: Look, tmp_path: Path) -> None:
    keeps = {**HTML, "Set-Cookie": "visitor=1; Max-Age=9999"}
    text = b"<!doctype html><title>x</title><script>localStorage.setItem('a', 'b')</script>"
    with HostileServer(by_path({"/": http(200, keeps, text)})) as server:
        look(server.url, PageToCheck("/", 200), PageToCheck("/?again=1", 200))
        pages = [one for one in server.received if one.target.startswith("/?") or one.target == "/"]
    assert len(pages) == 4
    assert not any("Cookie" in request.headers for request in pages)
    assert profiles(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "<script>location = '{other}/stolen'</script>",
        "<meta http-equiv=refresh content='0;url={other}/stolen'>",
        # While its picture is taken, which resizes the window.
        "<p style='height:9000px'><script>onresize = () => location = '{other}/stolen'</script>",
    ],
)
def test_a_page_does_not_lead_to_another_host(look: Look, text: str) -> None:
    answers: dict[str, bytes] = {}
    with (
        HostileServer(by_path({}), host="127.0.0.2") as other,
        HostileServer(by_path(answers)) as server,
    ):
        answers["/"] = page(text.format(other=other.url))
        seen = look(server.url)["/"]
    assert whys(seen) == {"elsewhere"}
    assert seen.pictures == {}
    assert other.connections == 0


def test_a_redirect_to_another_host_is_not_followed(look: Look) -> None:
    with HostileServer(by_path({}), host="127.0.0.2") as other:
        away = http(302, {"Location": f"{other.url}/stolen"})
        with HostileServer(by_path({"/": away})) as server:
            assert whys(look(server.url)["/"]) == {"elsewhere"}
    assert other.connections == 0


INWARD = """<h1>Shop</h1><iframe src="{http}/frame"></iframe><img src="{http}/image">
<script>
fetch('{http}/fetch', {{mode: 'no-cors'}}).catch(() => 0);
navigator.sendBeacon('{http}/beacon', 'x');
new WebSocket('{ws}/socket');
const servers = [{{urls: 'stun:{udp}'}}, {{urls: 'turn:{udp}', username: 'a', credential: 'b'}},
  {{urls: 'turn:{tcp}?transport=tcp', username: 'a', credential: 'b'}}];
const peer = new RTCPeerConnection({{iceServers: servers}});
peer.createDataChannel('x');
peer.createOffer().then((offer) => peer.setLocalDescription(offer));
try {{ new WebTransport('https://{udp}/').ready.catch(() => 0); }} catch {{ }}
window.open('{http}/popup');
navigator.geolocation.getCurrentPosition(() => 0);
alert('Stay'); confirm('Sure?'); print();
</script>"""


def test_a_hostile_page_reaches_no_private_address(look: Look) -> None:
    answers: dict[str, bytes] = {}
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        HostileServer(by_path({}), host="127.0.0.2") as inward,
        HostileServer(by_path(answers)) as server,
    ):
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        plain = inward.url.removeprefix("http://")
        places = {"http": inward.url, "ws": f"ws://{plain}", "tcp": plain}
        answers["/"] = page(INWARD.format(udp=f"127.0.0.1:{udp.getsockname()[1]}", **places))
        seen = look(server.url)["/"]
        with pytest.raises(BlockingIOError):
            udp.recv(100)
    assert inward.connections == 0
    assert whys(seen) == {""}


def test_the_browsers_own_requests_are_blocked(chromium: Path) -> None:
    with (
        HostileServer(by_path({"/": page("<h1>Update</h1>")})) as vendor,
        browser_process.running_browser(chromium, prefix="aura-test-", seconds=30) as devtools,
    ):
        devtools.call("Target.createTarget", url=vendor.url)
        devtools.wait(lambda: bool(vendor.connections), time.monotonic() + 3)
    assert vendor.connections == 0


def test_a_busy_page_takes_only_its_own_time(look: Look) -> None:
    answers = {"/": page("<script>for (;;) {}</script>"), "/shop/": page("<h1>Shop</h1>")}
    began = time.monotonic()
    with HostileServer(by_path(answers)) as server:
        seen = look(server.url, PageToCheck("/", 200), PageToCheck("/shop/", 200))
    assert whys(seen["/"]) <= {"too_slow", "browser_hung"}
    assert whys(seen["/shop/"]) == {""}
    assert time.monotonic() - began < 50


def test_a_page_behind_a_staging_password_is_loaded(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "visitor_login", lambda site, config: "ana:secret")
    answers: dict[str, bytes] = {}

    def asks(received: ReceivedRequest, line: Line) -> None:
        if "Authorization" in received.headers:
            by_path(answers)(received, line)
        else:
            line.send(http(401, {**HTML, "WWW-Authenticate": 'Basic realm="Staging"'}, b"No"))

    with HostileServer(asks) as server:
        answers["/"] = page("<h1>Shop</h1><script src='/a.js'></script>")
        answers["/a.js"] = http(200, SCRIPT, b"")
        assert whys(look(server.url)["/"]) == {""}
    logins = {one.headers.get("Authorization") for one in server.received}
    assert logins == {None, "Basic YW5hOnNlY3JldA=="}


def test_endlessly_loading_pages_fail_the_look(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_proxy, "LIMITS", browser_proxy.ProxyLimits(total_bytes=100_000))
    answers = {"/": page("<img src='/big'>"), "/big": http(200, {}, b"x" * 200_000)}
    with HostileServer(by_path(answers)) as server:
        seen = look(server.url, PageToCheck("/", 200), PageToCheck("/shop/", 200))
    assert whys(seen["/"]) == {"too_much"}


def test_a_page_with_files_from_many_hosts_is_loaded(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(host: str, *more: Any) -> list[Any]:
        if host.endswith(".example"):
            time.sleep(1)
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return socket.getaddrinfo(host, *more)

    monkeypatch.setattr(browser_looks, "BrowserProxy", partial(BrowserProxy, resolve=resolve))
    monkeypatch.setattr(browser_visit, "PAGE_TIMEOUT_S", 30.0)
    images = "".join(f"<img src='https://cdn{number}.example/a.png'>" for number in range(40))
    with HostileServer(by_path({"/": page(f"<h1>Shop</h1>{images}")})) as server:
        seen = look(server.url)["/"]
    assert whys(seen) == {""}


def test_a_browser_that_dies_costs_one_page_only(look: Look, tmp_path: Path) -> None:
    answers = {"/": page("<h1>Shop</h1>"), "/shop/": page("<h1>Shop</h1>")}

    def answer(received: ReceivedRequest, line: Line) -> None:
        if received.target == "/":
            kill_browser(tmp_path)
        by_path(answers)(received, line)

    with HostileServer(answer) as server:
        seen = look(server.url, PageToCheck("/", 200), PageToCheck("/shop/", 200))
    assert (whys(seen["/"]), whys(seen["/shop/"])) == ({"browser_ended"}, {""})
    assert profiles(tmp_path) == []


def test_a_response_for_browsers_only_fails_the_look(look: Look) -> None:
    with HostileServer(
        by_path({"/": http(403, HTML, b"<h1>Robots are not allowed</h1>")})
    ) as server:
        assert whys(look(server.url)["/"]) == {"another_answer"}
