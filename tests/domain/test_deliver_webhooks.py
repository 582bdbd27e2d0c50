"""Deliver webhook messages at least once with one id, and log what is known of each."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from app.config import Config
from app.domain.actor import Actor
from app.domain.errors import Conflict
from app.domain.webhooks import delivery, endpoints, outbox
from app.http import webhook_client
from app.http.errors import CallError, ErrorCode
from app.http.webhook_client import WebhookReply
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.webhooks import EndpointItem, WebhookAttempt, WebhookEndpoint, WebhookMessage
from tests.support.fakes import Clock, RecordingQueue
from tests.support.hostile.calls import LOOPBACK
from tests.support.hostile.certificates import DAY
from tests.support.hostile.server import HostileServer, Line, ReceivedRequest
from tests.support.webhooks import PATH, add_endpoint, deliver_due, receiver, replying

SECTION = {
    "heading": "Needs you now",
    "more": 0,
    "entries": [
        {
            "keys": ["uptime:7"],
            "severity": "critical",
            "label": "Critical",
            "tone": "critical",
            "title": "Bakery is down",
            "why": "The server answered with an error.",
            "path": "/sites/7/uptime",
        }
    ],
}

Add = Callable[..., WebhookMessage]


@pytest.fixture
def queued(ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue) -> Add:
    """Queue a message to a new endpoint; its secret is in `add.secret`."""

    def add(url: str = f"https://hooks.example{PATH}", **more: Any) -> WebhookMessage:
        endpoint, add.secret = add_endpoint(ana, config, clock(), url, **more)
        content = {"sections": [SECTION]}
        return outbox.queue_message(
            endpoint, outbox.OPENED, "Critical: Bakery is down", content, now=clock()
        )

    return add


def attempt(message: WebhookMessage, config: Config, clock: Clock, post: delivery.Post) -> str:
    state = delivery.send_webhook(message.id, config=config, now=clock, post=post)
    message.refresh()
    return state


def last_attempt(message: WebhookMessage) -> WebhookAttempt:
    return WebhookAttempt.of_messages([message.id])[message.id][0]


def failing(error_code: ErrorCode = ErrorCode.too_slow) -> delivery.Post:
    def post(*_: object, **__: object) -> WebhookReply:
        raise CallError(error_code, {"detail": "no answer"})

    return post


def answering(status: int, body: bytes = b"") -> delivery.Post:
    return lambda *_, **__: WebhookReply(status, body)


def test_a_receiver_verifies_a_message_with_the_standard_webhooks_library(
    queued: Add, config: Config, tmp_path: Path, jobs: RecordingQueue
) -> None:
    # The library compares the time of the message with its own clock.
    now = Clock(utcnow())
    with receiver(tmp_path) as (server, post):
        message = queued(server.url + PATH)
        message.update_if(next_attempt_at=now(), expires_at=now() + timedelta(hours=1))
        assert ("send_webhook", (message.id,), 0) in jobs.jobs
        assert attempt(message, config, now, post) == "sent"
    (request,) = server.received
    assert (request.method, request.target) == ("POST", PATH)
    document = Webhook(queued.secret).verify(request.body, request.headers)
    assert document["type"] == "alert.opened"
    assert document["data"]["alerts"] == [
        {
            "keys": ["uptime:7"],
            "severity": "critical",
            "title": "Bakery is down",
            "detail": "The server answered with an error.",
            "url": "http://aura.test/sites/7/uptime",
        }
    ]
    with pytest.raises(WebhookVerificationError):
        Webhook(queued.secret).verify(request.body.replace(b"down", b"fine"), request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 43 + "=").verify(request.body, request.headers)


def test_the_former_secret_signs_for_a_day_after_it_was_replaced(
    queued: Add, ana: Actor, config: Config, clock: Clock
) -> None:
    message = queued()
    endpoint, former = message.endpoint, queued.secret
    clock.now = utcnow()
    secret = endpoints.replace_secret(endpoint, by=ana, config=config, now=clock())
    message.update_if(next_attempt_at=clock(), expires_at=clock() + 3 * DAY)
    sent: list[tuple[bytes, dict[str, str]]] = []

    def post(_: str, headers: dict[str, str], body: bytes, **__: object) -> WebhookReply:
        sent.append((body, headers))
        return WebhookReply(503)

    attempt(message, config, clock, post)
    for signing_secret in (former, secret):
        Webhook(signing_secret).verify(*sent[0])
    target = endpoints.open_target(endpoint, config, clock() + timedelta(hours=25))
    assert target.secrets == (secret,)


@pytest.mark.parametrize(
    ("reply", "problem", "status"),
    [
        ("500 Internal Server Error", "status", 500),
        ("404 Not Found", "status", 404),
        ("302 Found", "redirect", 302),
        ("429 Too Many Requests", "status", 429),
    ],
)
def test_a_refused_message_waits_and_its_reply_is_logged_as_text(
    reply: str, problem: str, status: int, queued: Add, config: Config, clock: Clock, tmp_path: Path
) -> None:
    body = b"<script>alert(1)</script>\r\nbusy \xff\x00" + b"x" * 300
    elsewhere = "Location: https://other.example/"
    with receiver(tmp_path, replying(reply, body, elsewhere)) as (server, post):
        message = queued(server.url + PATH)
        assert attempt(message, config, clock, post) == "queued"
        assert server.connections == 1
    logged = last_attempt(message)
    assert (logged.problem, logged.status, logged.number) == (problem, status, 1)
    assert logged.words.startswith("<script>alert(1)</script> busy")
    assert len(logged.words) == delivery.MAX_WORDS
    assert logged.words.isprintable()
    assert not message.may_have_arrived
    assert message.next_attempt_at > clock()


def test_each_attempt_has_the_same_id_and_body_and_waits_longer(
    queued: Add, config: Config, clock: Clock
) -> None:
    message, sent = queued(), []

    def post(_: str, headers: dict[str, str], body: bytes, **__: object) -> WebhookReply:
        sent.append((headers["webhook-id"], body))
        return WebhookReply(503)

    waits = []
    while attempt(message, config, clock, post) == "queued":
        waits.append(message.next_attempt_at - clock())
        # Nothing is sent before its time.
        assert attempt(message, config, clock, post) == "queued"
        clock.now = message.next_attempt_at
    assert len(sent) == outbox.MAX_ATTEMPTS
    assert set(sent) == {sent[0]}
    assert waits[0] < timedelta(minutes=1.2)
    assert max(waits) <= 1.1 * delivery.LONGEST_WAIT
    assert timedelta(hours=20) < sum(waits, timedelta()) < outbox.TRIES_FOR
    # The waits of two messages queued at the same time differ.
    assert len({wait % timedelta(minutes=1) for wait in waits[:6]}) > 1


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [
        ("900", timedelta(minutes=15), timedelta(minutes=15)),
        ("Tue, 24 Nov 2026 11:00:00 GMT", timedelta(hours=1), timedelta(hours=1)),
        # A receiver cannot delay a message for longer than Aura's own waits.
        ("999999999999", delivery.LONGEST_WAIT, delivery.LONGEST_WAIT),
        # A receiver cannot have it sent sooner than Aura would.
        ("0", timedelta(minutes=1), timedelta(minutes=1.2)),
        ("soon", timedelta(minutes=1), timedelta(minutes=1.2)),
        ("Tue, 24 Nov 99999999999 10:00:00 GMT", timedelta(minutes=1), timedelta(minutes=1.2)),
    ],
)
def test_retry_after_is_followed_within_limits(
    queued: Add,
    config: Config,
    clock: Clock,
    tmp_path: Path,
    retry_after: str,
    least: timedelta,
    most: timedelta,
) -> None:
    busy = replying("429 Too Many Requests", b"busy", f"Retry-After: {retry_after}")
    with receiver(tmp_path, busy) as (server, post):
        message = queued(server.url + PATH)
        assert attempt(message, config, clock, post) == "queued"
    assert least <= message.next_attempt_at - clock() <= most


def test_an_endpoint_that_fails_for_a_day_is_turned_off_and_reported(
    queued: Add, config: Config, clock: Clock
) -> None:
    message = queued()
    endpoint = message.endpoint
    EndpointItem.note(
        endpoint.id,
        [{"key": "uptime:7", "severity": "critical", "title": "Down", "seen_at": clock()}],
    )
    other = outbox.queue_message(endpoint, outbox.OPENED, "Other", {"sections": []}, now=clock())
    while attempt(message, config, clock, answering(500)) == "queued":
        clock.now = message.next_attempt_at
    endpoint.refresh()
    other.refresh()
    assert (message.state, endpoint.off_because) == ("failed", "failing")
    assert (other.state, other.problem) == ("cancelled", "off")
    assert EndpointItem.select().count() == 0
    entry = AuditEntry.head()
    assert (entry.event, json.loads(entry.body)["facts"]["because"]) == (
        "webhook_turned_off",
        "failing",
    )


def test_an_endpoint_that_accepts_another_message_stays_on(
    queued: Add, config: Config, clock: Clock
) -> None:
    message = queued()
    while attempt(message, config, clock, answering(500)) == "queued":
        clock.now = message.next_attempt_at
        if message.attempts == 5:
            other = outbox.queue_message(
                message.endpoint, outbox.OPENED, "Other", {"sections": []}, now=clock()
            )
            assert attempt(other, config, clock, answering(204)) == "sent"
    assert message.state == "failed"
    assert WebhookEndpoint.get_by_id(message.endpoint_id).is_on


def test_410_turns_the_endpoint_off_at_once(queued: Add, config: Config, clock: Clock) -> None:
    message = queued()
    assert attempt(message, config, clock, answering(410)) == "failed"
    endpoint = WebhookEndpoint.get_by_id(message.endpoint_id)
    assert (endpoint.off_because, endpoint.off_at) == ("gone", clock())


def test_a_message_without_a_reply_is_unknown_and_sent_again(
    queued: Add, config: Config, clock: Clock, tmp_path: Path
) -> None:
    def silent(_: ReceivedRequest, line: Line) -> None:
        line.wait(5)

    with receiver(tmp_path, silent) as (server, post):
        message = queued(server.url + PATH)

        def impatient(*args: Any, **more: Any) -> WebhookReply:
            return post(*args, deadline_s=0.4, **more)

        assert attempt(message, config, clock, impatient) == "queued"
    assert message.may_have_arrived
    logged = last_attempt(message)
    assert (logged.problem, logged.status, logged.may_have_arrived) == ("too_slow", None, True)
    message.update_if(attempts=message.last_attempt - 1, next_attempt_at=clock())
    assert attempt(message, config, clock, failing()) == "unknown"


def test_a_connection_that_breaks_before_the_reply_has_an_unknown_end(
    queued: Add, config: Config, clock: Clock, tmp_path: Path
) -> None:
    def reset(_: ReceivedRequest, line: Line) -> None:
        line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.sock.close()

    with receiver(tmp_path, reset) as (server, post):
        message = queued(server.url + PATH)
        assert attempt(message, config, clock, post) == "queued"
    assert last_attempt(message).problem == "broken_off"
    assert message.may_have_arrived


def test_only_the_start_of_a_huge_or_endless_reply_is_read(
    queued: Add, config: Config, clock: Clock, tmp_path: Path
) -> None:
    def endless(_: ReceivedRequest, line: Line) -> None:
        line.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while not line.stop.is_set():
            line.send(b"x" * 65536)

    with receiver(tmp_path, endless) as (server, post):
        message = queued(server.url + PATH)
        assert attempt(message, config, clock, post) == "sent"
    assert server.sent < 8 * 1024 * 1024
    assert len(last_attempt(message).words) == delivery.MAX_WORDS


def test_a_slow_reply_counts_once_its_status_is_received(
    queued: Add, config: Config, clock: Clock, tmp_path: Path
) -> None:
    def dripping(_: ReceivedRequest, line: Line) -> None:
        line.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\nok")
        line.wait(5)

    with receiver(tmp_path, dripping) as (server, post):
        message = queued(server.url + PATH)
        began = utcnow()

        def impatient(*args: Any, **more: Any) -> WebhookReply:
            return post(*args, deadline_s=0.4, **more)

        assert attempt(message, config, clock, impatient) == "sent"
        assert utcnow() - began < timedelta(seconds=3)
    assert last_attempt(message).status == 202


@pytest.mark.parametrize(
    ("certificate", "problem"),
    [
        ({"vouched": False}, "tls_invalid"),
        ({"starts": -2 * DAY, "ends": -DAY}, "tls_expired"),
        ({"name": "other.example"}, "tls_wrong_name"),
    ],
)
def test_nothing_is_sent_to_a_server_whose_certificate_is_wrong(
    certificate: dict[str, Any],
    problem: str,
    queued: Add,
    config: Config,
    clock: Clock,
    tmp_path: Path,
) -> None:
    with receiver(tmp_path, **certificate) as (server, post):
        message = queued(server.url + PATH)
        assert attempt(message, config, clock, post) == "queued"
    assert server.received == []
    assert last_attempt(message).problem == problem
    assert not message.may_have_arrived


def test_a_name_that_resolves_to_a_private_address_is_refused(
    queued: Add, config: Config, clock: Clock
) -> None:
    def post(*args: Any, **more: Any) -> WebhookReply:
        answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.9", 443))]
        return webhook_client.post(*args, resolve=lambda *_: answer, **more)

    message = queued()
    attempt(message, config, clock, post)
    logged = last_attempt(message)
    assert (logged.problem, logged.may_have_arrived) == ("address_refused", False)


def test_http_without_tls_is_never_used() -> None:
    with HostileServer(replying("200 OK")) as server, pytest.raises(CallError) as refused:
        webhook_client.post(f"{server.url}/in", {}, b"x", allow_nets=LOOPBACK)
    assert refused.value.error_code is ErrorCode.address_refused
    assert server.connections == 0


def test_an_address_repeated_in_a_reply_is_hidden_in_the_log(
    queued: Add, config: Config, clock: Clock, tmp_path: Path
) -> None:
    secret = PATH.rpartition("/")[2]
    body = f"Cannot POST {PATH}?token=abcdef12 and {secret}".encode()
    with receiver(tmp_path, replying("404 Not Found", body)) as (server, post):
        message = queued(f"{server.url}{PATH}?token=abcdef12")
        attempt(message, config, clock, post)
    kept = last_attempt(message).words
    assert kept.startswith("Cannot POST /…")
    everything = [kept, message.endpoint.shown_url, *(entry.body for entry in AuditEntry.newest())]
    for text in everything:
        assert secret not in text
        assert "abcdef12" not in text
        assert queued.secret not in text


def test_no_reply_makes_the_address_appear_in_the_log_of_a_worker(tmp_path: Path) -> None:
    def confusing(_: ReceivedRequest, line: Line) -> None:
        line.send(b"HTTP/1.1 200 OK\r\nno header at all\r\n\r\nok")

    program = (
        "import ipaddress, sys\n"
        "from app import logs\n"
        "from app.http import webhook_client\n"
        "logs.configure('worker', as_json=True)\n"
        "nets = (ipaddress.ip_network('127.0.0.0/8'),)\n"
        "url, ca_file = sys.argv[1:]\n"
        "print(webhook_client.post(url, {}, b'{}', allow_nets=nets, ca_file=ca_file))\n"
    )
    with receiver(tmp_path, confusing) as (server, _):
        command = [sys.executable, "-c", program, server.url + PATH, tmp_path / "authority.pem"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "WebhookReply(status=200" in done.stdout
    assert PATH not in done.stdout + done.stderr


def test_a_message_is_sent_again_on_demand_with_the_same_id(
    queued: Add, ana: Actor, config: Config, clock: Clock
) -> None:
    message = queued()
    with pytest.raises(Conflict):
        outbox.resend(message, by=ana, now=clock())
    while attempt(message, config, clock, answering(500)) == "queued":
        clock.now = message.next_attempt_at
    with pytest.raises(Conflict, match="Turn the webhook on first"):
        outbox.resend(message, by=ana, now=clock())
    endpoints.turn_on(message.endpoint, by=ana, now=clock())
    identity = message.message_id
    outbox.resend(message, by=ana, now=clock())
    assert (message.state, message.last_attempt) == ("queued", 2 * outbox.MAX_ATTEMPTS)
    assert attempt(message, config, clock, answering(500)) == "queued"
    assert message.next_attempt_at - clock() < timedelta(minutes=1.2)
    clock.now = message.next_attempt_at
    assert attempt(message, config, clock, answering(200)) == "sent"
    assert message.message_id == identity
    assert AuditEntry.head().event == "webhook_resent"


def test_a_test_message_has_one_attempt_and_turns_nothing_off(
    queued: Add, ana: Actor, config: Config, clock: Clock
) -> None:
    endpoint = queued().endpoint
    test = outbox.request_test(endpoint, by=ana, now=clock())
    assert attempt(test, config, clock, answering(500)) == "failed"
    endpoint.refresh()
    assert endpoint.is_on
    endpoints.turn_off(endpoint, by=ana, now=clock())
    again = outbox.request_test(endpoint, by=ana, now=clock())
    assert attempt(again, config, clock, answering(200)) == "sent"


def test_an_endpoint_that_is_off_gets_no_queued_message(
    queued: Add, ana: Actor, config: Config, clock: Clock
) -> None:
    message = queued()
    endpoints.turn_off(message.endpoint, by=ana, now=clock())
    assert attempt(message, config, clock, answering(200)) == "cancelled"
    assert WebhookAttempt.select().count() == 0
    late = outbox.queue_message(
        message.endpoint, outbox.OPENED, "Late", {"sections": []}, now=clock()
    )
    assert attempt(late, config, clock, answering(200)) == "cancelled"
    assert WebhookAttempt.select().count() == 0


def test_a_missing_sealing_key_is_reported_and_sends_nothing(
    queued: Add, config: Config, clock: Clock
) -> None:
    message = queued()
    message.endpoint.update_if(url_sealed="other.AAAA")
    assert attempt(message, config, clock, answering(200)) == "queued"
    assert last_attempt(message).problem == "sealed"


def test_lost_jobs_and_dead_workers_are_found_and_old_messages_deleted(
    queued: Add, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    message = queued()
    jobs.jobs.clear()
    assert outbox.recover_messages(clock()) == 1
    assert jobs.names() == ["send_webhook"]
    assert message.begin(clock(), clock() + timedelta(minutes=5))
    assert outbox.recover_messages(clock()) == 0
    clock.advance(minutes=6)
    assert outbox.recover_messages(clock()) == 1
    assert deliver_due(config, clock, answering(200)) == ["sent"]
    message.refresh()
    # The previous worker may have been interrupted after its request.
    assert message.may_have_arrived
    outbox.recover_messages(clock() + timedelta(days=29))
    assert WebhookMessage.select().count() == 1
    outbox.recover_messages(clock() + timedelta(days=31))
    assert WebhookMessage.select().count() == WebhookAttempt.select().count() == 0


def test_two_workers_do_not_send_the_same_message(
    queued: Add, config: Config, clock: Clock
) -> None:
    message, sent = queued(), []

    def post(*_: object, **__: object) -> WebhookReply:
        sent.append(1)
        if len(sent) == 1:
            other = delivery.send_webhook(message.id, config=config, now=clock, post=post)
            assert other == "sending"
        return WebhookReply(200)

    assert attempt(message, config, clock, post) == "sent"
    assert len(sent) == 1


def test_addresses_and_secrets_are_sealed_for_their_own_row(
    queued: Add, ana: Actor, config: Config, clock: Clock
) -> None:
    endpoint = queued().endpoint
    other, _ = add_endpoint(ana, config, clock(), "https://evil.example/x", name="Other")
    stored = json.dumps(endpoint.__data__, default=str)
    assert PATH not in stored
    assert queued.secret not in stored
    endpoint.update_if(url_sealed=other.url_sealed)
    message = outbox.queue_message(endpoint, outbox.OPENED, "X", {"sections": []}, now=clock())
    attempt(message, config, clock, answering(200))
    assert last_attempt(message).problem == "sealed"
