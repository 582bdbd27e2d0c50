"""An owner sets up the e-mail server, sends a test message and follows each message."""

from __future__ import annotations

import pytest

from app import smtp
from app.domain import security
from app.domain.mail import outbox
from app.domain.notifications import delivery
from app.keys import KeyRing
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.email import DIGESTS, EmailServer, OutgoingEmail
from app.smtp import SendingFailed
from tests.support.emails import TYPED, turn_email_on
from tests.support.smtp_server import running_smtp

PASSWORD = "correct-horse-mail-password"


def save(person, **changes):
    return person.post("/settings/email", data={**TYPED, "password": PASSWORD, **changes})


@pytest.fixture
def email_on(as_ana, ana, config):
    turn_email_on(ana, config, utcnow())


def test_the_server_is_saved_and_its_password_sealed_and_never_shown(as_ana, config):
    assert "Aura sends no e-mail until you enter a server" in as_ana.get("/settings/email").text
    assert save(as_ana).headers["Location"] == "/settings/email"
    page = as_ana.get("/settings/email").text
    assert 'value="127.0.0.1"' in page
    assert "Not tested yet" in page
    assert PASSWORD not in page
    stored = EmailServer.read()
    assert PASSWORD not in str(stored.__data__)
    opened = KeyRing(config.sealing_keys).open(stored.password_sealed, "email:password")
    assert opened.decode() == PASSWORD
    entries = [entry for entry in AuditEntry.newest() if entry.event == "email_server_changed"]
    assert len(entries) == 1
    assert PASSWORD not in entries[0].body
    assert "127.0.0.1:2525" in as_ana.get("/activity").text


def test_the_password_counts_among_the_secrets_of_its_sealing_key(as_ana, ana, config):
    (before,) = security.read_facts(config, utcnow()).sealing_keys
    turn_email_on(ana, config, utcnow())
    (after,) = security.read_facts(config, utcnow()).sealing_keys
    assert (after.name, after.seals) == ("t1", before.seals + 1)


def test_the_password_is_kept_until_the_server_or_the_user_changes(as_ana, email_on):
    sealed = EmailServer.read().password_sealed
    assert save(as_ana, password="", sender_name="Other").status_code == 303
    assert EmailServer.read().password_sealed == sealed
    for changes in ({"host": "10.0.0.9"}, {"port": "26"}, {"username": "eve"}):
        answer = save(as_ana, password="", **changes)
        assert answer.status_code == 422
        assert "Enter the password again" in answer.text
    assert EmailServer.read().password_sealed == sealed
    assert save(as_ana, username="", password="").status_code == 303
    assert EmailServer.read().password_sealed is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"host": ""}, "host"),
        ({"host": "smtp.example.com:587"}, "host"),
        ({"host": "smtp example"}, "host"),
        ({"host": "a\r\nb"}, "host"),
        ({"host": "8.8.8.8"}, "host"),
        ({"port": "0"}, "port"),
        ({"port": "65536"}, "port"),
        ({"port": "x"}, "port"),
        ({"security": "ssl"}, "security"),
        ({"username": "äna"}, "username"),
        ({"username": "ana", "password": ""}, "password"),
        ({"username": "", "password": "x"}, "password"),
        ({"password": "pässword"}, "password"),
        ({"sender": "not an address"}, "sender"),
        ({"sender": "aura@agency.example\r\nBcc: eve@evil.example"}, "sender"),
        ({"sender": "Aura <aura@agency.example>"}, "sender"),
        ({"sender_name": "Aura\r\nBcc: eve@evil.example"}, "sender_name"),
        ({"sender_name": "x" * 121}, "sender_name"),
        ({"sender_name": "Aura\u202eevil"}, "sender_name"),
    ],
)
def test_a_mistake_is_shown_beside_its_field(as_ana, changes, field):
    answer = save(as_ana, **changes)
    assert answer.status_code == 422
    assert f'id="f-{field}-error"' in answer.text
    assert PASSWORD not in answer.text
    assert EmailServer.read() is None


@pytest.mark.parametrize("host", ["10.0.0.5", "[fd00::25]", "relay.internal", "SMTP.Example.com."])
def test_names_and_private_addresses_are_accepted_without_tls(as_ana, host):
    assert save(as_ana, host=host).status_code == 303
    assert EmailServer.read().host == host.strip("[].").lower()


def test_a_server_in_the_network_without_encryption_is_warned_about(as_ana):
    for host, encryption, is_warned in (
        ("10.0.0.5", "none", True),
        ("relay.internal", "none", True),
        ("127.0.0.1", "none", False),
        ("localhost", "none", False),
        ("relay.internal", "starttls", False),
    ):
        save(as_ana, host=host, security=encryption)
        page = as_ana.get("/settings/email").text
        assert ("Messages are not encrypted" in page) is is_warned, host


