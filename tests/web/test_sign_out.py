"""Sign out: the session ends, and with it every copy of its cookie."""

from __future__ import annotations

from app.models.accounts import UserSession
from app.models.audit import AuditEntry


def copy_of(person, app):
    """Return a second browser with the same cookie."""
    thief = app.test_client()
    with person.session_transaction() as cookie:
        stolen = dict(cookie)
    with thief.session_transaction() as cookie:
        cookie.update(stolen)
    return thief


def test_signing_out_ends_the_session_and_says_so(as_ana):
    answer = as_ana.post("/sign-out")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")
    assert "You have signed out" in as_ana.get("/sign-in").text
    assert as_ana.get("/").headers["Location"] == "/sign-in"
    assert UserSession.get().ended_at is not None
    assert AuditEntry.newest(limit=1)[0].event == "signed_out"


def test_a_copied_cookie_ends_with_the_session(app, as_ana):
    thief = copy_of(as_ana, app)
    assert thief.get("/").status_code == 200
    as_ana.post("/sign-out")
    assert thief.get("/").status_code == 303


def test_signing_out_twice_harms_nothing(as_ana):
    as_ana.post("/sign-out")
    as_ana.forget_token()
    assert as_ana.post("/sign-out").headers["Location"] == "/sign-in"


def test_a_link_cannot_sign_a_person_out(as_ana):
    assert as_ana.get("/sign-out").status_code == 405
    assert as_ana.get("/").status_code == 200
