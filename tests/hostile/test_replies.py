"""Replies of a site or its host: each failure has an error code; only signed ones are accepted."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

import pytest

from app import protocol
from app.http.site_client import CallError, ErrorCode, call
from tests.support.hostile.calls import CAPTCHA, HTML, JSON, LOOPBACK, SECRET, ask, refused
from tests.support.hostile.server import HostileServer, Line, ReceivedRequest, http, sends
from tests.support.hostile.site import (
    KEYID,
    PATH,
    SEND_KEY,
    Answer,
    answers,
    answers_changed,
    channel,
    document,
    signed,
)

# --- the case that works


def test_a_signed_answer_is_returned_with_the_bytes_that_travelled() -> None:
    body = document(plugin="0.1.0", time=5)
    with HostileServer(answers(body)) as server:
        reply = ask(server, arguments={"have": None})
    assert reply.status == 200
    assert reply.document["plugin"] == "0.1.0"
    assert reply.body == body
    assert reply.request_body == server.received[0].body
    assert json.loads(reply.request_body) == {"v": 1, "op": "ping", "by": "Ana", "have": None}
    assert reply.sent_at <= reply.received_at
    assert reply.clock_offset_s == 0


def test_the_request_is_a_plain_post_of_the_profile() -> None:
    with HostileServer(answers(document())) as server:
        ask(server)
    received = server.received[0]
    assert (received.method, received.target) == ("POST", PATH)
    assert received.headers["Content-Type"] == "application/json"
    assert received.headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in received.headers
    assert "Authorization" not in received.headers


def test_arguments_cannot_replace_operation_or_version() -> None:
    with HostileServer(answers(document())) as server:
        ask(server, arguments={"op": "revoke", "v": 2, "by": "Cleo"})
    assert json.loads(server.received[0].body) == {"v": 1, "op": "ping", "by": "Ana"}


def test_the_actor_is_one_short_printable_line() -> None:
    with HostileServer(answers(document())) as server:
        call(
            channel(server.url),
            "ping",
            {},
            by="Ana\r\n\u202eevil " + "x" * 300,
            allow_nets=LOOPBACK,
        )
    by = json.loads(server.received[0].body)["by"]
    assert by.startswith("Ana evil xxx")
    assert len(by) == 120


def test_chunked_answers_are_read() -> None:
    def chunked(received: ReceivedRequest, line: Line) -> None:
        answer = signed(received, line, document(time=1))
        head = answer.raw().partition(b"\r\n\r\n")[0]
        head = head.replace(b"Content-Length: %d" % len(answer.body), b"Transfer-Encoding: chunked")
        line.send(head + b"\r\n\r\n")
        for byte in answer.body:
            line.send(b"1\r\n%c\r\n" % byte)
        line.send(b"0\r\n\r\n")

    with HostileServer(chunked) as server:
        assert ask(server).document["time"] == 1


# --- unsigned replies

UNSIGNED: dict[str, tuple[bytes, ErrorCode, dict[str, str | int]]] = {
    "a page with status 200": (
        http(200, HTML, b"<html><body>Welcome!</body></html>"),
        ErrorCode.web_page,
        {"status": 200, "server": "nginx", "text": "<html><body>Welcome!</body></html>"},
    ),
    "a page that calls itself plain text": (
        http(200, {"Content-Type": "text/plain"}, b"\n<!DOCTYPE html>"),
        ErrorCode.web_page,
        {"content_type": "text/plain"},
    ),
    "a captcha with 403": (http(403, HTML, CAPTCHA), ErrorCode.blocked, {"status": 403}),
    "a captcha with 202": (http(202, HTML, CAPTCHA), ErrorCode.blocked, {"status": 202}),
    "a captcha with 503": (
        http(503, HTML | {"cf-mitigated": "challenge"}, CAPTCHA),
        ErrorCode.blocked,
        {"detail": "a browser challenge"},
    ),
    "too many requests": (http(429, HTML, b"slow down"), ErrorCode.blocked, {"status": 429}),
    "a teapot": (http(418, {}, b""), ErrorCode.blocked, {"status": 418}),
    "a password asked": (
        http(401, HTML | {"WWW-Authenticate": 'Basic realm="staging"'}, b"no"),
        ErrorCode.blocked,
        {"status": 401, "detail": "the web server asks for a password"},
    ),
    "another plugin's 401": (
        http(401, JSON, b'{"code":"rest_not_logged_in"}'),
        ErrorCode.blocked,
        {"text": '{"code":"rest_not_logged_in"}'},
    ),
    "no such page": (http(404, HTML, b"<html>404</html>"), ErrorCode.not_found, {"status": 404}),
    "no such route": (http(404, JSON, b'{"code":"rest_no_route"}'), ErrorCode.not_found, {}),
    "gone": (http(410, HTML, b""), ErrorCode.not_found, {"status": 410}),
    "a server of files": (http(501, HTML, b"no"), ErrorCode.post_refused, {"status": 501}),
    "a server that only reads": (http(405, HTML, b"no"), ErrorCode.post_refused, {"status": 405}),
    "an error of the server": (http(500, HTML, b"Oops"), ErrorCode.server_error, {"text": "Oops"}),
    "maintenance": (http(503, HTML, b"Back soon"), ErrorCode.server_error, {"status": 503}),
    "an unsigned success": (http(200, JSON, document()), ErrorCode.unsigned_reply, {"status": 200}),
    "our refusal": (
        http(401, JSON, b'{"siteagent":1,"code":"unauthorized"}'),
        ErrorCode.unauthorized,
        {"status": 401},
    ),
    "our keys do not open any more": (
        http(401, JSON, b'{"siteagent":1,"code":"keys_unreadable"}'),
        ErrorCode.site_keys_unreadable,
        {"status": 401},
    ),
    "our refusal as a success": (
        http(200, JSON, b'{"siteagent":1,"code":"unauthorized"}'),
        ErrorCode.unsigned_reply,
        {},
    ),
    "our refusal with another number": (
        http(401, JSON, b'{"siteagent":true,"code":"unauthorized"}'),
        ErrorCode.blocked,
        {},
    ),
    "our refusal of an oversized request": (
        http(413, JSON, b'{"siteagent":1,"code":"unauthorized"}'),
        ErrorCode.refused_by_site,
        {"code": "too_large"},
    ),
    "a disconnect notice": (
        http(401, JSON, b'{"siteagent":1,"code":"disconnected","g":"abc"}'),
        ErrorCode.disconnected,
        {"g": "abc"},
    ),
    "a disconnect notice without proof": (
        http(401, JSON, b'{"siteagent":1,"code":"disconnected","g":null}'),
        ErrorCode.blocked,
        {},
    ),
}


@pytest.mark.parametrize("case", UNSIGNED)
def test_an_unsigned_answer_gets_its_name_and_evidence(case: str) -> None:
    raw, error_code, expected = UNSIGNED[case]
    error = refused(sends(raw))
    assert error.error_code is error_code
    assert expected.items() <= error.evidence.items()


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_redirects_are_reported_and_never_followed(status: int) -> None:
    with HostileServer(answers(document())) as elsewhere:
        target = elsewhere.url + PATH
        error = refused(sends(http(status, {"Location": target})))
    assert error.error_code is ErrorCode.redirected
    assert error.evidence["location"] == target
    assert elsewhere.connections == 0


def test_a_redirect_to_a_private_address_is_not_followed() -> None:
    error = refused(sends(http(307, {"Location": "http://169.254.169.254/latest/meta-data/"})))
    assert error.error_code is ErrorCode.redirected
    assert error.evidence["location"] == "http://169.254.169.254/latest/meta-data/"


@pytest.mark.parametrize("location", ["http://[", "//[::1", "http://\xff\xfe", "x" * 9000])
def test_a_redirect_without_an_address_is_a_redirect(location: str) -> None:
    assert refused(sends(http(301, {"Location": location}))).error_code is ErrorCode.redirected


def test_a_signed_redirect_is_still_a_redirect() -> None:
    error = refused(answers(document(), status=302))
    assert error.error_code is ErrorCode.redirected


def test_a_long_404_page_means_that_the_plugin_is_missing() -> None:
    error = refused(sends(http(404, HTML, b"<html>" + b"x" * 500_000)))
    assert error.error_code is ErrorCode.not_found
    assert len(str(error.evidence["text"])) <= 200


# --- evidence is safe to store and show


def test_evidence_holds_no_control_or_direction_characters() -> None:
    page = "<html>\x00\x1b[31m\r\n\u202eevil\u2066\ufeff</html>".encode()
    raw = http(500, {"Server": "ngi\x01nx\x85", "Content-Type": "text/html"}, page)
    error = refused(sends(raw))
    assert error.evidence["text"] == "<html> [31m evil </html>"
    assert error.evidence["server"] == "ngi nx"


def test_an_echoed_request_puts_no_secret_into_evidence() -> None:
    def echo(received: ReceivedRequest, line: Line) -> None:
        everything = repr(sorted(received.headers.items())) + received.body.decode()
        line.send(http(500, {"Server": received.headers["Signature"]}, everything[-200:].encode()))

    error = refused(echo, "revoke", arguments={"kid": KEYID, "r": SECRET})
    shown = repr(error.evidence)
    assert error.error_code is ErrorCode.server_error
    assert "[hidden]" in shown
    assert SECRET not in shown
    assert SECRET[:20] not in shown


@pytest.mark.parametrize("place", ["text", "header"])
def test_evidence_is_short(place: str) -> None:
    head = {"Server": "s" * 5000} if place == "header" else {}
    error = refused(sends(http(500, head, b"y" * 5000)))
    assert all(len(str(value)) <= 500 for value in error.evidence.values())


def test_keys_are_not_in_the_text_of_a_channel_or_error() -> None:
    error = refused(sends(http(500, {}, b"")))
    text = repr(channel("http://x")) + str(error) + repr(error)
    assert "32 bytes long" not in text


# --- signed, but wrong

OTHER_NONCE = "A" * 22

WRONG_REPLIES: dict[str, tuple[Callable[[Answer], bytes], ErrorCode]] = {
    "status changed": (
        lambda a: Answer(201, a.headers, a.body).raw(),
        ErrorCode.bad_reply_signature,
    ),
    "success turned into our 401": (
        lambda a: Answer(401, a.headers, a.body).raw(),
        ErrorCode.bad_reply_signature,
    ),
    "body altered": (
        lambda a: Answer(200, a.headers, a.body.replace(b":1,", b":2,")).raw(),
        ErrorCode.digest_mismatch,
    ),
    "warning printed before the body": (
        lambda a: Answer(200, a.headers, b"<b>Warning</b>: x\n" + a.body).raw(),
        ErrorCode.digest_mismatch,
    ),
    "body and digest altered": (
        lambda a: Answer(200, a.headers, b"{}").raw(Content_Digest=protocol.content_digest(b"{}")),
        ErrorCode.bad_reply_signature,
    ),
    "signature taken away": (
        lambda a: Answer(
            200, {k: v for k, v in a.headers.items() if k != "Signature"}, a.body
        ).raw(),
        ErrorCode.unsigned_reply,
    ),
    "charset added": (
        lambda a: a.raw(Content_Type="application/json; charset=UTF-8"),
        ErrorCode.bad_reply_signature,
    ),
    "gzip on the way": (
        lambda a: Answer(200, a.headers, gzip.compress(a.body)).raw(Content_Encoding="gzip"),
        ErrorCode.encoded_reply,
    ),
    "an encoding claimed only": (lambda a: a.raw(Content_Encoding="br"), ErrorCode.encoded_reply),
    "signature fields twice": (
        lambda a: a.raw().replace(b"\r\nSignature:", b"\r\nSignature: x\r\nSignature:"),
        ErrorCode.bad_reply_signature,
    ),
}


@pytest.mark.parametrize("case", WRONG_REPLIES)
def test_a_signed_but_wrong_reply_is_refused(case: str) -> None:
    change, error_code = WRONG_REPLIES[case]
    error = refused(answers_changed(change))
    assert error.error_code is error_code
    assert error.evidence["address"] == "127.0.0.1"


def test_identity_encoding_is_accepted() -> None:
    with HostileServer(answers_changed(lambda a: a.raw(Content_Encoding="identity"))) as server:
        assert ask(server).document["time"] == 1


def test_an_answer_signed_with_another_key_is_refused() -> None:
    assert refused(answers(document(), key=b"x" * 32)).error_code is ErrorCode.bad_reply_signature


def test_a_reply_signed_with_auras_own_key_is_refused() -> None:
    assert refused(answers(document(), key=SEND_KEY)).error_code is ErrorCode.bad_reply_signature


def test_a_reply_to_another_request_is_refused() -> None:
    error = refused(answers(document(), nonce=OTHER_NONCE))
    assert error.error_code is ErrorCode.bad_reply_signature
    assert "another request" in str(error.evidence["detail"])


def test_a_replayed_reply_is_refused() -> None:
    recorded: list[bytes] = []

    def replay(received: ReceivedRequest, line: Line) -> None:
        recorded.append(signed(received, line, document(time=1)).raw())
        line.send(recorded[0])

    with HostileServer(replay) as server:
        assert ask(server).document["time"] == 1
        with pytest.raises(CallError) as caught:
            ask(server)
    assert caught.value.error_code is ErrorCode.bad_reply_signature


def test_a_compressed_page_is_recognized_and_not_shown() -> None:
    raw = http(200, HTML | {"Content-Encoding": "gzip"}, gzip.compress(b"<html>"))
    error = refused(sends(raw))
    assert error.error_code is ErrorCode.web_page
    assert "text" not in error.evidence


def test_a_gzip_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b"0" * 20_000_000)
    raw = http(200, JSON | {"Content-Encoding": "gzip"}, bomb)
    assert refused(sends(raw)).error_code is ErrorCode.encoded_reply


DEEP = b'{"v":1,"ok":true,"op":"ping","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

UNREADABLE = {
    "not JSON": b"hello",
    "nothing": b"",
    "a list": b"[]",
    "too deep": DEEP[:400] + DEEP[-400:],
    "far too deep": DEEP,
    "NaN": b'{"v":1,"ok":true,"op":"ping","x":NaN}',
    "infinity": b'{"v":1,"ok":true,"op":"ping","x":-Infinity}',
    "a decimal": b'{"v":1,"ok":true,"op":"ping","x":1.5}',
    "a huge number": b'{"v":1,"ok":true,"op":"ping","x":' + b"9" * 5000 + b"}",
    "a key twice": b'{"v":1,"ok":false,"ok":true,"op":"ping"}',
    "a lone surrogate": b'{"v":1,"ok":true,"op":"ping","x":"\\ud800"}',
    "broken text": b'{"v":1,"ok":true,"op":"ping","x":"\xff"}',
    "another operation": document("report"),
    "another version": b'{"v":2,"ok":true,"op":"ping"}',
    "neither yes nor no": b'{"v":1,"ok":1,"op":"ping"}',
    "no without a reason": b'{"v":1,"ok":false,"op":"ping"}',
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_signed_reply_of_a_wrong_shape_is_malformed(case: str) -> None:
    error = refused(answers(UNREADABLE[case]), max_bytes=1_000_000)
    assert error.error_code is ErrorCode.malformed_reply


def test_a_success_with_an_error_status_is_malformed() -> None:
    assert refused(answers(document(), status=403)).error_code is ErrorCode.malformed_reply
