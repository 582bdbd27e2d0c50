"""Replies that are too large, too slow or cut short: error codes and limits."""

from __future__ import annotations

import pytest

from app.http.site_client import MAX_REPLY_BYTES, CallError, ErrorCode
from tests.support.hostile.calls import JSON, ask, refused
from tests.support.hostile.server import HostileServer, Line, ReceivedRequest, http, sends
from tests.support.hostile.site import answers, answers_changed, document, signed


def test_no_more_than_the_limit_is_read_of_fifty_megabytes() -> None:
    def flood(received: ReceivedRequest, line: Line) -> None:
        answer = signed(received, line, document(time=1))
        head = http(200, answer.headers, b"", length=50_000_000)
        line.send(head)
        for _ in range(500):
            line.send(b"x" * 100_000)

    with HostileServer(flood) as server, pytest.raises(CallError) as caught:
        ask(server)
    assert caught.value.error_code is ErrorCode.reply_too_large
    assert caught.value.evidence["limit"] == MAX_REPLY_BYTES
    # What the server sent beyond the limit is in the buffers of the sockets.
    assert server.sent < 25_000_000


def test_an_endless_chunked_reply_is_cut_off_at_the_limit() -> None:
    def endless(received: ReceivedRequest, line: Line) -> None:
        answer = signed(received, line, document())
        head = answer.raw().partition(b"\r\n\r\n")[0]
        size = b"Content-Length: %d" % len(answer.body)
        line.send(head.replace(size, b"Transfer-Encoding: chunked") + b"\r\n\r\n")
        while True:
            line.send(b"10000\r\n" + b" " * 0x10000 + b"\r\n")

    assert refused(endless).error_code is ErrorCode.reply_too_large


@pytest.mark.parametrize("size", [b"-1", b"-5", b"-10000"])
def test_a_chunk_of_negative_size_is_refused(size: bytes) -> None:
    def flood(received: ReceivedRequest, line: Line) -> None:
        answer = signed(received, line, document())
        head = answer.raw().partition(b"\r\n\r\n")[0]
        length = b"Content-Length: %d" % len(answer.body)
        line.send(head.replace(length, b"Transfer-Encoding: chunked") + b"\r\n\r\n")
        line.send(size + b"\r\n")
        for _ in range(500):
            line.send(b"x" * 100_000)

    with HostileServer(flood) as server, pytest.raises(CallError) as caught:
        ask(server)
    assert caught.value.error_code is ErrorCode.malformed_reply
    assert server.sent < 25_000_000


def test_an_unsigned_flood_is_too_large_as_well() -> None:
    raw = http(200, JSON, b"[" + b" " * 200_000)
    assert refused(sends(raw)).error_code is ErrorCode.reply_too_large


def test_an_answer_of_exactly_the_limit_is_read() -> None:
    body = document(x="y" * 100)
    with HostileServer(answers(body)) as server:
        assert ask(server, max_bytes=len(body)).body == body
        with pytest.raises(CallError) as caught:
            ask(server, max_bytes=len(body) - 1)
    assert caught.value.error_code is ErrorCode.reply_too_large


def test_a_slow_body_is_cut_off_at_the_deadline() -> None:
    def drip(received: ReceivedRequest, line: Line) -> None:
        raw = signed(received, line, document(time=1)).raw()
        line.send(raw[: raw.index(b"\r\n\r\n") + 4])
        for byte in raw[raw.index(b"\r\n\r\n") + 4 :]:
            line.send(bytes([byte]))
            line.wait(0.1)

    assert refused(drip, deadline_s=0.5).error_code is ErrorCode.too_slow


def test_slow_headers_are_cut_off_at_the_deadline() -> None:
    def drip(received: ReceivedRequest, line: Line) -> None:
        for byte in signed(received, line, document(time=1)).raw():
            line.send(bytes([byte]))
            line.wait(0.05)

    assert refused(drip, deadline_s=0.5).error_code is ErrorCode.too_slow


def test_endless_interim_answers_are_cut_at_the_deadline() -> None:
    def forever_continue(received: ReceivedRequest, line: Line) -> None:
        while not line.stop.is_set():
            line.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            line.wait(0.02)

    assert refused(forever_continue, deadline_s=0.5).error_code is ErrorCode.too_slow


def test_a_site_that_never_answers_is_too_slow() -> None:
    assert refused(lambda _, line: line.wait(5), deadline_s=0.3).error_code is ErrorCode.too_slow


def test_a_connection_closed_before_the_answer_is_broken_off() -> None:
    assert refused(lambda _asked, _line: None).error_code is ErrorCode.broken_off


def test_a_connection_closed_within_the_body_is_broken_off() -> None:
    error = refused(answers_changed(lambda a: a.raw()[:-3]))
    assert error.error_code is ErrorCode.broken_off
    assert not error.permanent


def test_a_body_longer_than_announced_is_cut_there_and_refused() -> None:
    error = refused(answers_changed(lambda a: http(200, a.headers, a.body, length=len(a.body) - 2)))
    assert error.error_code is ErrorCode.digest_mismatch


def test_chunks_that_break_off_are_broken_off() -> None:
    def broken(received: ReceivedRequest, line: Line) -> None:
        headers = signed(received, line, document()).headers | {"Transfer-Encoding": "chunked"}
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        line.send(f"HTTP/1.1 200 OK\r\n{fields}\r\n50\r\nabc".encode())

    assert refused(broken).error_code is ErrorCode.broken_off


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    ],
    ids=["another protocol", "no status", "500 headers", "a long header", "two lengths"],
)
def test_a_reply_that_is_not_http_is_malformed(raw: bytes) -> None:
    assert refused(sends(raw)).error_code is ErrorCode.malformed_reply
