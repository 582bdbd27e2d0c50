"""Whatever stands in the way is named, and no site that it stands before is called healthy."""

from __future__ import annotations

import contextlib
import functools
import gzip
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.config import Config
from app.domain.diagnostics import anonymous_probe
from app.domain.diagnostics.examine import examine
from app.domain.diagnostics.results import (
    ANSWERS,
    BLOCKED,
    HEALTHY,
    NAMES,
    OK,
    SKIPPED,
    UNKNOWN,
    WARN,
    Diagnosis,
)
from app.http import site_client
from app.models.base import db, use_database
from app.views import filters
from app.views.diagnostics import as_text
from tests.support.config import make_config
from tests.support.hostile.calls import CAPTCHA, JSON
from tests.support.hostile.certificates import DAY, Authority
from tests.support.hostile.server import Behaviour, HostileServer, Line, ReceivedRequest, http
from tests.support.hostile.site import Answer, channel, refusal, signed
from tests.support.hostile.wordpress import (
    HTML,
    PAGE,
    ROUTES,
    UNAUTHORIZED,
    Behind,
    WordPress,
    calls_only,
    everything,
)

SOURCES = sorted((Path(__file__).parents[2] / "app/domain/diagnostics").glob("*.py"))
# Findings whose names are put together.
DERIVED = {
    *(f"no_{name}" for name in ("redirect", "password", "challenge", "cache")),
    *(f"{name}_untold" for name in ("headers", "body", "output", "clock")),
}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """These tests need no database."""
    return make_config(tmp_path)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection test who does not wait eight seconds for each answer."""
    monkeypatch.setattr(anonymous_probe, "PROBE_TIMEOUT_S", 0.3)


@pytest.fixture(autouse=True)
def audit_log(config: Config, migrated_file: bytes) -> Iterator[None]:
    """Each call to a paired site names how far the audit log reaches, so there has to be one."""
    (config.var_dir / "aura.db").write_bytes(migrated_file)
    use_database(config.database_url)
    with db.connection_context():
        yield


def diagnosed(
    behaviour: Behaviour, config: Config, *, paired: bool, path: str = ROUTES[0], **way: Any
) -> Diagnosis:
    """What the connection test says of a site that behaves so."""
    with HostileServer(behaviour) as server:
        return diagnosed_at(server.url, config, paired=paired, path=path, **way)


def diagnosed_at(
    url: str, config: Config, *, paired: bool, path: str = ROUTES[0], **way: Any
) -> Diagnosis:
    found, _ = examine(
        url,
        channel=replace(channel(url), endpoint=url + path) if paired else None,
        by="Ana",
        config=config,
        call=functools.partial(site_client.call, **way),
        look=functools.partial(site_client.probe, **way),
    )
    return found


def verdict_of(found: Diagnosis, name: str) -> tuple[str, str]:
    one = next(one for one in found.checks if one.name == name)
    return one.verdict, one.finding


def evidence_of(found: Diagnosis, name: str) -> dict[str, str | int]:
    return next(one for one in found.checks if one.name == name).evidence


def blocker_of(found: Diagnosis) -> tuple[str, str]:
    assert found.blocker is not None, found.checks
    return found.blocker.name, found.blocker.finding


# ---- the case that works


def test_a_paired_site_that_echoes_is_healthy(config: Config) -> None:
    found = diagnosed(WordPress(), config, paired=True)
    assert (found.verdict, found.is_clear) == (HEALTHY, True)
    assert verdict_of(found, "echo") == (OK, "echoed")
    assert verdict_of(found, "headers") == (OK, "headers_proven")
    assert verdict_of(found, "body") == (OK, "body_proven")
    assert verdict_of(found, "clock") == (OK, "clock_right")
    assert {one.verdict for one in found.checks if one.name != "tls"} == {OK}


def test_an_unpaired_site_answers_and_is_not_called_healthy(config: Config) -> None:
    found = diagnosed(WordPress(), config, paired=False)
    assert (found.verdict, found.is_clear) == (ANSWERS, True)
    assert verdict_of(found, "echo") == (SKIPPED, "not_paired")
    assert verdict_of(found, "headers") == (OK, "headers_arrive")
    assert verdict_of(found, "body") == (OK, "body_length")
    assert verdict_of(found, "output") == (OK, "output_clean")


def test_each_check_stands_in_its_place_once(config: Config) -> None:
    for behaviour in (WordPress(), everything(500, HTML)):
        found = diagnosed(behaviour, config, paired=True)
        assert tuple(one.name for one in found.checks) == NAMES


# ---- what is in the way, and of whom it is told
#
# The first pair is the blocker of a paired site, the second of one that is not; None: what
# strangers are answered does not show it.

GZIP = {"Content-Encoding": "gzip"}
CLAIMED = {"Content-Encoding": "br"}
WARNING = (
    b"<br />\n<b>Warning</b>:  Undefined variable $x in "
    b"<b>/var/www/html/wp-content/mu-plugins/loader.php</b> on line <b>12</b><br />\n"
)
Named = tuple[str, str]


def compressed(_asked: ReceivedRequest, answer: Answer) -> bytes:
    return Answer(answer.status, answer.headers | GZIP, gzip.compress(answer.body)).raw()


def without(*names: str) -> Callable[[ReceivedRequest, Answer], bytes]:
    def drop(_asked: ReceivedRequest, answer: Answer) -> bytes:
        kept = {name: value for name, value in answer.headers.items() if name not in names}
        return Answer(answer.status, kept, answer.body).raw()

    return drop


def posts(change: Callable[[Answer], Answer]) -> Callable[[ReceivedRequest, Answer], bytes]:
    """An answer to POST that was changed."""
    return lambda received, a: change(a).raw() if received.method == "POST" else a.raw()


def dropping(*names: str) -> Callable[[ReceivedRequest], ReceivedRequest]:
    return lambda received: replace(
        received, headers={k: v for k, v in received.headers.items() if k not in names}
    )


def printed_before(text: bytes) -> Callable[[ReceivedRequest, Answer], bytes]:
    """PHP sends its own headers with the first byte; SiteAgent's come too late."""
    return posts(lambda a: Answer(200, HTML, text + a.body))


