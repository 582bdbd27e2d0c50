"""An owner resets the factors of a person who lost their phone; no one else can."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.models.accounts import User, UserSession
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.email import OutgoingEmail
from app.models.second_factors import Passkey, RecoveryCode, SecondFactor
from tests.support.browsers import signed_in
from tests.support.emails import turn_email_on
from tests.support.factories import PASSWORD
from tests.support.second_factors import add_app, make_passkey


@pytest.fixture
def path(as_ana, ben, config) -> str:
    """Add an app and a passkey for Ben; return the path where Ana resets them."""
    user = User.get_by_id(ben.id)
    add_app(user, config, utcnow())
    make_passkey(user, utcnow())
    return f"/team/{ben.id}/second-factor/reset"


def test_an_owner_resets_all_factors_of_a_colleague(app, as_ana, ben, ana, config, path):
    turn_email_on(ana, config, utcnow())
    elsewhere = signed_in(app, ben)
    assert "Second factor on" in as_ana.get("/team").text
    page = as_ana.get(path.removesuffix("/reset")).text
    assert "the password alone is enough" in page
    assert as_ana.post(path).headers["Location"] == "/team"
    for rows in (SecondFactor, Passkey, RecoveryCode):
        assert not rows.select().exists()
    assert elsewhere.get("/").status_code == 303
    assert AuditEntry.head().event == "second_factors_reset"
    assert "removed all second factors of" in as_ana.get("/activity").text
    email = OutgoingEmail.get()
    assert (email.user_id, email.content["by"]) == (ben.id, "Ana")
    assert app.test_client().signs_in("ben@agency.example", PASSWORD).headers["Location"] == "/"
    assert "Second factor on" not in as_ana.get("/team").text
    assert as_ana.post(path).status_code == 409


def test_a_stolen_session_of_an_owner_resets_nothing(as_ana, path):
    UserSession.update(verified_at=utcnow() - timedelta(minutes=10)).execute()
    assert as_ana.post(path).status_code == 403
    assert SecondFactor.get().has_app


def test_only_an_owner_resets_factors(as_cleo, path):
    assert as_cleo.post(path).status_code == 403
    assert SecondFactor.get().has_app


def test_an_owner_cannot_reset_their_own_factors(as_ana, ana, path):
    answer = as_ana.post(f"/team/{ana.id}/second-factor/reset")
    assert answer.status_code == 409
    assert "Change your own factors" in answer.text


def test_an_erased_person_leaves_no_factor(as_ana, ben, path):
    as_ana.post(f"/team/{ben.id}/disable")
    assert Passkey.select().exists()
    as_ana.post(f"/team/{ben.id}/erase", data={"reason": "asked for it"})
    for rows in (SecondFactor, Passkey, RecoveryCode):
        assert not rows.select().exists()
