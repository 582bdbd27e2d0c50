"""Protocol messages: signing, verification, and refusal of any altered byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from app import protocol
from app.protocol import ProtocolError, SentRequest, VerifiedRequest

NOW = 1_795_463_815
URL = "https://shop.example.test/wp-json/siteagent/v1/rpc"
SECOND = "https://shop.example.test/?rest_route=/siteagent/v1/rpc"
KEYID = "Zm9v_-.1"
D2S, S2D = b"d" * 32, b"s" * 32
BODY = protocol.canonical({"v": 1, "op": "ping", "by": "Ana – „Díaz“"})
ANSWER = protocol.canonical({"v": 1, "ok": True, "op": "ping", "time": NOW})


def sent(url: str = URL, body: bytes = BODY, created: int = NOW, **options: Any) -> SentRequest:
    options = {"nonce": protocol.new_nonce()} | options
    return protocol.sign_request(url, body, key=D2S, keyid=KEYID, created=created, **options)


def judge(request: SentRequest, **changes: Any) -> VerifiedRequest:
    given_: dict[str, Any] = {
        "method": "POST",
        "urls": [URL, SECOND],
        "headers": request.headers,
        "body": request.body,
        "key_for": {KEYID: D2S}.get,
        "now": NOW,
    }
    return protocol.verify_request(**given_ | changes)


def refusal_of(request: SentRequest, **changes: Any) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        judge(request, **changes)
    return caught.value


# --- requests


def test_a_signed_request_is_verified_with_the_address_that_was_signed() -> None:
    request = sent(url=SECOND)
    found = judge(request)
    assert (found.keyid, found.nonce, found.url) == (KEYID, request.nonce, SECOND)
    assert (found.created, found.expires) == (NOW, NOW + 60)


def test_names_of_headers_are_found_in_any_case() -> None:
    request = sent()
    judge(request, headers={name.upper(): value for name, value in request.headers.items()})


def test_other_headers_do_not_matter() -> None:
    request = sent()
    judge(request, headers=request.headers | {"X-Forwarded-For": "x" * 9000, "Host": "other"})


def test_a_header_in_two_spellings_is_refused() -> None:
    request = sent()
    twice = request.headers | {"signature": request.headers["Signature"]}
    assert refusal_of(request, headers=twice).code == "malformed"


def test_a_large_body_is_refused_before_anything_else() -> None:
    request = sent()
    assert refusal_of(request, body=b" " * 65537, headers={}).code == "too_large"


@pytest.mark.parametrize("name", ["Signature", "Signature-Input", "Content-Digest", "Content-Type"])
def test_a_large_header_is_refused(name: str) -> None:
    request = sent()
    large = request.headers | {name: "x" * 4097}
    assert refusal_of(request, headers=large).code == "too_large"


def test_a_late_request_gets_a_signed_refusal() -> None:
    request = sent(created=NOW - 301)
    refusal = refusal_of(request)
    assert refusal.code == "clock_skew"
    assert refusal.request is not None
    assert refusal.request.nonce == request.nonce


def test_a_damaged_request_gets_a_signed_refusal() -> None:
    request = sent()
    refusal = refusal_of(request, body=BODY[:-1])
    assert refusal.code == "digest_mismatch"
    assert refusal.request is not None
    answer = protocol.sign_response(refusal.request, 400, ANSWER, key=S2D, now=NOW)
    protocol.verify_response(request, status=400, headers=answer, body=ANSWER, key=S2D)


def test_an_unauthenticated_request_gets_no_reason() -> None:
    request = sent()
    for changes in ({"key_for": {}.get}, {"key_for": {KEYID: S2D}.get}, {"urls": ["https://b"]}):
        assert refusal_of(request, **changes).request is None


@given(st.data())
def test_one_other_byte_in_the_body_is_refused(data: st.DataObject) -> None:
    request = sent()
    changed = _one_other_byte(data, request.body)
    assert refusal_of(request, body=changed).code == "digest_mismatch"


@given(st.data())
def test_one_other_character_in_a_header_is_refused(data: st.DataObject) -> None:
    request = sent()
    names = ("Content-Type", "Content-Digest", "Signature-Input", "Signature")
    name = data.draw(st.sampled_from(names))
    value = request.headers[name]
    changed = request.headers | {name: _one_other_character(data, value)}
    refusal = refusal_of(request, headers=changed)
    assert refusal.code in ("malformed", "bad_signature", "unknown_key")


@given(st.data())
def test_one_character_more_or_less_in_a_header_is_refused(data: st.DataObject) -> None:
    request = sent()
    names = ("Content-Type", "Content-Digest", "Signature-Input", "Signature")
    name = data.draw(st.sampled_from(names))
    value = request.headers[name]
    place = data.draw(st.integers(0, len(value)))
    inserted = data.draw(st.characters(max_codepoint=0x2FF))
    longer = value[:place] + inserted + value[place:]
    shorter = value[:place] + value[place + 1 :]
    for changed in {longer, shorter} - {value}:
        refusal = refusal_of(request, headers=request.headers | {name: changed})
        assert refusal.code in ("malformed", "bad_signature", "unknown_key")


@given(st.data())
def test_one_other_character_in_the_address_is_refused(data: st.DataObject) -> None:
    request = sent()
    assert refusal_of(request, urls=[_one_other_character(data, URL)]).code == "bad_signature"


@given(st.text(), st.text(), st.text(), st.text(), st.binary())
def test_any_header_is_verified_or_refused(
    kind: str, digest: str, given_input: str, signature: str, body: bytes
) -> None:
    headers = {
        "Content-Type": kind,
        "Content-Digest": digest,
        "Signature-Input": given_input,
        "Signature": signature,
    }
    assert refusal_of(sent(), headers=headers, body=body).code == "malformed"


def test_an_invalid_value_is_not_signed() -> None:
    for wrong in (
        {"url": "https://bücher.test/"},
        {"url": "ftp://shop.test/"},
        {"url": f"{URL}#part"},
        {"url": f"{URL} x"},
        {"url": f"{URL}\n"},
        {"url": "https://x/" + "a" * 2000},
        {"nonce": "short"},
        {"created": -1},
        {"created": 10**12},
        {"tag": 'a"b'},
    ):
        with pytest.raises(ProtocolError) as caught:
            sent(**wrong)
        assert caught.value.code == "malformed"
    with pytest.raises(ProtocolError) as caught:
        sent(body=b"x" * 65537)
    assert caught.value.code == "too_large"


def test_nonces_are_unique() -> None:
    assert len({protocol.new_nonce() for _ in range(1000)}) == 1000


# --- replies


def reply(request: SentRequest, status: int = 200, body: bytes = ANSWER) -> dict[str, str]:
    return protocol.sign_response(judge(request), status, body, key=S2D, now=NOW)


def code_of_reply(request: SentRequest, headers: dict[str, str], **changes: Any) -> str:
    usual: dict[str, Any] = {"status": 200, "body": ANSWER, "key": S2D}
    with pytest.raises(ProtocolError) as caught:
        protocol.verify_response(request, headers=headers, **usual | changes)
    assert caught.value.request is None
    return caught.value.code


def test_a_reply_is_verified() -> None:
    request = sent()
    protocol.verify_response(request, status=200, headers=reply(request), body=ANSWER, key=S2D)


def test_a_reply_from_a_site_with_any_clock_is_verified() -> None:
    request = sent()
    for now in (1, NOW + 10**8):
        headers = protocol.sign_response(judge(request), 200, ANSWER, key=S2D, now=now)
        protocol.verify_response(request, status=200, headers=headers, body=ANSWER, key=S2D)


def test_a_reply_asks_not_to_be_stored_or_transformed() -> None:
    assert reply(sent())["Cache-Control"] == "no-store, no-transform"


def test_the_reply_to_an_equal_request_is_refused() -> None:
    first, second = sent(), sent()
    assert first.body == second.body
    assert code_of_reply(second, reply(first)) == "replayed"


def test_a_request_is_not_a_reply_to_itself() -> None:
    request = sent()
    assert code_of_reply(request, request.headers, body=BODY, key=D2S) == "malformed"


@given(st.integers(0, 999).filter(lambda status: status != 200))
def test_another_status_is_refused(status: int) -> None:
    request = sent()
    assert code_of_reply(request, reply(request), status=status) == "bad_signature"


@given(st.data())
def test_one_other_byte_in_a_reply_is_refused(data: st.DataObject) -> None:
    request = sent()
    changed = _one_other_byte(data, ANSWER)
    assert code_of_reply(request, reply(request), body=changed) == "digest_mismatch"


@given(st.data())
def test_one_other_character_in_a_reply_header_is_refused(data: st.DataObject) -> None:
    request = sent()
    headers = reply(request)
    names = ("Content-Type", "Content-Digest", "Signature-Input", "Signature")
    name = data.draw(st.sampled_from(names))
    headers[name] = _one_other_character(data, headers[name])
    code = code_of_reply(request, headers)
    assert code in ("malformed", "bad_signature", "unknown_key", "replayed")


# --- documents

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(
    st.text(st.characters(max_codepoint=127), max_size=6), VALUES, max_size=5
)


@given(DOCUMENTS)
def test_canonical_json_is_that_of_rfc_8785(document: dict[str, Any]) -> None:
    exact = protocol.canonical(document)
    assert exact == rfc8785.dumps(document)
    assert protocol.parse_json(exact) == document
    assert protocol.canonical(protocol.parse_json(json.dumps(document).encode())) == exact


@given(st.binary())
def test_any_bytes_are_parsed_or_refused(raw: bytes) -> None:
    try:
        document = protocol.parse_json(raw)
    except ProtocolError as why:
        code = why.code
    else:
        code = "malformed" if not isinstance(document, dict) else ""
    assert code in ("", "malformed")


@pytest.mark.parametrize(
    "document",
    [1.0, float("nan"), 2**53, -(2**53), {"é": 1}, {1: 2}, "\ud800", b"x", {"a": {1, 2}}],
    ids=repr,
)
def test_json_that_is_not_canonical_is_refused(document: object) -> None:
    with pytest.raises(ProtocolError) as caught:
        protocol.canonical(document)
    assert caught.value.code == "malformed"


def test_depth_is_counted_in_brackets() -> None:
    def nested(levels: int) -> bytes:
        return b'{"a":' * levels + b"1" + b"}" * levels

    protocol.parse_json(nested(32))
    protocol.parse_json(nested(2), depth=2)
    for raw, depth in ((nested(33), 32), (nested(3), 2), (nested(200_000), 32)):
        with pytest.raises(ProtocolError):
            protocol.parse_json(raw, depth=depth)


@given(st.binary(max_size=40))
def test_base64url_has_one_spelling(raw: bytes) -> None:
    text = protocol.b64u(raw)
    assert protocol.from_b64u(text, len(raw)) == raw
    for wrong in (f"{text}=", f"{text}\n", f" {text}", text + "A" * (4 - len(text) % 4 + 1)):
        with pytest.raises(ProtocolError):
            protocol.from_b64u(wrong, len(raw))


def test_base64url_with_stray_bits_or_wrong_types_is_refused() -> None:
    for wrong in ("AB", "A", "A+", None, 5, ["AA"]):
        with pytest.raises(ProtocolError):
            protocol.from_b64u(wrong)


def _one_other_byte(data: st.DataObject, raw: bytes) -> bytes:
    place = data.draw(st.integers(0, len(raw) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != raw[place]))
    return raw[:place] + bytes([other]) + raw[place + 1 :]


def _one_other_character(data: st.DataObject, text: str) -> str:
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(max_codepoint=0x2FF).filter(lambda char: char != text[place]))
    return text[:place] + other + text[place + 1 :]