def redirected(location: str) -> Behaviour:
    return Behind(instead=lambda received: http(301, {"Location": location + received.target}))


STAGING = HTML | {"WWW-Authenticate": 'Basic realm="Staging"'}
IN_THE_WAY: dict[str, tuple[Callable[[], Behaviour], Named, Named | None]] = {
    "a captcha with 403": (
        lambda: everything(403, HTML, CAPTCHA),
        ("challenge", "challenged"),
        ("challenge", "challenged"),
    ),
    "a captcha with 202": (
        lambda: everything(202, HTML | {"SG-Captcha": "challenge"}, b"<html></html>"),
        ("challenge", "challenged"),
        ("challenge", "challenged"),
    ),
    "a challenge with 503": (
        lambda: everything(503, HTML | {"cf-mitigated": "challenge"}, b"<html></html>"),
        ("challenge", "challenged"),
        ("challenge", "challenged"),
    ),
    "a captcha with 503 by its words alone": (
        lambda: everything(503, HTML, CAPTCHA),
        ("challenge", "challenged"),
        ("challenge", "challenged"),
    ),
    "a firewall that turns POST away": (
        lambda: calls_only(403, HTML, b"<h1>Sucuri Website Firewall</h1>"),
        ("challenge", "blocked"),
        ("challenge", "blocked"),
    ),
    "another plugin's 401": (
        lambda: calls_only(401, {"Content-Type": "application/json"}, b'{"code":"no"}'),
        ("challenge", "blocked"),
        ("challenge", "blocked"),
    ),
    "too many calls": (
        lambda: everything(429, HTML | {"Retry-After": "60"}, b"Slow down."),
        ("challenge", "too_many"),
        ("challenge", "too_many"),
    ),
    "a password prompt": (
        lambda: everything(401, STAGING),
        ("password", "password_asked"),
        ("password", "password_asked"),
    ),
    "another address": (
        lambda: redirected("https://www.bakery.example"),
        ("redirect", "redirected"),
        ("redirect", "redirected"),
    ),
    "a site that is down": (
        lambda: everything(500, HTML, b"Oops"),
        ("website", "server_error"),
        ("website", "server_error"),
    ),
    "maintenance": (
        lambda: everything(503, HTML | {"Retry-After": "600"}, b"Back soon."),
        ("website", "server_error"),
        ("website", "server_error"),
    ),
    "a server that fails on calls only": (
        lambda: calls_only(502, HTML, b"Bad gateway"),
        ("pretty", "server_error"),
        ("pretty", "server_error"),
    ),
    "a page with 200 for everything": (
        lambda: everything(200, HTML, PAGE),
        ("pretty", "web_page"),
        ("pretty", "web_page"),
    ),
    "a cache that answers with the front page": (
        lambda: everything(200, HTML | {"X-Cache": "HIT", "Age": "912"}, PAGE),
        ("cache", "cached_answer"),
        ("cache", "cached_answer"),
    ),
    "a cache that kept a refusal": (
        lambda: calls_only(401, JSON | {"Age": "7"}, UNAUTHORIZED),
        ("cache", "cached_answer"),
        ("cache", "cached_answer"),
    ),
    "a cache that kept a refusal and does not say so": (
        lambda: calls_only(401, JSON, UNAUTHORIZED),
        ("cache", "cached_answer"),
        ("cache", "cached_answer"),
    ),
    "no SiteAgent": (
        lambda: WordPress(has_siteagent=False),
        ("rest_index", "index_without"),
        ("rest_index", "index_without"),
    ),
    "no SiteAgent and plain permalinks": (
        lambda: WordPress(has_siteagent=False, has_pretty=False),
        ("rest_index", "index_without"),
        ("rest_index", "index_without"),
    ),
    "no WordPress": (
        lambda: everything(404, HTML, b"<html>404</html>"),
        ("rest_index", "no_index"),
        ("rest_index", "no_index"),
    ),
    "answers that are compressed": (
        lambda: Behind(outwards=compressed),
        ("body", "encoded_reply"),
        ("body", "encoded_reply"),
    ),
    "headers dropped on the way in": (
        lambda: Behind(inwards=dropping("Signature", "Signature-Input", "Content-Digest")),
        ("headers", "headers_stripped"),
        ("headers", "headers_stripped"),
    ),
    "one header dropped on the way in": (
        lambda: Behind(inwards=dropping("Content-Digest")),
        ("headers", "headers_stripped"),
        ("headers", "headers_stripped"),
    ),
    "headers dropped on the way out": (
        lambda: Behind(outwards=without("Signature", "Signature-Input", "Content-Digest")),
        ("headers", "unsigned_reply"),
        None,
    ),
    "a charset added": (
        lambda: Behind(
            outwards=posts(
                lambda a: replace(
                    a, headers=a.headers | {"Content-Type": "application/json; charset=utf-8"}
                )
            )
        ),
        ("headers", "content_type_changed"),
        ("headers", "content_type_changed"),
    ),
    "bytes added to what is sent": (
        lambda: Behind(inwards=lambda received: replace(received, body=received.body + b"\n")),
        ("body", "digest_mismatch"),
        ("body", "body_grows"),
    ),
    "bytes cut from what is sent": (
        lambda: Behind(inwards=lambda received: replace(received, body=received.body[:-1])),
        ("body", "digest_mismatch"),
        ("body", "body_shrinks"),
    ),
    "bytes exchanged in what is sent": (
        lambda: Behind(
            inwards=lambda received: replace(received, body=received.body.replace(b'"by"', b'"bY"'))
        ),
        ("body", "digest_mismatch"),
        None,
    ),
    "bytes added to the answer": (
        lambda: Behind(outwards=posts(lambda a: replace(a, body=a.body + b"<!-- fast -->"))),
        ("body", "reply_changed"),
        ("body", "reply_changed"),
    ),
    "bytes exchanged in the answer": (
        lambda: Behind(outwards=posts(lambda a: replace(a, body=a.body.replace(b":true", b": 1")))),
        ("body", "digest_mismatch"),
        None,
    ),
    "a PHP warning before the answer": (
        lambda: Behind(outwards=printed_before(WARNING)),
        ("output", "output_before"),
        ("output", "output_before"),
    ),
    "a byte order mark before the answer": (
        lambda: Behind(outwards=printed_before(b"\xef\xbb\xbf\n\n")),
        ("output", "output_before"),
        ("output", "output_before"),
    ),
    "a key the site does not know": (
        lambda: WordPress(knows_key=False),
        ("echo", "unauthorized"),
        None,
    ),
    "a clock that is days off": (
        lambda: WordPress(clock_ahead_s=3 * 86400),
        ("clock", "clock_skew"),
        None,
    ),
}


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_what_stands_before_a_paired_site_is_named(case: str, config: Config) -> None:
    make, named, _ = IN_THE_WAY[case]
    found = diagnosed(make(), config, paired=True)
    assert blocker_of(found) == named
    assert found.verdict == BLOCKED