def test_a_test_message_reports_what_the_server_says(as_ana, ana, config):
    with running_smtp() as relay:
        turn_email_on(ana, config, utcnow(), port=relay.port)
        relay.mailbox.answers["sender"] = "550 5.7.60 Not allowed to send as this sender"
        where = as_ana.post("/settings/email/test").headers["Location"]
        page = as_ana.get(where).text
        assert "Sending" in page
        assert "hx-get" in page
        email = OutgoingEmail.get()
        delivery.send_email(email.id, config=config)
        page = as_ana.get(where).text
        assert "550 5.7.60 Not allowed to send as this sender" in page
        assert "The server refused the sender" in page
        assert "Use an address that this user may send from." in page
        assert "hx-get" not in as_ana.get(f"{where}/progress").text
        relay.mailbox.answers.clear()
        assert as_ana.post(f"{where}/resend").headers["Location"] == where
        delivery.send_email(email.id, config=config)
    assert "250 2.0.0 Ok: queued as 1" in as_ana.get(where).text
    assert relay.received[0].recipients == ["ana@agency.example"]
    assert "The server accepts messages" in as_ana.get("/settings/email").text
    listed = as_ana.get("/settings/email/messages").text
    assert "Test e-mail from Aura" in listed
    assert "Accepted" in listed


@pytest.mark.parametrize("problem", [*smtp.PROBLEMS, *delivery.OWN_PROBLEMS])
def test_each_problem_has_words_and_a_next_step(app, as_ana, ana, config, email_on, problem):
    as_ana.post("/settings/email/test")

    def send(*_):
        raise SendingFailed(problem, "<b>own words</b>")

    email = OutgoingEmail.get()
    delivery.send_email(email.id, config=config, send=send)
    words = app.jinja_env.get_template("settings/_email_words.html").module
    headline, step = words.PROBLEMS[problem]
    page = as_ana.get(f"/settings/email/messages/{email.id}").text
    assert headline in page
    assert step in page
    assert "&lt;b&gt;own words&lt;/b&gt;" in page


def test_every_code_has_words(app):
    words = app.jinja_env.get_template("settings/_email_words.html").module
    assert words.PROBLEMS.keys() == {*smtp.PROBLEMS, *delivery.OWN_PROBLEMS}
    assert words.STATES.keys() == {"queued", "sending", "sent", "failed", "unknown", "cancelled"}
    assert words.KINDS.keys() == {
        *("test", "invitation", "reset", "security"),
        *("critical", "digest"),
    }
    assert set(DIGESTS) == {"daily", "weekly", "off"}


def test_the_page_says_that_a_message_may_have_arrived(as_ana, ana, config, email_on):
    as_ana.post("/settings/email/test")

    def send(*_):
        raise SendingFailed("closed", "hung up", may_have_arrived=True)

    email = OutgoingEmail.get()
    assert delivery.send_email(email.id, config=config, send=send) == "unknown"
    page = as_ana.get(f"/settings/email/messages/{email.id}").text
    assert "The message may have arrived" in page
    assert "Unknown" in as_ana.get("/settings/email").text


def test_the_next_attempt_is_in_the_future_or_due_now(as_ana, ana, config, email_on):
    content = {"sections": []}
    email = outbox.queue_email(User.get_by_id(ana.id), "digest", "x", content, now=utcnow())

    def send(*_):
        raise SendingFailed("timeout", "timed out")

    delivery.send_email(email.id, config=config, send=send)
    page = f"/settings/email/messages/{email.id}"
    assert "in 59 seconds" in as_ana.get(page).text or "in 1 minute" in as_ana.get(page).text
    OutgoingEmail.update(next_attempt_at=utcnow()).execute()
    assert "The next attempt is due now." in as_ana.get(page).text


def test_email_is_turned_off_with_its_password(as_ana, email_on):
    assert as_ana.post("/settings/email/remove").headers["Location"] == "/settings/email"
    assert EmailServer.read() is None
    assert as_ana.post("/settings/email/remove").status_code == 409
    assert as_ana.post("/settings/email/test").status_code == 409
    events = [entry.event for entry in AuditEntry.newest()]
    assert events.count("email_server_removed") == 1


def test_a_message_that_does_not_exist_is_not_found(as_ana):
    assert as_ana.get("/settings/email/messages/4711").status_code == 404
    assert as_ana.post("/settings/email/messages/4711/resend").status_code == 404


def test_only_owners_see_the_settings(as_ben, as_cleo, as_dora, email_on):
    for person in (as_ben, as_cleo, as_dora):
        assert 'href="/settings/email"' not in person.get("/settings").text
        assert person.get("/settings/email").status_code == 403
        assert save(person).status_code == 403


def test_the_settings_link_to_email(as_ana):
    assert 'href="/settings/email"' in as_ana.get("/settings").text
