"""Messages are interoperable with another implementation of RFC 9421."""

from __future__ import annotations

import pytest
from http_message_signatures import (
    InvalidSignature,
)

from app import protocol
from app.protocol import SentRequest
from tests.support.rfc9421_peer import (
    ANSWER,
    BODY,
    D2S,
    KEYID,
    REQUEST_PARTS,
    RESPONSE_PARTS,
    S2D,
    SECOND,
    URL,
    Message,
    Response,
    now_s,
    peer_signs,
    peer_verifies,
)


def ours(url: str = URL, tag: str = protocol.REQUEST_TAG) -> SentRequest:
    return protocol.sign_request(
        url,
        BODY,
        key=D2S,
        keyid=KEYID,
        created=now_s(),
        nonce=protocol.new_nonce(),
        tag=tag,
    )


@pytest.mark.parametrize("url", [URL, SECOND])
@pytest.mark.parametrize("tag", [protocol.REQUEST_TAG, protocol.NOTE_TAG])
def test_the_peer_verifies_our_requests(url: str, tag: str) -> None:
    request = ours(url, tag)
    found = peer_verifies(Message(url, request.headers), D2S, tag, BODY, REQUEST_PARTS)
    assert found.parameters["nonce"] == request.nonce
    assert found.parameters["keyid"] == KEYID


@pytest.mark.parametrize("status", [200, 401, 409])
def test_the_peer_verifies_our_replies(status: int) -> None:
    request = ours()
    verified = protocol.verify_request(
        method="POST",
        urls=[URL],
        headers=request.headers,
        body=BODY,
        key_for={KEYID: D2S}.get,
        now=now_s(),
    )
    headers = protocol.sign_response(verified, status, ANSWER, key=S2D, now=now_s())
    message = Response(Message(URL, request.headers), status, headers)
    found = peer_verifies(message, S2D, protocol.RESPONSE_TAG, ANSWER, RESPONSE_PARTS)
    assert found.parameters["nonce"] == request.nonce


def test_the_peer_refuses_what_aura_refuses() -> None:
    request = ours()
    for message, key, body in (
        (Message(SECOND, request.headers), D2S, BODY),
        (Message(URL, request.headers), S2D, BODY),
        (Message(URL, request.headers), D2S, BODY + b" "),
    ):
        with pytest.raises(InvalidSignature):
            peer_verifies(message, key, protocol.REQUEST_TAG, body, REQUEST_PARTS)


@pytest.mark.parametrize("tag", [protocol.REQUEST_TAG, protocol.NOTE_TAG])
def test_we_verify_the_peers_requests(tag: str) -> None:
    nonce = protocol.new_nonce()
    message = Message(SECOND, {"Content-Type": "application/json"})
    peer_signs(message, D2S, BODY, nonce=nonce, tag=tag, covered_component_ids=REQUEST_PARTS)
    found = protocol.verify_request(
        method="POST",
        urls=[URL, SECOND],
        headers=message.headers,
        body=BODY,
        key_for={KEYID: D2S}.get,
        now=now_s(),
        tag=tag,
    )
    assert (found.nonce, found.url) == (nonce, SECOND)


def test_we_verify_the_peers_replies() -> None:
    request = ours()
    message = Response(Message(URL, request.headers), 200, {"Content-Type": "application/json"})
    peer_signs(
        message,
        S2D,
        ANSWER,
        nonce=request.nonce,
        tag=protocol.RESPONSE_TAG,
        covered_component_ids=RESPONSE_PARTS,
    )
    protocol.verify_response(request, status=200, headers=message.headers, body=ANSWER, key=S2D)


def test_optional_forms_that_the_peer_signs_are_refused() -> None:
    message = Message(URL, {"Content-Type": "application/json"})
    fewer = ("@method", "@target-uri", "content-digest")
    peer_signs(
        message,
        D2S,
        BODY,
        nonce=protocol.new_nonce(),
        tag=protocol.REQUEST_TAG,
        covered_component_ids=fewer,
    )
    with pytest.raises(protocol.ProtocolError) as caught:
        protocol.verify_request(
            method="POST",
            urls=[URL],
            headers=message.headers,
            body=BODY,
            key_for={KEYID: D2S}.get,
            now=now_s(),
        )
    assert caught.value.code == "malformed"
