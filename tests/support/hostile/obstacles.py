"""Programs in front of a WordPress, with the finding each one leads to."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace

from tests.support.hostile.calls import CAPTCHA, JSON
from tests.support.hostile.server import Behaviour, ReceivedRequest, http
from tests.support.hostile.site import Answer
from tests.support.hostile.wordpress import (
    HTML,
    PAGE,
    UNAUTHORIZED,
    Behind,
    WordPress,
    calls_only,
    everything,
)

GZIP = {"Content-Encoding": "gzip"}

WARNING = (
    b"<br />\n<b>Warning</b>:  Undefined variable $x in "
    b"<b>/var/www/html/wp-content/mu-plugins/loader.php</b> on line <b>12</b><br />\n"
)

Named = tuple[str, str]


def compressed(_received: ReceivedRequest, answer: Answer) -> bytes:
    return Answer(answer.status, answer.headers | GZIP, gzip.compress(answer.body)).raw()


def without(*names: str) -> Callable[[ReceivedRequest, Answer], bytes]:
    def drop(_received: ReceivedRequest, answer: Answer) -> bytes:
        kept = {name: value for name, value in answer.headers.items() if name not in names}
        return Answer(answer.status, kept, answer.body).raw()

    return drop


def posts(change: Callable[[Answer], Answer]) -> Callable[[ReceivedRequest, Answer], bytes]:
    """Return an obstacle that changes the response to POST."""
    return lambda received, a: change(a).raw() if received.method == "POST" else a.raw()


def dropping(*names: str) -> Callable[[ReceivedRequest], ReceivedRequest]:
    return lambda received: replace(
        received, headers={k: v for k, v in received.headers.items() if k not in names}
    )


def printed_before(text: bytes) -> Callable[[ReceivedRequest, Answer], bytes]:
    """Simulate output before the reply: PHP has already sent its headers, without SiteAgent's."""
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