@pytest.mark.parametrize("case", [case for case, (_, _, named) in IN_THE_WAY.items() if named])
def test_what_stands_before_an_unpaired_site_is_named(case: str, config: Config) -> None:
    make, _, named = IN_THE_WAY[case]
    found = diagnosed(make(), config, paired=False)
    assert blocker_of(found) == named
    assert found.verdict == BLOCKED


def test_a_cache_that_says_nothing_is_told_by_the_answer_to_another_call(config: Config) -> None:
    kept: dict[str, bytes] = {}

    def record(received: ReceivedRequest, answer: Answer) -> bytes:
        if received.method != "POST" or answer.status != 200 or b'"ping"' not in received.body:
            return answer.raw()
        return kept.setdefault(received.target, answer.raw())

    with HostileServer(Behind(outwards=record)) as server:
        assert diagnosed_at(server.url, config, paired=True).verdict == HEALTHY
        found = diagnosed_at(server.url, config, paired=True)
    assert blocker_of(found) == ("cache", "cached_answer")


REFUSALS_OF_OTHERS = {
    "no word of SiteAgent": (401, b'{"code":"unauthorized"}'),
    "another number": (401, b'{"code":"unauthorized","siteagent":2}'),
    "a yes for a number": (401, b'{"code":"unauthorized","siteagent":true}'),
    "no code": (401, b'{"siteagent":1}'),
    "a code that is no text": (401, b'{"code":["unauthorized"],"siteagent":1}'),
    "another code": (401, b'{"code":"too_large","siteagent":1}'),
    "as a success": (200, b'{"code":"unauthorized","siteagent":1}'),
    "as forbidden": (403, b'{"code":"unauthorized","siteagent":1}'),
    "said twice": (401, b'{"code":"unauthorized","siteagent":1,"siteagent":1}'),
    "with a byte order mark before": (401, b'\xef\xbb\xbf{"code":"unauthorized","siteagent":1}'),
}


