"""Deliver e-mail to a real SMTP server at least once, and record the result in its row."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app import smtp
from app.config import Config
from app.domain.accounts import one_time_links, users
from app.domain.accounts.roles import Access
from app.domain.actor import Actor
from app.domain.errors import Conflict, Forbidden
from app.domain.mail import outbox, server
from app.domain.notifications import delivery, preferences, watch
from app.domain.notifications.preferences import Preferences
from app.models.accounts import User
from app.models.agency import Agency
from app.models.audit import AuditEntry
from app.models.base import db, transaction, use_database
from app.models.email import OutgoingEmail
from app.models.sites import Site
from app.smtp import SendingFailed
from tests.support.emails import break_site, deliver_all, look_for, repair_site, turn_email_on
from tests.support.fakes import Clock, RecordingQueue
from tests.support.smtp_server import RunningServer, breaking_off, raw_server


@pytest.fixture
def queued(email_on: None, ana: Actor, clock: Clock) -> OutgoingEmail:
    """Queue a notification to Ana."""
    content = {"sections": [{"heading": "New", "entries": [], "more": 0}]}
    email = outbox.queue_email(
        User.get_by_id(ana.id), "critical", "Critical: Bakery", content, now=clock()
    )
    assert email is not None
    return email


def attempt(email: OutgoingEmail, config: Config, clock: Clock, **more: Any) -> str:
    state = delivery.send_email(email.id, config=config, now=clock, **more)
    email.refresh()
    return state


def failing(problem: str = "timeout", **more: bool) -> delivery.Send:
    """Return a server that accepts nothing."""

    def send(*_: object) -> str:
        raise SendingFailed(problem, "words of the server", **more)

    return send


def test_a_notification_arrives_with_text_and_html(
    email_on: None,
    relay: RunningServer,
    site: Site,
    ana: Actor,
    config: Config,
    clock: Clock,
    jobs: RecordingQueue,
) -> None:
    Agency.write(name="Fernwood & Sons")
    User.update(time_zone="Europe/Berlin").execute()
    Site.update(name="Bäckerei <b>Söhne</b>").execute()
    repair_site(site, clock())
    preferences.change_preferences(Preferences(critical_now=True), by=ana, now=clock())
    break_site(site, clock())
    (email,) = look_for(config, clock, 5)
    assert ("send_email", (email.id,), 0) in jobs.jobs
    assert deliver_all(config, clock) == ["sent"]
    (got,) = relay.received
    assert (got.sender, got.recipients) == ("aura@agency.example", ["ana@agency.example"])
    headers = got.message
    assert headers["From"] == "Aura at the agency <aura@agency.example>"
    assert headers["To"] == "Ana <ana@agency.example>"
    assert headers["Subject"] == "Critical: Bäckerei <b>Söhne</b> is unreachable"
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["Message-ID"] == email.message_id
    assert headers["Message-ID"].endswith("@agency.example>")
    link = f"http://aura.test/sites/{site.id}"
    assert "Critical: Bäckerei <b>Söhne</b> is unreachable" in got.text
    assert "CET" in got.text
    assert link in got.text
    assert "http://aura.test/account/notifications" in got.text
    assert "Bäckerei &lt;b&gt;Söhne&lt;/b&gt; is unreachable" in got.html
    assert f'href="{link}"' in got.html
    assert "Fernwood &amp; Sons" in got.html
    for forbidden in ("<script", "<img", "url(", "<link", "@import"):
        assert forbidden not in got.html
    assert got.raw.isascii()
    assert max(map(len, got.raw.splitlines())) <= 998


def test_a_sent_message_is_recorded_and_not_sent_again(
    queued: OutgoingEmail, relay: RunningServer, config: Config, clock: Clock
) -> None:
    assert attempt(queued, config, clock) == "sent"
    assert (queued.words, queued.ended_at) == ("250 2.0.0 Ok: queued as 1", clock())
    assert attempt(queued, config, clock) == "sent"
    assert delivery.send_email(4711, config=config, now=clock) == "gone"
    assert len(relay.received) == 1


def test_retries_wait_longer_each_time_until_the_message_fails(
    queued: OutgoingEmail, config: Config, clock: Clock
) -> None:
    began, waits = clock(), []
    while attempt(queued, config, clock, send=failing()) == "queued":
        waits.append(queued.next_attempt_at - clock())
        assert attempt(queued, config, clock, send=failing()) == "queued", "too early"
        clock.now = queued.next_attempt_at
    assert waits[:4] == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8)]
    assert max(waits) == timedelta(hours=2)
    assert queued.state == "failed"
    assert (queued.problem, queued.words) == ("timeout", "words of the server")
    assert timedelta(hours=44) < queued.ended_at - began <= timedelta(hours=48)


def test_a_refused_recipient_is_final_and_a_refused_login_is_not(
    queued: OutgoingEmail, relay: RunningServer, ana: Actor, config: Config, clock: Clock
) -> None:
    turn_email_on(ana, config, clock(), port=relay.port, password="wrong")
    assert attempt(queued, config, clock) == "queued"
    assert (queued.problem, queued.words) == ("login", "535 5.7.8 Wrong password")
    turn_email_on(ana, config, clock(), port=relay.port)
    relay.mailbox.answers["recipient"] = "550 5.1.1 No such user here"
    clock.advance(minutes=2)
    assert attempt(queued, config, clock) == "failed"
    assert (queued.problem, queued.words) == ("recipient", "550 5.1.1 No such user here")


def test_a_broken_connection_after_the_message_is_retried_with_its_id(
    queued: OutgoingEmail, relay: RunningServer, ana: Actor, config: Config, clock: Clock
) -> None:
    arrived: list[bytes] = []
    with raw_server(breaking_off("message", arrived=arrived)) as port:
        turn_email_on(ana, config, clock(), port=port, username="", password="")
        assert attempt(queued, config, clock) == "queued"
    assert (queued.may_have_arrived, queued.problem) == (True, "closed")
    assert queued.message_id.encode() in arrived[0]
    turn_email_on(ana, config, clock(), port=relay.port)
    clock.advance(minutes=2)
    assert attempt(queued, config, clock) == "sent"
    assert relay.received[0].message["Message-ID"] == queued.message_id


def test_a_message_that_may_have_arrived_never_ends_as_failed(
    queued: OutgoingEmail, config: Config, clock: Clock
) -> None:
    attempt(queued, config, clock, send=failing("closed", may_have_arrived=True))
    clock.advance(minutes=2)
    assert attempt(queued, config, clock, send=failing("recipient", is_final=True)) == "unknown"


def test_an_expired_message_fails_without_an_attempt(
    queued: OutgoingEmail, relay: RunningServer, config: Config, clock: Clock
) -> None:
    clock.advance(hours=48)
    assert attempt(queued, config, clock) == "failed"
    assert (queued.problem, relay.received) == ("expired", [])


def test_two_workers_do_not_send_one_message_twice(
    queued: OutgoingEmail, config: Config, clock: Clock
) -> None:
    sent: list[bytes] = []

    def send(server: object, sender: str, recipient: str, message: bytes) -> str:
        # The other worker gets the same job while this one waits for the server.
        state = delivery.send_email(queued.id, config=config, now=clock, send=send)
        assert state == "sending"
        sent.append(message)
        return "250 Ok"

    assert attempt(queued, config, clock, send=send) == "sent"
    assert len(sent) == 1


def test_two_real_workers_at_once_send_it_once(
    queued: OutgoingEmail, relay: RunningServer, config: Config, clock: Clock
) -> None:
    barrier, states = threading.Barrier(4), []

    def work() -> None:
        with db.connection_context():
            barrier.wait(10)
            states.append(delivery.send_email(queued.id, config=config, now=clock))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(relay.received) == 1
    assert sorted(set(states)) in (["sending", "sent"], ["sent"])


def _die_after_data(config: Config, email_id: int, at: Any) -> None:
    """In a process of its own: send the message, and be killed before the row is written."""

    def send(*arguments: Any) -> str:
        smtp.send(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")

    use_database(config.database_url)
    with db.connection_context():
        delivery.send_email(email_id, config=config, now=lambda: at, send=send)


def test_a_message_of_a_killed_worker_is_sent_again_with_its_id(
    queued: OutgoingEmail, relay: RunningServer, config: Config, clock: Clock
) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=_die_after_data, args=(config, queued.id, clock())
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    queued.refresh()
    assert (queued.state, len(relay.received)) == ("sending", 1)
    assert attempt(queued, config, clock) == "sending", "its lease has not expired"
    clock.advance(minutes=6)
    assert outbox.recover_emails(clock()) == 1
    assert attempt(queued, config, clock) == "sent"
    assert queued.may_have_arrived
    assert {got.message["Message-ID"] for got in relay.received} == {queued.message_id}


def test_a_slow_worker_does_not_overwrite_a_later_result(
    queued: OutgoingEmail, config: Config, clock: Clock
) -> None:
    def slow(*_: object) -> str:
        clock.advance(minutes=6)
        assert (
            delivery.send_email(queued.id, config=config, now=clock, send=lambda *_: "250 later")
            == "sent"
        )
        raise SendingFailed("timeout", "too late")

    attempt(queued, config, clock, send=slow)
    assert (queued.state, queued.words, queued.problem) == ("sent", "250 later", "")


def test_a_slow_worker_does_not_end_the_attempt_of_another(
    queued: OutgoingEmail, config: Config, clock: Clock
) -> None:
    def slow(*_: object) -> str:
        later = clock.advance(minutes=6)
        assert OutgoingEmail.get_by_id(queued.id).begin(later, later + timedelta(minutes=5))
        return "250 too late"

    attempt(queued, config, clock, send=slow)
    assert (queued.state, queued.attempts, queued.words) == ("sending", 2, "")


def test_lost_jobs_and_due_retries_are_queued_and_old_messages_deleted(
    queued: OutgoingEmail, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    jobs.jobs.clear()
    assert outbox.recover_emails(clock()) == 1
    assert jobs.jobs == [("send_email", (queued.id,), 0)]
    attempt(queued, config, clock, send=failing())
    assert outbox.recover_emails(clock()) == 0
    clock.advance(minutes=1)
    assert outbox.recover_emails(clock()) == 1
    attempt(queued, config, clock)
    clock.advance(days=30)
    outbox.recover_emails(clock())
    assert OutgoingEmail.select().exists()
    clock.advance(minutes=2)
    outbox.recover_emails(clock())
    assert not OutgoingEmail.select().exists()


def test_an_invitation_carries_the_link_and_no_row_does(
    email_on: None, relay: RunningServer, ana: Actor, config: Config, clock: Clock
) -> None:
    user, link = users.invite_user(
        name="Eve",
        email="eve@agency.example",
        access=Access("viewer"),
        by=ana,
        config=config,
        now=clock(),
    )
    assert deliver_all(config, clock) == ["sent"]
    (got,) = relay.received
    assert got.recipients == ["eve@agency.example"]
    assert got.message["Subject"] == "Ana invited you to Aura"
    sent = next(line for line in got.text.splitlines() if "/invitation/" in line)
    assert one_time_links.invited_user(sent.rpartition("/")[2], config) == user
    stored = str(OutgoingEmail.get().__data__)
    assert "/invitation/" not in stored
    assert link.rpartition("/")[2] not in stored


def test_a_link_that_was_replaced_or_used_is_not_sent(
    email_on: None, relay: RunningServer, ana: Actor, config: Config, clock: Clock
) -> None:
    user, _ = users.invite_user(
        name="Eve",
        email="eve@agency.example",
        access=Access("viewer"),
        by=ana,
        config=config,
        now=clock(),
    )
    users.renew_invitation(user, by=ana, config=config, now=clock())
    assert deliver_all(config, clock) == ["cancelled", "sent"]
    first = OutgoingEmail.select().order_by(OutgoingEmail.id).first()
    assert first.problem == "outdated"
    assert len(relay.received) == 1


def test_without_a_server_nothing_is_queued(ana: Actor, config: Config, clock: Clock) -> None:
    users.invite_user(
        name="Eve",
        email="eve@agency.example",
        access=Access("viewer"),
        by=ana,
        config=config,
        now=clock(),
    )
    assert not OutgoingEmail.select().exists()
    with pytest.raises(Conflict):
        outbox.request_test(by=ana, now=clock())


def test_turning_email_off_cancels_waiting_messages(
    queued: OutgoingEmail, ana: Actor, config: Config, clock: Clock
) -> None:
    server.remove_server(by=ana, now=clock())
    assert attempt(queued, config, clock) == "cancelled"
    assert queued.problem == "off"


def test_a_message_waits_without_the_sealing_key(
    queued: OutgoingEmail, relay: RunningServer, config: Config, clock: Clock
) -> None:
    other = replace(config, sealing_keys=(("t2", bytes(32)),))
    assert attempt(queued, other, clock) == "queued"
    assert (queued.problem, relay.received) == ("sealed", [])


@pytest.mark.parametrize("address", ["ünï@agency.example", "a(b@agency.example", "a,b@c.example"])
def test_an_address_that_fits_into_no_header_fails(
    queued: OutgoingEmail, relay: RunningServer, address: str, config: Config, clock: Clock
) -> None:
    User.update(email=address).execute()
    assert attempt(queued, config, clock) == "failed"
    assert (queued.problem, relay.received) == ("format", [])


def test_a_test_message_is_tried_once_and_can_be_sent_again(
    email_on: None, relay: RunningServer, ana: Actor, ben: Actor, config: Config, clock: Clock
) -> None:
    relay.mailbox.answers["sender"] = "451 4.7.1 Try again later"
    email = outbox.request_test(by=ana, now=clock())
    assert attempt(email, config, clock) == "failed"
    assert (email.problem, email.words) == ("sender", "451 4.7.1 Try again later")
    relay.mailbox.answers.clear()
    with pytest.raises(Forbidden):
        outbox.resend(email, by=ben, now=clock())
    outbox.resend(email, by=ana, now=clock())
    assert attempt(email, config, clock) == "sent"
    with pytest.raises(Conflict):
        outbox.resend(email, by=ana, now=clock())
    assert relay.received[0].message["Subject"] == "Test e-mail from Aura"
    assert "The server 127.0.0.1 accepted this message" in relay.received[0].text
    events = [entry.event for entry in AuditEntry.newest()]
    assert events.count("email_test_requested") == events.count("email_resent") == 1


def test_a_failing_notification_is_not_queued_twice(
    email_on: None, site: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    """A queued item counts as notified: the outbox delivers it, and no second message is made."""
    preferences.change_preferences(Preferences(critical_now=True), by=ana, now=clock())
    break_site(site, clock())
    assert len(look_for(config, clock, 5)) == 1
    assert deliver_all(config, clock, send=failing()) == ["queued"]
    clock.advance(hours=2)
    assert watch.notify_due(clock()) == 0


def test_a_link_is_valid_longer_than_its_message_is_retried() -> None:
    kinds = {"test", "invitation", "reset", "security", "critical", "digest"}
    assert outbox.TRIES_FOR.keys() == kinds
    assert outbox.TRIES_FOR["reset"] < one_time_links.RESET_MAX_AGE
    assert outbox.TRIES_FOR["invitation"] < one_time_links.INVITATION_MAX_AGE


def test_a_message_joins_the_transaction_that_queues_it(
    email_on: None, ana: Actor, clock: Clock, jobs: RecordingQueue
) -> None:
    user = User.get_by_id(ana.id)

    def queue_and_fail() -> None:
        with transaction():
            outbox.queue_email(user, "digest", "x", {"sections": []}, now=clock())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        queue_and_fail()
    assert not OutgoingEmail.select().exists()
    assert not [name for name, *_ in jobs.jobs if name == "send_email"]
