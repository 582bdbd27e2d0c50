"""Signed refusals keep their code, and a call is repeated by the site's clock if it differs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app import protocol
from app.http.site_client import CallError, ErrorCode
from tests.support.hostile.calls import HTML, ask, refused
from tests.support.hostile.server import HostileServer, Line, ReceivedRequest, http, sends
from tests.support.hostile.site import (
    KEYID,
    PATH,
    RECEIVE_KEY,
    SEND_KEY,
    answers,
    document,
    refusal,
)

REFUSALS = {
    "clock_skew": ErrorCode.clock_skew,
    "replayed": ErrorCode.replayed,
    "digest_mismatch": ErrorCode.digest_mismatch,
    "identity_changed": ErrorCode.identity_changed,
    "wrong_site": ErrorCode.wrong_site,
    "pairing_closed": ErrorCode.pairing_closed,
    "unknown_operation": ErrorCode.refused_by_site,
    "output_started": ErrorCode.refused_by_site,
    "nonce_store_unavailable": ErrorCode.nonce_store_unavailable,
    "web_page": ErrorCode.refused_by_site,
    "dns": ErrorCode.refused_by_site,
}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_signed_refusal_keeps_its_code_and_facts(code: str) -> None:
    error = refused(answers(refusal(code, paired="a.example", number=5), status=409))
    assert error.error_code is REFUSALS[code]
    expected = {"status": 409, "code": code, "paired": "a.example", "number": 5}
    assert expected.items() <= error.evidence.items()


def test_a_refusal_with_many_facts_is_truncated() -> None:
    many = {f"fact{n}": "z" * 1000 for n in range(50)}
    error = refused(answers(refusal("identity_changed", **many), status=409))
    assert len(error.evidence) == 12
    assert max(len(str(value)) for value in error.evidence.values()) == 500


def test_temporary_refusals_are_not_permanent() -> None:
    assert not refused(answers(refusal("nonce_store_unavailable"), status=503)).permanent
    assert refused(answers(refusal("unknown_operation"), status=400)).permanent
    assert not refused(sends(http(503, HTML, b""))).permanent
    assert refused(sends(http(404, HTML, b""))).permanent


def test_a_call_is_repeated_by_the_clock_of_the_site() -> None:
    ahead = 3600
    here = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)

    def other_clock(received: ReceivedRequest, line: Line) -> None:
        site_now = int(here.timestamp()) + ahead
        base = f"http://127.0.0.1:{line.sock.getsockname()[1]}"
        try:
            request = protocol.verify_request(
                method="POST",
                urls=[base + PATH],
                headers=received.headers,
                body=received.body,
                key_for={KEYID: SEND_KEY}.get,
                now=site_now,
            )
            status, body = 200, document(time=site_now)
        except protocol.ProtocolError as why:
            request, status = why.request, 401
            body = refusal(why.code, site_time=site_now)
        headers = protocol.sign_response(request, status, body, key=RECEIVE_KEY, now=site_now)
        line.send(http(status, headers, body))

    with HostileServer(other_clock) as server:
        reply = ask(server, now=lambda: here)
    assert reply.clock_offset_s == ahead
    assert len(server.received) == 2


@pytest.mark.parametrize("frozen_s", [0, 59])
@pytest.mark.parametrize("ahead_s", [0, 3600])
def test_a_call_is_signed_with_its_recorded_time(frozen_s: int, ahead_s: int) -> None:
    noted = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    here = noted + timedelta(seconds=frozen_s)
    signed: list[int] = []

    def judge(received: ReceivedRequest, line: Line) -> None:
        site_now = int(here.timestamp()) + ahead_s
        request = protocol.verify_request(
            method="POST",
            urls=[f"http://127.0.0.1:{line.sock.getsockname()[1]}{PATH}"],
            headers=received.headers,
            body=received.body,
            key_for={KEYID: SEND_KEY}.get,
            now=int(noted.timestamp()) + (ahead_s if signed else 0),
        )
        signed.append(request.created)
        is_late = abs(site_now - request.created) > protocol.MAX_SKEW_S
        status = 401 if is_late else 200
        body = refusal("clock_skew", site_time=site_now) if is_late else document(time=site_now)
        headers = protocol.sign_response(request, status, body, key=RECEIVE_KEY, now=site_now)
        line.send(http(status, headers, body))

    with HostileServer(judge) as server:
        ask(server, now=lambda: here, noted_at=noted)
    first = int(noted.timestamp())
    assert signed == [first, first + ahead_s][: 2 if ahead_s else 1]


@pytest.mark.parametrize("moved_s", [61, 86400, -61])
def test_a_delayed_call_is_not_made(moved_s: int) -> None:
    noted = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    with HostileServer(answers(document())) as server:
        with pytest.raises(CallError) as caught:
            ask(server, now=lambda: noted + timedelta(seconds=moved_s), noted_at=noted)
        assert server.received == []
    assert (caught.value.error_code, caught.value.permanent) == (ErrorCode.held_up, False)
    assert caught.value.evidence == {"seconds": moved_s}


def test_a_clock_error_is_retried_once() -> None:
    here = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    site_time = int((here + timedelta(hours=2)).timestamp())

    def complains(received: ReceivedRequest, line: Line) -> None:
        request = protocol.verify_request(
            method="POST",
            urls=[f"http://127.0.0.1:{line.sock.getsockname()[1]}{PATH}"],
            headers=received.headers,
            body=received.body,
            key_for={KEYID: SEND_KEY}.get,
            now=int(here.timestamp()) + (7200 if len(server.received) > 1 else 0),
        )
        body = refusal("clock_skew", site_time=site_time)
        headers = protocol.sign_response(request, 401, body, key=RECEIVE_KEY, now=0 + 1)
        line.send(http(401, headers, body))

    with HostileServer(complains) as server:
        with pytest.raises(CallError) as caught:
            ask(server, now=lambda: here)
        assert len(server.received) == 2
    assert caught.value.error_code is ErrorCode.clock_skew
    assert caught.value.evidence["site_time"] == site_time


def test_a_clock_more_than_a_day_off_is_not_followed() -> None:
    error = refused(answers(refusal("clock_skew", site_time=1), status=401))
    assert error.error_code is ErrorCode.clock_skew