@pytest.mark.parametrize("case", REFUSALS_OF_OTHERS)
@pytest.mark.parametrize("paired", [True, False])
def test_what_only_looks_like_siteagent_proves_nothing(
    case: str, paired: bool, config: Config
) -> None:
    status, body = REFUSALS_OF_OTHERS[case]
    found = diagnosed(calls_only(status, JSON, body), config, paired=paired)
    assert found.verdict == BLOCKED
    assert all(one.finding not in ("answers", "echoed") for one in found.checks)


OTHER_ANSWERS: dict[str, tuple[Behaviour, Named]] = {
    "words added to a refusal that is still one": (
        Behind(outwards=posts(lambda a: Answer(401, HTML, b"x" + a.body))),
        ("body", "reply_changed"),
    ),
    "words added to what calls itself JSON": (
        Behind(outwards=posts(lambda a: Answer(200, JSON, b"x" + a.body))),
        ("body", "reply_changed"),
    ),
    "an encoding that is only claimed": (
        Behind(
            outwards=posts(lambda a: replace(a, headers=a.headers | {"Content-Encoding": "br"}))
        ),
        ("body", "encoded_reply"),
    ),
    "somebody else's JSON": (calls_only(200, JSON, b'{"ok":1}'), ("pretty", "unsigned_reply")),
    "somebody else's JSON, compressed": (
        calls_only(200, JSON | GZIP, gzip.compress(b'{"ok":1}')),
        ("pretty", "encoded_reply"),
    ),
    "a warning on an ordinary page": (calls_only(200, HTML, WARNING), ("pretty", "web_page")),
    "a compressed captcha": (
        calls_only(403, HTML | GZIP, gzip.compress(CAPTCHA)),
        ("challenge", "challenged"),
    ),
    "a page that speaks of captchas": (
        calls_only(200, HTML, b"<html>Our form has a captcha</html>"),
        ("pretty", "web_page"),
    ),
    "a challenge with 200": (
        calls_only(200, HTML, b"<html><script src='/cdn-cgi/challenge-platform/x'></script>"),
        ("challenge", "challenged"),
    ),
    "a missing page that speaks of challenges": (
        calls_only(404, HTML, b"<html><script src='/cdn-cgi/challenge-platform/x'></script>"),
        ("pretty", "not_found"),
    ),
}


