"""An owner decides which roles need a second factor; users add one at their next sign-in."""

from __future__ import annotations

import re
from dataclasses import replace

import pyotp
import pytest

from app.domain.accounts import one_time_links
from app.domain.actor import Actor
from app.models.accounts import User, UserSession
from app.models.agency import Agency
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.second_factors import Passkey, PendingSignIn, SecondFactor
from tests.support.browsers import signed_in
from tests.support.factories import PASSWORD, make_user
from tests.support.second_factors import add_app

ADD = "/sign-in/add-factor"
BEN = "ben@agency.example"


def require(person, *roles: str):
    return person.post("/settings/security/second-factor", data={"roles": list(roles)})


def code_on(page: str) -> str:
    secret = re.search(r'<code class="secret">([^<]+)</code>', page).group(1)
    return pyotp.TOTP(secret.replace(" ", "")).now()


def test_the_roles_are_chosen_in_the_settings(as_ana, ben):
    page = as_ana.get("/settings/security").text
    assert "Roles that need a second factor" in page
    assert "0 of 1 have one" in page
    assert require(as_ana, "operator", "owner").status_code == 303
    assert Agency.read().second_factor_roles == ["owner", "operator"]
    assert AuditEntry.head().event == "second_factor_rule_changed"
    assert "these roles need a second factor: owner, operator" in as_ana.get("/activity").text
    before = AuditEntry.head()
    require(as_ana, "owner", "operator")
    assert AuditEntry.head() == before
    require(as_ana)
    assert Agency.read().second_factor_roles == []


def test_an_unknown_role_is_refused(as_ana):
    assert require(as_ana, "owner", "wizard").status_code == 422
    assert not Agency.read().second_factor_roles


def test_open_sessions_continue_until_the_next_sign_in(app, as_ana, ben):
    working = signed_in(app, ben)
    require(as_ana, "operator")
    assert working.get("/sites").status_code == 200
    assert "at your next sign-in" in working.get("/account/second-factor").text


def test_at_the_next_sign_in_a_factor_is_added_before_anything_else(app, as_ana, ben, anonymous):
    require(as_ana, "operator")
    working = signed_in(app, ben)
    answer = anonymous.signs_in(BEN, PASSWORD, next="/sites")
    assert answer.headers["Location"] == f"{ADD}?next=/sites"
    assert anonymous.get("/sites").headers["Location"].startswith("/sign-in")
    assert anonymous.get("/sign-in/second-factor").headers["Location"].startswith(ADD)
    page = anonymous.get(answer.headers["Location"]).text
    assert "Your role, operator, needs a second factor" in page
    wrong = anonymous.post(f"{ADD}/app", data={"code": "000000"})
    assert wrong.status_code == 422
    assert code_on(wrong.text) == code_on(page)
    added = anonymous.post(f"{ADD}/app", data={"code": code_on(page), "next": "/sites"})
    shown = anonymous.get(added.headers["Location"]).text
    assert len(re.findall(r"(?:[a-z2-9]{4}-){3}[a-z2-9]{4}", shown)) == 10
    assert 'href="/sites"' in shown
    assert anonymous.get("/sites").status_code == 200
    assert working.get("/").status_code == 303
    assert [entry.event for entry in AuditEntry.newest(limit=1)] == ["signed_in"]


def test_other_roles_sign_in_as_before(as_ana, cleo, anonymous):
    require(as_ana, "operator")
    assert anonymous.signs_in("cleo@agency.example", PASSWORD).headers["Location"] == "/"


def test_an_invited_person_adds_a_factor_at_once(as_ana, anonymous, config):
    require(as_ana, "operator")
    user = make_user("Eve", "operator", password_hash="!")
    path = one_time_links.invitation_link(user, config).removeprefix(config.origin)
    chosen = {"password": "five unrelated words suffice", "again": "five unrelated words suffice"}
    assert anonymous.post(path, data=chosen).headers["Location"].startswith(ADD)
    assert anonymous.get("/").status_code == 303


def test_adding_needs_the_password_first(as_ana, anonymous, ben):
    require(as_ana, "operator")
    assert anonymous.get(ADD).headers["Location"] == "/sign-in"
    for path in (f"{ADD}/app", f"{ADD}/passkey"):
        assert anonymous.post(path, data={"code": "123456"}).headers["Location"] == "/sign-in"


def test_a_person_with_a_factor_cannot_add_another_at_sign_in(app, as_ana, ben):
    """Two browsers typed the right password. The browser of the thief is slower."""
    require(as_ana, "operator")
    owner, thief = app.test_client(), app.test_client()
    for person in (owner, thief):
        person.signs_in(BEN, PASSWORD)
    code = code_on(thief.get(ADD).text)
    owner.post(f"{ADD}/app", data={"code": code})
    answer = thief.post(f"{ADD}/app", data={"code": code})
    assert answer.headers["Location"] == "/sign-in"
    assert not PendingSignIn.select().exists()
    assert UserSession.select().where(UserSession.user == ben.id).count() == 1
    assert SecondFactor.select().count() == 1


def test_a_thief_with_the_password_adds_no_factor_beside_the_owners(
    app, as_ana, anonymous, ben, config
):
    app.config["AURA"] = replace(config, origin="http://localhost")
    require(as_ana, "operator")
    add_app(User.get_by_id(ben.id), config, utcnow())
    anonymous.signs_in(BEN, PASSWORD)
    assert anonymous.get(ADD).headers["Location"] == "/sign-in/second-factor"
    for path in (f"{ADD}/app", f"{ADD}/passkey", f"{ADD}/passkey/options"):
        answer = anonymous.post(path, data={"code": "123456", "name": "Mine"})
        assert answer.status_code == 409
        assert "Sign in with it" in answer.text
    assert not Passkey.select().exists()


@pytest.mark.parametrize("role", ["operator", "viewer", "client"])
def test_only_owners_choose_the_roles(app, ana, role):
    person = signed_in(app, Actor.of(make_user("Finn", role), "192.0.2.7"))
    assert require(person, "viewer").status_code == 403
