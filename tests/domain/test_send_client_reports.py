"""Prepare a client report when it is due, and send it once, exactly as a person saw it."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app import smtp
from app.config import Config
from app.domain import attention
from app.domain.actor import Actor
from app.domain.changes import site_assignment
from app.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    ReauthenticationRequired,
    StaleState,
)
from app.domain.mail import server
from app.domain.reporting import delivery, preparing, schedule, sending
from app.domain.reporting.schedule import ReportTerms, parse_recipients
from app.models.agency import Agency
from app.models.audit import AuditEntry
from app.models.base import db, use_database
from app.models.client_reports import ReportDelivery, ReportDocument, ReportSchedule, SentReport
from app.models.clients import Client
from app.models.sites import Site
from app.report_pdf import render_report
from app.smtp import SendingFailed
from tests.support.client_reports import MONTHLY_REPORTS, make_due, no_pdf, prepare
from tests.support.fakes import Clock, RecordingQueue
from tests.support.smtp_server import RunningServer


@pytest.fixture
def client(ready: Site, jobs: RecordingQueue) -> Client:
    """The client of the site."""
    bakery = Client.named("Bäckerei <b>Söhne</b>")
    Site.update(client=bakery).execute()
    return bakery


@pytest.fixture
def waiting(client: Client, email_on: None, ana: Actor, config: Config, clock: Clock) -> SentReport:
    """A report that waits for approval."""
    make_due(client, ana, clock())
    (report,) = prepare(config, clock())
    return report


def send(report: SentReport, by: Actor, config: Config, clock: Clock, **changes: Any) -> int:
    arguments = {"by": by, "confirmed_at": clock(), "config": config, "now": clock(), **changes}
    digest = arguments.pop("seen", sending.seen_digest(report))
    render = arguments.pop("render", no_pdf)
    return sending.send_report(report, digest, render, **arguments)


def deliver(config: Config, clock: Clock, **more: Any) -> list[str]:
    due = ReportDelivery.due(clock())
    return [delivery.deliver_report(row.id, config=config, now=clock, **more) for row in due]


def entries(event: str) -> list[dict[str, Any]]:
    found = AuditEntry.select().where(AuditEntry.event == event).order_by(AuditEntry.seq)
    return [json.loads(entry.body)["facts"] for entry in found]


def failing(problem: str, **more: bool) -> Any:
    def send(*_: object) -> str:
        raise SendingFailed(problem, "550 5.1.1 No such user", **more)

    return send


# ---- preparing and sending ----


def test_a_person_approves_a_report_and_it_arrives_with_its_pdf(
    client: Client,
    email_on: None,
    relay: RunningServer,
    ana: Actor,
    config: Config,
    clock: Clock,
    jobs: RecordingQueue,
) -> None:
    Agency.write(name="Fernwood & Sons", accent="#0b7a5c")
    recipients = ("grace@client.example", "office@client.example")
    more = {"language": "de", "sender_name": "Ana von Fernwood", "reply_to": "ana@fernwood.example"}
    make_due(client, ana, clock(), recipients=recipients, **more)
    (report,) = prepare(config, clock())
    assert ("prepare_report", (report.id,), 0) in jobs.jobs
    assert (report.state, report.pdf, relay.received) == ("waiting", None, [])
    assert (report.first_day, report.last_day) == ("2026-10-01", "2026-10-31")
    sending.change_note(report, " Danke!\nBis bald \n", by=ana, now=clock())
    assert send(report, ana, config, clock, render=render_report) == 2
    assert deliver(config, clock) == ["sent", "sent"]
    received = relay.received
    assert [one.recipients for one in received] == [[address] for address in recipients]
    headers = received[0].message
    assert headers["From"] == "Ana von Fernwood <aura@agency.example>"
    assert headers["Reply-To"] == "ana@fernwood.example"
    assert headers["Subject"] == "Website-Bericht für Bäckerei <b>Söhne</b>: Oktober 2026"
    assert "Danke!\nBis bald\n" in received[0].text.replace("\r", "")
    assert "Bäckerei &lt;b&gt;Söhne&lt;/b&gt;" in received[0].html
    assert "#0b7a5c" in received[0].html
    (attached,) = received[0].message.iter_attachments()
    report.refresh()
    assert attached.get_content() == report.pdf
    assert attached.get_filename() == "backerei-b-sohne-b-2026-10-01-2026-10-31.pdf"
    assert report.state == "sent"
    assert report.pdf_digest == hashlib.sha256(report.pdf).hexdigest()
    (sent,) = entries("client_report_sent")
    assert (sent["digest"], sent["recipients"]) == (report.pdf_digest, 2)
    assert [one["outcome"] for one in entries("client_report_delivered")] == ["sent", "sent"]
    assert entries("client_report_prepared")[0]["digest"] == report.content_digest


def test_the_same_report_has_the_same_bytes(waiting: SentReport, config: Config) -> None:
    first, again = (sending.make_pdf(waiting, render_report, config) for _ in range(2))
    assert first == again
    assert first.startswith(b"%PDF-")
    changed = replace(sending.text_of(waiting), note="Thank you")
    assert render_report(changed, sending.look_of(config)) != first


def test_an_automatic_report_is_sent_without_a_person(
    client: Client, email_on: None, relay: RunningServer, ana: Actor, config: Config, clock: Clock
) -> None:
    make_due(client, ana, clock(), is_automatic=True)
    (report,) = prepare(config, clock())
    assert (report.state, report.sent_by) == ("sending", "the schedule")
    assert deliver(config, clock) == ["sent"]
    assert len(relay.received) == 1


def test_no_period_before_the_schedule_is_reported(
    client: Client, email_on: None, ana: Actor, config: Config, clock: Clock
) -> None:
    schedule.change_schedule(client, MONTHLY_REPORTS, by=ana, confirmed_at=clock(), now=clock())
    assert prepare(config, clock()) == []


# ---- only once ----


def test_two_schedulers_at_once_prepare_one_report(
    client: Client, email_on: None, ana: Actor, config: Config, clock: Clock
) -> None:
    make_due(client, ana, clock())
    barrier = threading.Barrier(4)

    def prepare_at_once() -> None:
        with db.connection_context():
            barrier.wait(10)
            preparing.prepare_due(config, clock())

    threads = [threading.Thread(target=prepare_at_once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert SentReport.select().count() == 1
    clock.advance(days=1)
    prepare(config, clock())
    assert SentReport.select().count() == 1


def test_a_period_is_reported_once_even_if_the_schedule_is_set_back(
    waiting: SentReport, client: Client, ana: Actor, config: Config, clock: Clock
) -> None:
    make_due(client, ana, clock(), language="de")
    assert [one.id for one in prepare(config, clock())] == [waiting.id]


def test_two_people_at_once_send_a_report_once(
    waiting: SentReport, ana: Actor, ben: Actor, config: Config, clock: Clock
) -> None:
    other = SentReport.known(waiting.id)
    assert other is not None
    assert send(waiting, ana, config, clock) == 1
    with pytest.raises(StaleState):
        send(other, ben, config, clock)
    assert ReportDelivery.select().count() == 1


def _die_before_sending(config: Config, report_id: int, at: datetime) -> None:
    """Prepare an automatic report in a process that is killed before the report is sent."""

    def render(*_: object) -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")

    use_database(config.database_url)
    with db.connection_context():
        preparing.prepare_report(report_id, config=config, render=render, now=lambda: at)


def test_a_killed_worker_delays_an_automatic_report_and_it_is_sent_once(
    client: Client, email_on: None, relay: RunningServer, ana: Actor, config: Config, clock: Clock
) -> None:
    make_due(client, ana, clock(), is_automatic=True)
    preparing.prepare_due(config, clock())
    (report_id,) = SentReport.unprepared(clock())
    arguments = (config, report_id, clock())
    process = multiprocessing.get_context("spawn").Process(
        target=_die_before_sending, args=arguments
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert [one.state for one in prepare(config, clock())] == ["prepared"], "a worker has it"
    clock.advance(minutes=6)
    assert [one.state for one in prepare(config, clock())] == ["sending"]
    assert deliver(config, clock) == ["sent"]
    assert len(relay.received) == 1
    assert len(entries("client_report_prepared")) == len(entries("client_report_sent")) == 1


def test_a_slow_worker_does_not_overwrite_a_later_one(
    client: Client, email_on: None, ana: Actor, config: Config, clock: Clock
) -> None:
    make_due(client, ana, clock())
    preparing.prepare_due(config, clock())
    report = SentReport.select().get()
    report.begin(clock(), clock() + timedelta(minutes=5))
    slow = SentReport.known(report.id)
    assert slow is not None
    clock.advance(minutes=6)
    assert report.begin(clock(), clock() + timedelta(minutes=5))
    preparing._store_content(slow, config, clock())
    report.refresh()
    assert report.state == "preparing", "another worker has started"
    clock.advance(minutes=6)
    prepare(config, clock())
    report.refresh()
    content_digest = report.content_digest
    preparing._store_content(slow, config, clock() + timedelta(days=1))
    report.refresh()
    assert (report.state, report.content_digest) == ("waiting", content_digest)


def test_a_lost_job_is_queued_again(
    waiting: SentReport, ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    send(waiting, ana, config, clock)
    (row,) = ReportDelivery.select()
    assert ("send_report", (row.id,), 0) in jobs.jobs
    jobs.jobs.clear()
    assert delivery.recover_deliveries(clock()) == 1
    assert jobs.jobs == [("send_report", (row.id,), 0)]


# ---- errors ----


def test_a_refused_recipient_is_shown_with_the_server_s_words(
    waiting: SentReport, ana: Actor, config: Config, clock: Clock
) -> None:
    send(waiting, ana, config, clock)
    assert deliver(config, clock, send=failing("recipient", is_final=True)) == ["failed"]
    waiting.refresh()
    (row,) = ReportDelivery.of_report(waiting)
    assert (waiting.state, row.words) == ("failed", "550 5.1.1 No such user")
    (item,) = [item for item in attention.urgent(ana, []) if item.about == "report"]
    assert (item.word, item.severity, item.name) == ("failed", "check", waiting.client.name)


def test_a_missing_reply_leaves_the_result_unknown_and_is_not_sent_again(
    waiting: SentReport, ana: Actor, config: Config, clock: Clock
) -> None:
    send(waiting, ana, config, clock)
    lost = failing("closed", may_have_arrived=True)
    assert deliver(config, clock, send=lost) == ["queued"]
    clock.advance(hours=49)
    assert deliver(config, clock, send=lost) == ["unknown"]
    waiting.refresh()
    assert waiting.state == "unknown"


def test_one_refused_address_of_two_leaves_the_report_undelivered(
    client: Client, email_on: None, relay: RunningServer, ana: Actor, config: Config, clock: Clock
) -> None:
    make_due(client, ana, clock(), recipients=("a@client.example", "b@client.example"))
    (report,) = prepare(config, clock())
    send(report, ana, config, clock)
    first, second = ReportDelivery.of_report(report)
    delivery.deliver_report(first.id, config=config, now=clock)
    report.refresh()
    assert report.state == "sending"
    delivery.deliver_report(
        second.id, config=config, now=clock, send=failing("content", is_final=True)
    )
    report.refresh()
    assert report.state == "failed"
    clock.advance(minutes=1)
    assert send(report, ana, config, clock) == 2
    assert set(deliver(config, clock)) == {"sent"}
    report.refresh()
    assert report.state == "sent"
    assert [one["is_again"] for one in entries("client_report_sent")] == [False, True]


def test_sending_again_sends_the_same_bytes(
    waiting: SentReport, relay: RunningServer, ana: Actor, config: Config, clock: Clock
) -> None:
    send(waiting, ana, config, clock)
    deliver(config, clock)
    Agency.write(name="Another name")
    send(waiting, ana, config, clock, render=lambda *_: b"another document")
    deliver(config, clock)
    pdfs = {next(one.message.iter_attachments()).get_content() for one in relay.received}
    assert pdfs == {no_pdf()}
    assert len({one.message["Message-ID"] for one in relay.received}) == 2


@pytest.mark.parametrize("word", ["no_recipients", "no_server"])
def test_an_automatic_report_that_cannot_be_sent_waits_with_the_reason(
    word: str, client: Client, email_on: None, ana: Actor, config: Config, clock: Clock
) -> None:
    make_due(client, ana, clock(), is_automatic=True)
    if word == "no_server":
        server.remove_server(by=ana, now=clock())
    else:
        ReportSchedule.update(recipients=[]).execute()
    (report,) = prepare(config, clock())
    assert (report.state, report.problem) == ("waiting", word)
    (item,) = [item for item in attention.urgent(ana, []) if item.about == "report"]
    assert (item.word, item.severity) == (word, "check")
    with pytest.raises(Conflict):
        send(report, ana, config, clock)


def test_a_report_that_cannot_be_prepared_needs_a_person(
    client: Client, email_on: None, ana: Actor, config: Config, clock: Clock
) -> None:
    make_due(client, ana, clock())
    preparing.prepare_due(config, clock())
    for _ in range(3):
        report = SentReport.select().get()
        assert not [item for item in attention.urgent(ana, []) if item.about == "report"]
        assert report.begin(clock(), clock() + timedelta(minutes=5))
        clock.advance(minutes=6)
    assert [item.word for item in attention.urgent(ana, []) if item.about == "report"] == [
        "preparing"
    ]


def test_only_the_report_that_the_person_saw_is_sent(
    waiting: SentReport, ana: Actor, ben: Actor, config: Config, clock: Clock
) -> None:
    digest = sending.seen_digest(waiting)
    sending.change_note(waiting, "Added by Ben meanwhile", by=ben, now=clock())
    with pytest.raises(StaleState):
        send(waiting, ana, config, clock, seen=digest)
    other = SentReport.known(waiting.id)
    assert other is not None
    SentReport.update(note="changed in the last moment").execute()
    with pytest.raises(StaleState):
        send(other, ana, config, clock)
    assert ReportDelivery.select().count() == 0


def test_a_discarded_report_is_not_sent(
    waiting: SentReport, ana: Actor, config: Config, clock: Clock
) -> None:
    sending.discard_report(waiting, by=ana, now=clock())
    for act in (
        lambda: send(waiting, ana, config, clock),
        lambda: sending.change_note(waiting, "x", by=ana, now=clock()),
        lambda: sending.discard_report(waiting, by=ana, now=clock()),
    ):
        with pytest.raises(StaleState):
            act()
    assert [one.id for one in prepare(config, clock())] == [waiting.id]


# ---- permissions and input ----


def test_a_client_user_sees_only_reports_sent_to_them(
    waiting: SentReport, ana: Actor, config: Config, clock: Clock
) -> None:
    grace = Actor("user", 99, "Grace", "client", client_id=waiting.client_id)
    other_user = replace(grace, client_id=waiting.client_id + 1)
    for actor in (grace, other_user):
        assert sending.reports_of(waiting.client, actor) == []
        with pytest.raises(NotFound):
            sending.get_report(waiting.id, actor)
    send(waiting, ana, config, clock)
    assert sending.get_report(waiting.id, grace).id == waiting.id
    with pytest.raises(NotFound):
        sending.get_report(waiting.id, other_user)


def test_a_viewer_may_not_change_or_send_a_report(
    waiting: SentReport, cleo: Actor, config: Config, clock: Clock
) -> None:
    with pytest.raises(Forbidden):
        send(waiting, cleo, config, clock)
    with pytest.raises(Forbidden):
        make_due(waiting.client, cleo, clock())
    assert not [item for item in attention.urgent(cleo, []) if item.about == "report"]


def test_changing_recipients_and_sending_need_a_recent_password(
    waiting: SentReport, ana: Actor, config: Config, clock: Clock
) -> None:
    long_ago = clock() - timedelta(hours=1)
    with pytest.raises(ReauthenticationRequired):
        send(waiting, ana, config, clock, confirmed_at=long_ago)
    with pytest.raises(ReauthenticationRequired):
        schedule.change_schedule(
            waiting.client, MONTHLY_REPORTS, by=ana, confirmed_at=long_ago, now=clock()
        )


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("cadence", {"cadence": "hourly"}),
        ("day", {"day": 0}),
        ("day", {"day": 32}),
        ("day", {"cadence": "weekly", "day": 7}),
        ("time_zone", {"time_zone": "Europe/Atlantis"}),
        ("recipients", {"recipients": ("grace",)}),
        ("recipients", {"recipients": ("a@b.example\r\nBcc: x@evil.example",)}),
        ("recipients", {"recipients": ("a@b.example, x@evil.example",)}),
        ("recipients", {"recipients": ("grâce@client.example",)}),
        ("recipients", {"recipients": tuple(f"a{n}@b.example" for n in range(11))}),
        ("recipients", {"recipients": (), "is_automatic": True}),
        ("sender_name", {"sender_name": "Ana\nBcc: x@evil.example"}),
        ("sender_name", {"sender_name": "Ana \u202eliam"}),
        ("reply_to", {"reply_to": "ana@b.example\nX: y"}),
        ("language", {"language": "../de"}),
    ],
)
def test_invalid_input_is_refused_at_its_field(
    client: Client, ana: Actor, clock: Clock, field: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(Invalid) as refusal:
        make_due(client, ana, clock(), **changes)
    assert list(refusal.value.messages) == [field]
    assert ReportSchedule.select().count() == 0


@pytest.mark.parametrize("note", ["x" * 1001, "hidden \u202e text", "a\x00b"])
def test_a_note_must_be_short_plain_text(
    waiting: SentReport, ana: Actor, clock: Clock, note: str
) -> None:
    with pytest.raises(Invalid):
        sending.change_note(waiting, note, by=ana, now=clock())


def test_addresses_are_read_from_lines_and_commas() -> None:
    assert parse_recipients(" a@b.example\r\n\nc@d.example, a@b.example;") == (
        "a@b.example",
        "c@d.example",
    )


def test_the_same_schedule_twice_is_one_entry(client: Client, ana: Actor, clock: Clock) -> None:
    for _ in range(2):
        schedule.change_schedule(client, MONTHLY_REPORTS, by=ana, confirmed_at=clock(), now=clock())
    (event,) = entries("report_schedule_changed")
    assert event["cadence"] == "monthly"
    assert "recipients" not in event, "addresses are kept outside the hash chain"


def test_without_a_schedule_no_report_is_due(client: Client) -> None:
    assert schedule.terms_of(client) == ReportTerms()


def test_reports_are_deleted_with_their_client_and_no_longer_sent(
    waiting: SentReport, relay: RunningServer, ana: Actor, config: Config, clock: Clock
) -> None:
    send(waiting, ana, config, clock)
    (row,) = ReportDelivery.select()
    site_assignment.merge_clients(
        waiting.client, Client.named("Another"), by=ana, confirmed_at=clock(), now=clock()
    )
    for model in (ReportSchedule, SentReport, ReportDocument, ReportDelivery):
        assert model.select().count() == 0
    assert delivery.deliver_report(row.id, config=config, now=clock) == "gone"
    assert relay.received == []


def test_a_worker_killed_after_sending_leaves_the_result_unknown(
    waiting: SentReport, relay: RunningServer, ana: Actor, config: Config, clock: Clock
) -> None:
    send(waiting, ana, config, clock)
    (row,) = ReportDelivery.select()
    process = multiprocessing.get_context("spawn").Process(
        target=_die_after_data, args=(config, row.id, clock())
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert deliver(config, clock) == [], "its lease has not expired"
    clock.advance(minutes=6)
    assert deliver(config, clock) == ["sent"]
    row.refresh()
    assert row.may_have_arrived
    assert {email.message["Message-ID"] for email in relay.received} == {row.message_id}


def _die_after_data(config: Config, delivery_id: int, at: datetime) -> None:
    """Send the message in a process that is killed before it stores the result."""

    def send(*arguments: Any) -> str:
        smtp.send(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")

    use_database(config.database_url)
    with db.connection_context():
        delivery.deliver_report(delivery_id, config=config, now=lambda: at, send=send)
