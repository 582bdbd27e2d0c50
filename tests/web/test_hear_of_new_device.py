"""E-mails about a sign-in from a new browser and about changes of the second factor."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.accounts import one_time_links, security_mail
from app.models.accounts import User, UserSession
from app.models.base import utcnow
from app.models.email import OutgoingEmail
from tests.support.emails import deliver_all, turn_email_on
from tests.support.factories import PASSWORD, make_user
from tests.support.smtp_server import Received, running_smtp

ANA = "ana@agency.example"
SUBJECT = "New sign-in to your Aura account"
AGENT = "Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/150.0 <b>\r\nBcc: eve@evil.example"


@pytest.fixture
def email_on(as_ana, ana, config):
    """Turn e-mail on. Ana already has a session in another browser."""
    turn_email_on(ana, config, utcnow())


def subjects() -> list[str]:
    return [email.subject for email in OutgoingEmail.select().order_by(OutgoingEmail.id)]


def sign_out(person) -> None:
    person.post("/sign-out")
    person.forget_token()


def test_a_browser_is_new_once(anonymous, email_on):
    anonymous.signs_in(ANA, PASSWORD)
    assert subjects() == [SUBJECT]
    sign_out(anonymous)
    anonymous.signs_in(ANA, PASSWORD)
    assert subjects() == [SUBJECT]


def test_a_browser_that_another_person_used_is_new(app, anonymous, email_on, ben):
    anonymous.signs_in("ben@agency.example", PASSWORD)
    sign_out(anonymous)
    anonymous.signs_in(ANA, PASSWORD)
    assert SUBJECT in subjects()


def test_a_forged_cookie_does_not_make_a_browser_known(anonymous, email_on):
    anonymous.set_cookie("aura-browser", "WyJ4IiwieSJd.aaaa.bbbb")
    anonymous.signs_in(ANA, PASSWORD)
    assert subjects() == [SUBJECT]


def test_the_first_sign_in_of_an_invited_user_sends_no_email(anonymous, email_on, config):
    user = make_user("Eve", "viewer", password_hash="!")
    path = one_time_links.invitation_link(user, config).removeprefix(config.origin)
    chosen = "five unrelated words suffice"
    anonymous.post(path, data={"password": chosen, "again": chosen})
    assert anonymous.get("/").status_code == 200
    assert subjects() == []


def test_a_sign_in_after_months_sends_an_email(anonymous, email_on, ana):
    UserSession.delete().execute()
    long_ago = utcnow() - timedelta(days=90)
    User.update(created_at=long_ago).where(User.id == ana.id).execute()
    anonymous.signs_in(ANA, PASSWORD)
    assert subjects() == [SUBJECT]


def test_sign_in_works_while_email_is_off(anonymous, as_ana):
    assert anonymous.signs_in(ANA, PASSWORD).status_code == 303
    assert subjects() == []


def emails_sent_by(app, ana, config, act) -> list[Received]:
    with running_smtp() as relay:
        turn_email_on(ana, config, utcnow(), port=relay.port)
        act()
        deliver_all(config, utcnow)
        return relay.received


def test_the_message_says_when_where_and_what_to_do(app, anonymous, as_ana, ana, config):
    anonymous.environ_base["HTTP_USER_AGENT"] = AGENT
    anonymous.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    (email,) = emails_sent_by(app, ana, config, lambda: anonymous.signs_in(ANA, PASSWORD))
    assert email.recipients == [ANA]
    assert email.message["Subject"] == SUBJECT
    assert "Browser: Firefox on Linux. Network address: 203.0.113.9." in email.text
    assert f"{utcnow():%Y}" in email.text
    assert "If this was not you" in email.text
    assert "http://aura.test/account#sessions" in email.text
    for part in (email.text, email.html):
        assert "evil" not in part
        assert PASSWORD not in part


@pytest.mark.parametrize(
    ("what", "facts", "words"),
    [
        (security_mail.ADDED, {"factor": "app", "name": ""}, "An authenticator app was added"),
        (
            security_mail.REMOVED,
            {"factor": "passkey", "name": "<i>http://evil.example\n"},
            "The passkey “<i>http evil.example” was removed",
        ),
        (security_mail.CODES_CREATED, {}, "The former codes no longer work"),
        (security_mail.CODE_USED, {"left": 1}, "One recovery code is left"),
        (security_mail.CODE_USED, {"left": 0}, "0 recovery codes are left"),
        (security_mail.RESET, {"by": "Olga"}, "Olga removed your authenticator app"),
    ],
)
def test_every_change_has_its_message(app, ana, config, what, facts, words):
    user = User.get_by_id(ana.id)

    def act() -> None:
        security_mail.queue_notice(user, what, now=utcnow(), **facts)

    (email,) = emails_sent_by(app, ana, config, act)
    assert words in email.text
    assert "<i>http" not in email.html
    assert email.message["Subject"] == security_mail.SUBJECTS[what]
    assert "http://aura.test/account/second-factor" in email.text