@pytest.mark.parametrize("case", OTHER_ANSWERS)
def test_like_things_are_told_apart(case: str, config: Config) -> None:
    behaviour, named = OTHER_ANSWERS[case]
    assert blocker_of(diagnosed(behaviour, config, paired=False)) == named


# ---- a connection that does not come about


def at_home(host: str, port: int, *_: object) -> list[Any]:
    """The resolver of these tests: every name is this machine."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


def unknown(*_: object) -> list[Any]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """A port that takes no further connection and does not say so."""
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
    """One blocker; all before it is ok, and all after it is left open because of it."""
    assert blocker_of(found) == (name, finding)
    assert found.verdict == BLOCKED
    place = NAMES.index(name)
    assert all(one.verdict == OK for one in found.checks[:place])
    assert all((one.verdict, one.because) == (SKIPPED, name) for one in found.checks[place + 1 :])


@pytest.mark.parametrize("paired", [True, False])
def test_an_unknown_name(paired: bool, config: Config) -> None:
    found = diagnosed_at("https://no.example.test", config, paired=paired, resolve=unknown)
    assert_stopped_at(found, "dns", "dns")


@pytest.mark.parametrize("paired", [True, False])
def test_a_private_address(paired: bool, config: Config) -> None:
    closed = replace(config, allow_nets=())
    with HostileServer(WordPress()) as server:
        found = diagnosed_at(server.url, closed, paired=paired)
        assert server.connections == 0
    assert_stopped_at(found, "dns", "address_refused")


@pytest.mark.parametrize("paired", [True, False])
def test_a_refused_port(paired: bool, config: Config) -> None:
    found = diagnosed_at(f"http://127.0.0.1:{closed_port()}", config, paired=paired)
    assert_stopped_at(found, "tcp", "connection_refused")
    assert evidence_of(found, "tcp")["addresses"] == "127.0.0.1"


def test_a_silent_port(config: Config, impatient: None) -> None:
    with full_backlog() as port:
        found = diagnosed_at(f"http://127.0.0.1:{port}", config, paired=False)
    assert_stopped_at(found, "tcp", "connect_timeout")


def test_a_port_that_keeps_silent_about_tls(config: Config, impatient: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://shop.example.test:{listener.getsockname()[1]}"
        found = diagnosed_at(url, config, paired=False, resolve=at_home)
    assert_stopped_at(found, "tls", "connect_timeout")


def test_an_address_of_the_name_that_nobody_answers_is_worth_a_word(config: Config) -> None:
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
def test_a_certificate_that_is_not_good(
    name: str, certificate: dict[str, Any], finding: str, config: Config, tmp_path: Path
) -> None:
    found = over_tls(config, tmp_path, name, **certificate)
    assert_stopped_at(found, "tls", finding)
    assert evidence_of(found, "tls")["names"] == name


def test_a_certificate_that_ends_soon_is_worth_a_word(config: Config, tmp_path: Path) -> None:
    found = over_tls(config, tmp_path, "shop.example.test", ends=5 * DAY)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "tls") == (WARN, "certificate_ends_soon")
    assert evidence_of(found, "tls")["days_left"] == 4


def test_a_good_certificate_is_shown(config: Config, tmp_path: Path) -> None:
    found = over_tls(config, tmp_path, "shop.example.test", ends=60 * DAY)
    assert verdict_of(found, "tls") == (OK, "certificate_good")
    seen = evidence_of(found, "tls")
    assert (seen["issuer"], seen["names"]) == ("Test Authority", "shop.example.test")
    assert str(seen["tls"]).startswith("TLSv1.")


@pytest.mark.parametrize("code", ["identity_changed", "internal_error", "replayed"])
def test_a_signed_no_proves_the_way_and_is_the_blocker(code: str, config: Config) -> None:
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


def test_a_site_that_drips_is_too_slow_and_ends(config: Config, impatient: None) -> None:
    def drip(_asked: ReceivedRequest, line: Line) -> None:
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(100):
            line.send(b"x")
            line.wait(0.1)

    found = diagnosed(drip, config, paired=False)
    assert blocker_of(found) == ("website", "too_slow")


def test_a_site_that_hangs_up(config: Config) -> None:
    found = diagnosed(lambda _asked, _line: None, config, paired=True)
    assert blocker_of(found) == ("website", "broken_off")


def test_calls_that_are_cut_off_while_pages_are_not(config: Config) -> None:
    cut = Behind(instead=lambda received: b"" if received.method == "POST" else None)
    found = diagnosed(cut, config, paired=True)
    assert blocker_of(found) == ("pretty", "broken_off")


# ---- what does not keep Aura away is not called a blocker


def test_plain_permalinks_do(config: Config) -> None:
    found = diagnosed(WordPress(has_pretty=False), config, paired=True, path=ROUTES[1])
    assert found.verdict == HEALTHY
    assert verdict_of(found, "pretty") == (WARN, "not_here")
    assert verdict_of(found, "plain") == (OK, "answers")
    assert verdict_of(found, "rest_index") == (OK, "index_lists")
    assert diagnosed(WordPress(has_pretty=False), config, paired=False).verdict == ANSWERS


def test_a_closed_rest_api_does(config: Config) -> None:
    found = diagnosed(WordPress(is_rest_open=False), config, paired=True)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "rest_index") == (WARN, "rest_closed")


@pytest.mark.parametrize(("status", "body"), [(200, b'{"code":"x"}'), (401, b'{"no":"code"}')])
def test_only_a_refusal_says_that_the_rest_api_is_closed(
    status: int, body: bytes, config: Config
) -> None:
    site = Behind(instead=lambda a: http(status, JSON, body) if "namespaces" in a.target else None)
    found = diagnosed(site, config, paired=True)
    assert verdict_of(found, "rest_index") == (WARN, "no_index")


def test_a_front_page_behind_a_password_does(config: Config) -> None:
    site = Behind(instead=lambda received: http(401, STAGING) if received.target == "/" else None)
    found = diagnosed(site, config, paired=True)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "password") == (WARN, "password_asked")
    assert evidence_of(found, "password")["met_at"] == "front page"
    assert verdict_of(found, "website") == (SKIPPED, "")


def test_a_page_cache_that_leaves_calls_alone_does(config: Config) -> None:
    def cache(received: ReceivedRequest, answer: Answer) -> bytes:
        more = {"X-Cache": "HIT"} if received.method == "GET" else {}
        return replace(answer, headers=answer.headers | more).raw()

    found = diagnosed(Behind(outwards=cache), config, paired=True)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "cache") == (OK, "pages_cached")


def test_a_front_page_in_another_language_does(config: Config) -> None:
    site = Behind(
        instead=lambda received: http(302, {"Location": "/en/"}) if received.target == "/" else None
    )
    found = diagnosed(site, config, paired=True)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "redirect") == (OK, "redirects_inside")


def test_a_protected_wp_admin_does(config: Config) -> None:
    site = Behind(
        instead=lambda received: http(401, STAGING) if "wp-admin" in received.target else None
    )
    found = diagnosed(site, config, paired=True)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "password") == (OK, "no_password")
    assert verdict_of(found, "ajax") == (WARN, "password_asked")


def test_an_older_siteagent_without_the_fallback_does(config: Config) -> None:
    site = Behind(
        instead=lambda received: http(400, HTML, b"0") if "ajax" in received.target else None
    )
    found = diagnosed(site, config, paired=True)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "ajax") == (WARN, "ajax_unknown")


def test_a_clock_minutes_off_is_allowed_for_and_shown(config: Config) -> None:
    found = diagnosed(WordPress(clock_ahead_s=720), config, paired=True)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "clock") == (WARN, "clock_off")
    assert 718 <= int(evidence_of(found, "clock")["offset_s"]) <= 722


def test_the_date_of_a_server_tells_its_clock_before_pairing(config: Config) -> None:
    def dated(text: str) -> Behind:
        return Behind(outwards=lambda _, a: replace(a, headers=a.headers | {"Date": text}).raw())

    wrong = diagnosed(dated("Tue, 24 Nov 2020 10:00:00 GMT"), config, paired=False)
    assert verdict_of(wrong, "clock") == (WARN, "server_clock_off")
    right = diagnosed(dated(format_datetime(datetime.now(UTC), usegmt=True)), config, paired=False)
    assert verdict_of(right, "clock") == (OK, "server_clock_right")
    assert verdict_of(diagnosed(dated("tomorrow"), config, paired=False), "clock")[0] == UNKNOWN


def test_the_file_that_printed_before_an_earlier_answer_is_told_by_the_site(config: Config) -> None:
    site = WordPress(more={"output_started": "loader.php:12\u202e"})
    found = diagnosed(site, config, paired=True)
    assert found.verdict == HEALTHY
    assert verdict_of(found, "output") == (WARN, "output_seen")
    assert evidence_of(found, "output")["printed_by"] == "loader.php:12"


# ---- evidence


def test_file_and_line_of_a_warning_are_read_from_the_answer(config: Config) -> None:
    found = diagnosed(Behind(outwards=printed_before(WARNING)), config, paired=True)
    assert evidence_of(found, "output")["printed_by"] == "mu-plugins/loader.php:12"


def test_the_address_to_allow_is_in_the_evidence(config: Config) -> None:
    found = diagnosed(calls_only(403, HTML), config, paired=True)
    assert str(evidence_of(found, "challenge")["address"]).endswith(ROUTES[0])


def test_the_address_behind_a_redirect_is_offered(config: Config) -> None:
    found = diagnosed(redirected("https://www.bakery.example/shop"), config, paired=False)
    assert evidence_of(found, "redirect")["use"] == "https://www.bakery.example/shop"


@pytest.mark.parametrize("location", ["javascript:alert(1)", "//", "http://[", "", "x" * 5000])
def test_a_redirect_to_nowhere_offers_nothing(location: str, config: Config) -> None:
    found = diagnosed(everything(302, {"Location": location}), config, paired=True)
    assert blocker_of(found) == ("redirect", "redirected")
    assert "javascript" not in str(evidence_of(found, "redirect").get("use", ""))


@pytest.mark.parametrize(
    ("headers", "body", "name"),
    [
        ({"X-Sucuri-ID": "11005"}, b"Access Denied", "Sucuri"),
        ({"Server": "cloudflare", "CF-RAY": "8f"}, b"", "Cloudflare"),
        ({}, b"Generated by Wordfence at ...", "Wordfence"),
        ({}, b"This error was generated by Mod_Security.", "ModSecurity"),
        ({}, b"Something else", None),
    ],
)
def test_whoever_turns_calls_away_is_recognised(
    headers: dict[str, str], body: bytes, name: str | None, config: Config
) -> None:
    found = diagnosed(calls_only(403, HTML | headers, body), config, paired=False)
    assert evidence_of(found, "challenge").get("recognised_as") == name


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("size", [0, 1, 300_000])
def test_nonsense_is_diagnosed_to_its_end(paired: bool, size: int, config: Config) -> None:
    for status in (200, 202, 204, 401, 403, 404, 418, 500):
        found = diagnosed(everything(status, {"X": "y"}, b"{" * size), config, paired=paired)
        assert found.verdict == BLOCKED
        assert not found.is_clear


def test_a_site_that_makes_searching_slow_does_not(config: Config) -> None:
    began = time.monotonic()
    page = b"Warning: in /" + b" in a.phpWarning: in " * 50_000
    assert diagnosed(everything(200, HTML, page), config, paired=True).verdict == BLOCKED
    assert time.monotonic() - began < 5


def test_when_time_is_up_the_rest_is_not_asked(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anonymous_probe, "TOTAL_TIMEOUT_S", 0.0)
    with HostileServer(WordPress()) as server:
        found = diagnosed_at(server.url, config, paired=False)
        assert (server.connections, found.requests) == (0, 0)
    assert not found.is_clear


# ---- the whole as one text


@pytest.fixture
def told(config: Config) -> Callable[[Diagnosis], str]:
    app = Flask("app", template_folder="templates")
    filters.register(app)

    def tell(found: Diagnosis) -> str:
        with app.app_context():
            return as_text(found)

    return tell


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_the_text_names_blocker_evidence_and_remedy(
    case: str, config: Config, told: Callable[[Diagnosis], str]
) -> None:
    make, (check, finding), _ = IN_THE_WAY[case]
    text = told(diagnosed(make(), config, paired=True))
    assert f"({check}, {finding})\n" in text
    assert "[blocked]" in text
    assert "Next: " in text.split("[blocked]", 1)[1].split("\n[", 1)[0]
    assert "Not understood" not in text
    assert "&#" not in text


def test_every_finding_of_the_doctor_has_its_words(config: Config) -> None:
    """What the source can find against what the templates can say."""
    app = Flask("app", template_folder="templates")
    filters.register(app)
    with app.app_context():
        words = app.jinja_env.get_template("diagnostics/_words.html").module
        errors = app.jinja_env.get_template("components/errors.html").module
    assert set(words.CHECKS) == set(NAMES)
    sources = "".join(path.read_text("utf-8") for path in SOURCES)
    for finding, known in words.FINDINGS.items():
        assert f'"{finding}"' in sources or finding in DERIVED, finding
        assert known.get("next") or "happened" not in known
        assert finding not in errors.ERRORS
