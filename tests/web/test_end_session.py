"""Sessions: list them, end one or all others, and let old ones expire."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from app.models.accounts import User, UserSession
from app.models.base import utcnow
from tests.support.browsers import signed_in

PHONE = "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/150.0 Mobile Safari/537.36"


@pytest.fixture
def elsewhere(app, as_ana, ana):
    """Ana's other browser."""
    return signed_in(app, ana, PHONE)


def session_of(person) -> UserSession:
    with person.session_transaction() as cookie:
        secret = cookie["_user_id"].partition(".")[2]
    return UserSession.get(UserSession.token_hash == hashlib.sha256(secret.encode()).hexdigest())


def test_every_open_session_is_listed_and_one_is_ended(as_ana, elsewhere):
    text = as_ana.get("/account").text
    assert "Firefox on Linux" in text
    assert "Chrome on Android" in text
    assert text.count("This browser") == 1
    other = session_of(elsewhere)
    response = as_ana.post(f"/account/sessions/{other.id}/end")
    assert (response.status_code, response.headers["Location"]) == (303, "/account")
    assert elsewhere.get("/").status_code == 303
    assert as_ana.get("/").status_code == 200
    assert "Chrome on Android" not in as_ana.get("/account").text


def test_all_others_end_with_one_click(app, as_ana, elsewhere, ana):
    third = signed_in(app, ana)
    as_ana.post("/account/sessions/end-others")
    assert [p.get("/").status_code for p in (as_ana, elsewhere, third)] == [200, 303, 303]


def test_a_user_cannot_end_the_session_of_another_user(as_ana, as_ben):
    assert as_ben.post(f"/account/sessions/{session_of(as_ana).id}/end").status_code == 404
    assert as_ana.get("/").status_code == 200


def test_a_session_that_ended_is_not_ended_again(as_ana, elsewhere):
    path = f"/account/sessions/{session_of(elsewhere).id}/end"
    as_ana.post(path)
    at = session_of(elsewhere).ended_at
    as_ana.post(path)
    assert session_of(elsewhere).ended_at == at


@pytest.mark.parametrize(
    ("column", "age", "counts"),
    [
        ("last_seen_at", timedelta(minutes=29), True),
        ("last_seen_at", timedelta(minutes=30), False),
        ("created_at", timedelta(hours=11, minutes=59), True),
        ("created_at", timedelta(hours=12), False),
    ],
)
def test_a_session_expires(as_ana, column, age, counts):
    UserSession.update(**{column: utcnow() - age}).execute()
    assert (as_ana.get("/").status_code == 200) is counts


def test_a_request_extends_a_session_and_polling_does_not(as_ana, paired):
    long_ago = utcnow() - timedelta(minutes=20)
    UserSession.update(last_seen_at=long_ago).execute()
    path = f"/sites/{paired.id}/progress?seen=sync"
    assert as_ana.get(path, headers={"HX-Request": "true"}).status_code == 200
    assert session_of(as_ana).last_seen_at == long_ago
    as_ana.get("/")
    assert session_of(as_ana).last_seen_at > long_ago


def test_a_newer_epoch_ends_sessions_that_the_table_has_as_open(as_ana, ana):
    User.get_by_id(ana.id).end_sessions()
    assert as_ana.get("/").status_code == 303


@pytest.mark.parametrize("ticket", ["", ".", "1.", "1.x", "x", "1." + "é" * 9, "2." + "A" * 43])
def test_a_forged_ticket_is_refused(app, anonymous, ana, ticket):
    with anonymous.session_transaction() as cookie:
        cookie["_user_id"] = ticket
    assert anonymous.get("/").status_code == 303
