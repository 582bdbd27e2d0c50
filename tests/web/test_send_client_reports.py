"""Schedule client reports; read, annotate, send or discard a report that waits."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from flask import Flask

from app.config import Config
from app.domain.actor import Actor
from app.domain.reporting import delivery
from app.models.accounts import User, UserSession
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.client_reports import ReportDelivery, ReportSchedule, SentReport
from app.models.clients import Client
from app.models.outgoing import CANCELLED, ENDED, FAILED, SENT, UNKNOWN
from app.models.sites import Site
from app.smtp import SendingFailed
from tests.support.browsers import Person
from tests.support.client_reports import make_due, prepare
from tests.support.emails import turn_email_on

FORM = {
    "cadence": "monthly",
    "weekday": "2",
    "month_day": "31",
    "time_zone": "Europe/Berlin",
    "approval": "person",
    "recipients": "grace@client.example\noffice@client.example",
    "sender_name": "Ana of Fernwood",
    "reply_to": "",
    "language": "de",
}


@pytest.fixture
def client(today: Site) -> Client:
    """Return the client that Dora belongs to, with a site that has just reported."""
    found = Client.named("Bakery Ltd")
    Site.update(client=found).execute()
    return found


@pytest.fixture
def waiting(client: Client, ana: Actor, config: Config) -> SentReport:
    """Return a German report that waits for approval."""
    turn_email_on(ana, config, utcnow())
    make_due(client, ana, utcnow(), language="de")
    return prepare(config, utcnow())[0]


def path_of(report: SentReport, action: str = "") -> str:
    return f"/clients/{report.client_id}/reports/{report.id}{action}"


def send(person: Person, report: SentReport) -> object:
    page = person.get(path_of(report)).text
    seen = page.partition('name="seen" value="')[2].partition('"')[0]
    return person.post(path_of(report, "/send"), data={"seen": seen}, follow_redirects=True)


def test_an_operator_sets_up_a_schedule(client: Client, as_ben: Person) -> None:
    path = f"/clients/{client.id}/reports"
    assert "No reports are sent to this client" in as_ben.get(path).text
    answer = as_ben.post(f"{path}/schedule", data=FORM, follow_redirects=True)
    assert "Report schedule of Bakery Ltd saved." in answer.text
    assert "Monthly, on day 31" in answer.text
    assert "grace@client.example, office@client.example" in answer.text
    row = ReportSchedule.of(client)
    assert row is not None
    assert (row.cadence, row.day, row.language, row.is_automatic) == ("monthly", 31, "de", False)


def test_the_form_proposes_the_contact_of_the_client(client: Client, as_ana: Person) -> None:
    Client.update(contact_email="grace@client.example").execute()
    assert (
        ">\ngrace@client.example</textarea>"
        in as_ana.get(f"/clients/{client.id}/reports/schedule").text
    )


def test_an_invalid_form_keeps_what_was_typed(client: Client, as_ana: Person) -> None:
    path = f"/clients/{client.id}/reports/schedule"
    answer = as_ana.post(path, data={**FORM, "recipients": "<b>grace"})
    assert answer.status_code == 422
    assert "&lt;b&gt;grace: Enter an e-mail address" in answer.text
    assert 'value="Ana of Fernwood"' in answer.text
    assert as_ana.post(path, data={**FORM, "month_day": "x"}).status_code == 422
    assert as_ana.post(path, data={}).status_code == 422
    assert ReportSchedule.of(client) is None


def test_a_person_reads_notes_and_sends_a_report(waiting: SentReport, as_ana: Person) -> None:
    overview = as_ana.get("/").text
    assert "The report for Bakery Ltd waits for approval" in overview
    assert path_of(waiting) in overview
    page = as_ana.get(path_of(waiting)).text
    assert '<article class="report client-report" lang="de">' in page
    assert "Was wir getan haben" in page
    assert "To: grace@client.example." in page
    noted = as_ana.post(path_of(waiting, "/note"), data={"note": "Danke <3"}, follow_redirects=True)
    assert "<p>Danke &lt;3</p>" in noted.text
    assert "on its way to 1 address" in send(as_ana, waiting).text
    sent = SentReport.get_by_id(waiting.id)
    assert (sent.state, sent.sent_by, sent.note) == ("sending", "Ana", "Danke <3")
    assert sent.pdf_digest == hashlib.sha256(sent.pdf).hexdigest()
    assert "waits for approval" not in as_ana.get("/").text


def test_the_preview_is_what_is_sent(waiting: SentReport, as_ana: Person) -> None:
    preview = as_ana.get(path_of(waiting, "/preview.pdf"))
    assert preview.mimetype == "application/pdf"
    send(as_ana, waiting)
    download = as_ana.post(path_of(waiting, "/download"))
    assert download.data == preview.data == SentReport.get_by_id(waiting.id).pdf
    assert "bakery-ltd-" in download.headers["Content-Disposition"]
    assert AuditEntry.head().event == "client_report_downloaded"


def test_a_changed_report_is_shown_again_instead_of_sent(
    waiting: SentReport, as_ana: Person
) -> None:
    answer = as_ana.post(path_of(waiting, "/send"), data={"seen": "0" * 64})
    assert answer.status_code == 409
    assert "Read it again" in answer.text
    assert ReportDelivery.select().count() == 0


def test_sending_asks_for_the_password_after_a_while(waiting: SentReport, as_ana: Person) -> None:
    UserSession.update(confirmed_at=utcnow() - timedelta(hours=1)).execute()
    assert as_ana.post(path_of(waiting, "/send"), data={"seen": "x"}).status_code == 403
    assert SentReport.get_by_id(waiting.id).state == "waiting"


def test_a_refused_message_is_shown_in_the_words_of_the_server(
    waiting: SentReport, as_ana: Person, config: Config
) -> None:
    def refuse(*_: object) -> str:
        raise SendingFailed("recipient", "550 5.1.1 No <such> user", is_final=True)

    send(as_ana, waiting)
    (attempt,) = ReportDelivery.select()
    delivery.deliver_report(attempt.id, config=config, send=refuse)
    page = as_ana.get(path_of(waiting)).text
    assert "Not delivered" in page
    assert "550 5.1.1 No &lt;such&gt; user" in page
    assert "Send again" in page
    assert "The report for Bakery Ltd was not delivered" in as_ana.get("/").text
    assert "on its way" in send(as_ana, waiting).text


def test_without_recipients_or_server_the_page_says_the_next_step(
    waiting: SentReport, as_ana: Person
) -> None:
    ReportSchedule.update(recipients=[]).execute()
    page = as_ana.get(path_of(waiting)).text
    assert "This client has no recipients" in page
    assert "Send report" not in page
    assert "no recipients" in as_ana.get(f"/clients/{waiting.client_id}/reports").text


def test_a_discarded_report_is_listed_and_not_sent(waiting: SentReport, as_ben: Person) -> None:
    answer = as_ben.post(path_of(waiting, "/discard"), follow_redirects=True)
    assert "Report discarded" in answer.text
    assert "Discarded" in answer.text
    assert as_ben.post(path_of(waiting, "/discard")).status_code == 409


def test_a_client_user_reads_and_downloads_what_was_sent_to_them(
    waiting: SentReport, as_ana: Person, as_dora: Person, dora: Actor
) -> None:
    index = f"/clients/{waiting.client_id}/reports"
    assert "No report has been sent to you yet." in as_dora.get(index).text
    assert as_dora.get(path_of(waiting)).status_code == 404
    assert as_dora.post(path_of(waiting, "/download")).status_code == 404
    send(as_ana, waiting)
    assert path_of(waiting) in as_dora.get(index).text
    page = as_dora.get(path_of(waiting)).text
    assert "Was wir getan haben" in page
    assert "grace@client.example" not in page
    assert as_dora.post(path_of(waiting, "/download")).data.startswith(b"%PDF-")
    User.update(client_id=Client.named("Mill Ltd").id).where(User.id == dora.id).execute()
    for answer in (
        as_dora.get(index),
        as_dora.get(path_of(waiting)),
        as_dora.post(path_of(waiting, "/download")),
        as_dora.get(f"/clients/{Client.named('Mill Ltd').id}/reports/{waiting.id}"),
    ):
        assert answer.status_code == 404


def test_a_viewer_reads_and_changes_nothing(waiting: SentReport, as_cleo: Person) -> None:
    page = as_cleo.get(path_of(waiting)).text
    assert "Was wir getan haben" in page
    assert "Send report" not in page
    for action in ("/send", "/note", "/discard"):
        assert as_cleo.post(path_of(waiting, action)).status_code == 403


def test_a_person_limited_to_other_clients_sees_and_sends_nothing(
    waiting: SentReport, as_ben: Person, ben: Actor
) -> None:
    User.update(limited_to=[Client.named("Mill Ltd").id]).where(User.id == ben.id).execute()
    assert "report for Bakery Ltd" not in as_ben.get("/").text
    path = f"/clients/{waiting.client_id}/reports"
    for address in (path, f"{path}/schedule", path_of(waiting), path_of(waiting, "/preview.pdf")):
        assert as_ben.get(address).status_code == 404
    for action in ("/send", "/note", "/discard", "/download"):
        assert as_ben.post(path_of(waiting, action)).status_code == 404
    assert as_ben.post(f"{path}/schedule", data=FORM).status_code == 404
    User.update(limited_to=[waiting.client_id]).where(User.id == ben.id).execute()
    assert "The report for Bakery Ltd waits for approval" in as_ben.get("/").text
    assert "on its way to 1 address" in send(as_ben, waiting).text


def test_a_report_of_another_client_is_not_found_under_this_one(
    waiting: SentReport, as_ana: Person
) -> None:
    other = Client.named("Mill Ltd")
    assert as_ana.get(f"/clients/{other.id}/reports/{waiting.id}").status_code == 404


def test_a_report_that_is_not_ready_has_no_preview(client: Client, as_ana: Person) -> None:
    now = utcnow()
    columns = {"time_zone": "UTC", "language": "en", "requested_at": now, "next_attempt_at": now}
    report_id = SentReport.request(client, first_day="2026-11-01", last_day="2026-11-30", **columns)
    path = f"/clients/{client.id}/reports/{report_id}"
    assert "This report is being prepared" in as_ana.get(path).text
    assert as_ana.get(f"{path}/preview.pdf").status_code == 404


def test_every_state_has_words(app: Flask) -> None:
    words = app.jinja_env.get_template("client_reports/_words.html").module
    states = {"preparing", "prepared", "waiting", "sending", SENT, FAILED, UNKNOWN, "discarded"}
    assert words.STATES.keys() == states
    titles = app.jinja_env.get_template("components/attention_words.html").module
    needing = {"waiting", "no_recipients", "no_server", FAILED, UNKNOWN, "preparing", "prepared"}
    assert titles.REPORT_TITLES.keys() == titles.REPORT_STEPS.keys() == needing
    assert set(ENDED) == {SENT, FAILED, UNKNOWN, CANCELLED}
