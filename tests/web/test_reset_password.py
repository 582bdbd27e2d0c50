"""Reset a forgotten password by e-mail, without revealing which addresses have an account."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from app.domain.accounts import one_time_links, password_resets, users
from app.models.accounts import User, UserSession
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.email import OutgoingEmail
from tests.support.emails import deliver_all, turn_email_on
from tests.support.factories import PASSWORD
from tests.support.smtp_server import running_smtp

NEW = "five unrelated words suffice"
CHOSEN = {"password": NEW, "again": NEW}


@pytest.fixture
def email_on(app, ana, config):
    turn_email_on(ana, config, utcnow())


def request_link(visitor, email="ana@agency.example"):
    return visitor.post("/password", data={"email": email})


def link_for(user_id, config):
    return one_time_links.reset_link(User.get_by_id(user_id), config).removeprefix(config.origin)


def test_the_link_arrives_and_chooses_a_new_password(app, anonymous, ana, config):
    with running_smtp() as relay:
        turn_email_on(ana, config, utcnow(), port=relay.port)
        assert 'href="/password"' in anonymous.get("/sign-in").text
        assert request_link(anonymous, " Ana@Agency.example ").headers["Location"] == "/sign-in"
        assert deliver_all(config, utcnow) == ["sent"]
    (message,) = relay.received
    assert message.recipients == ["ana@agency.example"]
    path = re.search(r"http://aura\.test(/password/\S+)", message.text)[1]
    assert path.rpartition("/")[2] not in str(OutgoingEmail.get().__data__)
    assert "ana@agency.example" in anonymous.get(path).text
    assert anonymous.post(path, data=CHOSEN).headers["Location"] == "/"
    assert "Ana" in anonymous.get("/").text
    assert app.test_client().post(path, data=CHOSEN).status_code == 410
    assert app.test_client().signs_in("ana@agency.example", PASSWORD).status_code == 422
    assert app.test_client().signs_in("ana@agency.example", NEW).status_code == 303


def test_the_answer_is_the_same_for_every_address(app, ana, cleo, email_on):
    users.disable_user(User.get_by_id(cleo.id), by=ana, now=utcnow())
    pages = set()
    for email in ("ana@agency.example", "cleo@agency.example", "eve@evil.example", "", "x" * 400):
        visitor = app.test_client()
        assert request_link(visitor, email).headers["Location"] == "/sign-in"
        page = visitor.get("/sign-in").text
        assert "a link is on its way" in page
        pages.add(re.sub(r'value="[^"]+"', "", page))
    assert len(pages) == 1
    assert [email.user_id for email in OutgoingEmail.select()] == [ana.id]
    requests = [entry for entry in AuditEntry.newest() if entry.event == "password_reset_requested"]
    assert len(requests) == 5
    assert "eve@evil.example" not in "".join(entry.body for entry in requests)


def test_the_same_work_is_done_for_every_address(app, ana, email_on, jobs):
    """Each request queues one job, so the response time does not reveal an account."""
    jobs.jobs.clear()
    request_link(app.test_client())
    request_link(app.test_client(), "eve@evil.example")
    assert [name for name, *_ in jobs.jobs] == ["send_email", "send_email"]


@pytest.mark.usefixtures("slow_guessing")
def test_requests_are_limited_and_a_mailbox_is_not_filled(app, ana, email_on):
    for _ in range(30):
        assert request_link(app.test_client()).status_code == 303
    assert OutgoingEmail.select().count() == 1
    events = [entry.event for entry in AuditEntry.newest(limit=200)]
    assert events.count("password_reset_requested") == 5


def test_nothing_changes_until_the_link_is_used(app, as_ana, ana, email_on):
    request_link(app.test_client())
    assert as_ana.get("/").status_code == 200
    assert User.get_by_id(ana.id).session_epoch == 1
    assert app.test_client().signs_in("ana@agency.example", PASSWORD).status_code == 303


def test_a_new_password_ends_all_sessions(app, as_ana, ana, email_on, config):
    app.test_client().post(link_for(ana.id, config), data=CHOSEN)
    assert as_ana.get("/").status_code == 303
    open_sessions = UserSession.select().where(UserSession.ended_at.is_null())
    assert open_sessions.count() == 1


def test_the_link_expires_after_an_hour_and_is_no_invitation(anonymous, ana, config, monkeypatch):
    path = link_for(ana.id, config)
    token = path.rpartition("/")[2]
    assert anonymous.get(f"/invitation/{token}").status_code == 410
    monkeypatch.setattr(one_time_links, "RESET_MAX_AGE", timedelta(seconds=-1))
    assert anonymous.get(path).status_code == 410
    assert anonymous.post(path, data=CHOSEN).status_code == 410


def test_an_invitation_is_no_reset_link(anonymous, ana, config):
    link = one_time_links.invitation_link(User.get_by_id(ana.id), config)
    assert anonymous.get(f"/password/{link.rpartition('/')[2]}").status_code == 410
    assert anonymous.get("/password/nonsense").status_code == 410


def test_a_weak_password_is_refused_and_the_link_goes_on_working(anonymous, ana, config):
    path = link_for(ana.id, config)
    assert anonymous.post(path, data={"password": "a", "again": "a"}).status_code == 422
    assert anonymous.post(path, data=CHOSEN).status_code == 303


def test_without_a_server_the_sign_in_page_points_to_an_owner(anonymous, ana):
    assert "Ask an owner" in anonymous.get("/sign-in").text
    assert anonymous.get("/password").status_code == 404
    assert request_link(anonymous).headers["Location"] == "/sign-in"
    assert not OutgoingEmail.select().exists()


def test_a_second_request_is_sent_after_a_few_minutes(ana, email_on, config):
    browser = users.ClientInfo("192.0.2.9")
    now = utcnow()
    for minutes in (0, 1, 6):
        password_resets.request_reset(
            email="ana@agency.example",
            browser=browser,
            config=config,
            now=now + timedelta(minutes=minutes),
        )
    assert OutgoingEmail.select().count() == 2


def test_an_invitation_is_sent_and_shown(as_ana, email_on):
    assert "Aura sends the link to it." in as_ana.get("/team").text
    form = {"name": "Eve", "email": "eve@agency.example", "role": "viewer"}
    page = as_ana.post("/team", data=form, follow_redirects=True).text
    assert "A message with it is on its way to eve@agency.example" in page
    assert "/invitation/" in page
    email = OutgoingEmail.get()
    assert (email.kind, email.user.email) == ("invitation", "eve@agency.example")


def test_without_a_server_an_invitation_is_only_shown(as_ana):
    form = {"name": "Eve", "email": "eve@agency.example", "role": "viewer"}
    page = as_ana.post("/team", data=form, follow_redirects=True).text
    assert "on its way" not in page
    assert "You get a link to pass on." in as_ana.get("/team").text
