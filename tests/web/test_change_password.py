"""Change your own password: the rules, the audit log, and the end of other sessions."""

from __future__ import annotations

import pytest

from app.domain.audit.documents import entry_document
from app.models.accounts import User
from app.models.audit import AuditEntry
from tests.support.browsers import signed_in
from tests.support.factories import PASSWORD

NEW = "quite another four words"
TYPED = {"present": PASSWORD, "new": NEW, "again": NEW}


def test_the_new_password_replaces_the_old_one(app, as_ana, ana):
    elsewhere = signed_in(app, ana)
    response = as_ana.post("/account/password", data=TYPED)
    assert (response.status_code, response.headers["Location"]) == (303, "/account")
    assert "Password changed" in as_ana.get("/account").text
    assert elsewhere.get("/").status_code == 303
    stranger = app.test_client()
    assert stranger.signs_in("ana@agency.example", PASSWORD).status_code == 422
    assert stranger.signs_in("ana@agency.example", NEW).status_code == 303


def test_the_current_session_gets_a_new_ticket(as_ana):
    with as_ana.session_transaction() as cookie:
        before = cookie["_user_id"]
    as_ana.post("/account/password", data=TYPED)
    with as_ana.session_transaction() as cookie:
        assert cookie["_user_id"] != before


def test_the_change_is_in_the_audit_log(as_ana):
    as_ana.post("/account/password", data=TYPED)
    assert "password_changed" in [entry.event for entry in AuditEntry.newest()]
    assert NEW not in "".join(entry.body for entry in AuditEntry.newest())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"present": "not the password at all"}, "present"),
        ({"new": "short", "again": "short"}, "new"),
        ({"again": "something else entirely"}, "again"),
        ({"new": PASSWORD, "again": PASSWORD}, "new"),
        ({"new": "ana@agency.example", "again": "ana@agency.example"}, "new"),
    ],
)
def test_a_mistake_is_an_error_at_its_field(as_ana, ana, changes, field):
    before = User.get_by_id(ana.id).password_hash
    response = as_ana.post("/account/password", data={**TYPED, **changes})
    assert response.status_code == 422
    assert f'id="f-{field}-error"' in response.text
    assert User.get_by_id(ana.id).password_hash == before


@pytest.mark.usefixtures("slow_guessing")
def test_a_stolen_session_cannot_guess_the_password(as_ana, ana):
    wrong = {**TYPED, "present": "not the password at all"}
    for _ in range(5):
        as_ana.post("/account/password", data=wrong)
    assert as_ana.post("/account/password", data=TYPED).status_code == 422
    assert as_ana.get("/").status_code == 200


@pytest.mark.usefixtures("slow_guessing")
def test_each_guess_is_in_the_audit_log_with_its_reason(as_ana):
    wrong = {**TYPED, "present": "not the password at all"}
    for _ in range(6):
        as_ana.post("/account/password", data=wrong)
    entries = [entry_document(entry) for entry in AuditEntry.newest(event="password_refused")]
    reasons = [entry["facts"]["reason"] for entry in entries]
    assert reasons == ["too many attempts", *["wrong password"] * 5]
    assert {entry["actor"]["kind"] for entry in entries} == {"user"}
    assert "The password was refused" in as_ana.get("/activity").text


def test_guessing_here_does_not_block_sign_in(app, as_ana, ana):
    wrong = {**TYPED, "present": "not the password at all"}
    for _ in range(5):
        as_ana.post("/account/password", data=wrong)
    assert app.test_client().signs_in("ana@agency.example", PASSWORD).status_code == 303
