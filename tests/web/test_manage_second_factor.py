"""Add and remove an authenticator app. A stolen session can do neither."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import timedelta

import pyotp
import pytest

from app.models.accounts import User, UserSession
from app.models.agency import Agency
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.email import OutgoingEmail
from app.models.second_factors import Passkey, RecoveryCode, SecondFactor
from tests.support.browsers import signed_in
from tests.support.emails import turn_email_on
from tests.support.factories import PASSWORD
from tests.support.second_factors import add_app, app_code, forget_used_codes, make_passkey

PAGE = "/account/second-factor"
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
# Each route that changes or shows the user's own factors. Add new routes here.
ROUTES = {
    "account.verify": "/account/verify",
    "second_factors.begin_app": f"{PAGE}/app",
    "second_factors.confirm_app": f"{PAGE}/app/confirm",
    "second_factors.remove_app": f"{PAGE}/app/remove",
    "second_factors.begin_passkey": f"{PAGE}/passkeys",
    "second_factors.new_passkey_options": f"{PAGE}/passkeys/options",
    "second_factors.add_passkey": f"{PAGE}/passkeys/new",
    "second_factors.remove_passkey": f"{PAGE}/passkeys/4711/remove",
    "second_factors.renew_codes": f"{PAGE}/recovery-codes",
}
# This route confirms the identity and changes nothing.
PROVES = {"second_factors.confirm_options"}


@pytest.fixture
def with_app(as_ana, ana, config) -> list[str]:
    """Add an app for Ana, keep her session open and return her recovery codes."""
    created = add_app(User.get_by_id(ana.id), config, utcnow())
    UserSession.update(ended_at=None).execute()
    forget_used_codes()
    return created


@pytest.fixture(autouse=True)
def _passkey_origin(app, config):
    """Set the origin that these browsers open, because passkeys work only there."""
    app.config["AURA"] = replace(config, origin="http://localhost")


def steal(minutes: int = 10) -> None:
    """Make the last proof of identity `minutes` old, as in a stolen session."""
    UserSession.update(
        verified_at=utcnow() - timedelta(minutes=minutes), confirmed_at=utcnow()
    ).execute()


def secret_on(page: str) -> str:
    shown = re.search(r'<code class="secret">([^<]+)</code>', page)
    return shown.group(1).replace(" ", "") if shown else ""


def codes_on(page: str) -> list[str]:
    return re.findall(r"\b(?:[a-z2-9]{4}-){3}[a-z2-9]{4}\b", page)


# ---- adding ----


def test_an_app_is_added_with_its_first_code(app, as_ana, ana, config):
    turn_email_on(ana, config, utcnow())
    elsewhere = signed_in(app, ana)
    assert "protected by a password alone" in as_ana.get(PAGE).text
    assert as_ana.post(f"{PAGE}/app").headers["Location"] == f"{PAGE}/app"
    page = as_ana.get(f"{PAGE}/app").text
    code = pyotp.TOTP(secret_on(page)).now()
    assert 'aria-label="QR code' in page
    assert "style=" not in page
    answer = as_ana.post(f"{PAGE}/app/confirm", data={"code": code})
    shown = codes_on(as_ana.get(answer.headers["Location"]).text)
    assert len(set(shown)) == 10
    assert "In use" in as_ana.get(PAGE).text
    assert elsewhere.get("/").status_code == 303
    events = [entry.event for entry in AuditEntry.newest(limit=3)]
    assert events == ["session_ended", "recovery_codes_created", "second_factor_added"]
    assert OutgoingEmail.get().subject == "A second factor was added to your Aura account"


def test_secret_and_codes_are_shown_once(as_ana):
    as_ana.post(f"{PAGE}/app")
    secret = secret_on(as_ana.get(f"{PAGE}/app").text)
    answer = as_ana.post(f"{PAGE}/app/confirm", data={"code": pyotp.TOTP(secret).now()})
    shown = codes_on(as_ana.get(answer.headers["Location"]).text)
    for page in (f"{PAGE}/app", answer.headers["Location"], PAGE, "/account", "/activity"):
        text = as_ana.get(page, follow_redirects=True).text
        assert secret not in text.replace(" ", "")
        assert not set(codes_on(text)) & set(shown)
    log = "".join(entry.body for entry in AuditEntry.select())
    assert secret not in log
    assert not any(code in log for code in shown)


def test_a_wrong_first_code_changes_nothing(as_ana, ana):
    as_ana.post(f"{PAGE}/app")
    secret = secret_on(as_ana.get(f"{PAGE}/app").text)
    before = AuditEntry.head()
    answer = as_ana.post(f"{PAGE}/app/confirm", data={"code": "000000"})
    assert answer.status_code == 422
    assert secret_on(answer.text) == secret
    assert AuditEntry.head() == before
    assert not SecondFactor.get().has_app
    assert not RecoveryCode.select().exists()


def test_a_new_app_replaces_the_old_one_only_with_its_code(as_ana, with_app, ana, config):
    user = User.get_by_id(ana.id)
    as_ana.post(f"{PAGE}/app")
    old = app_code(user, config, utcnow())
    fresh = secret_on(as_ana.get(f"{PAGE}/app").text)
    assert as_ana.post(f"{PAGE}/app/confirm", data={"code": old}).status_code == 422
    as_ana.post(f"{PAGE}/app/confirm", data={"code": pyotp.TOTP(fresh).now()})
    assert app_code(user, config, utcnow()) == pyotp.TOTP(fresh).now()
    assert RecoveryCode.unused(ana.id) == 10


def test_the_code_that_added_an_app_cannot_sign_in(app, as_ana):
    as_ana.post(f"{PAGE}/app")
    code = pyotp.TOTP(secret_on(as_ana.get(f"{PAGE}/app").text)).now()
    as_ana.post(f"{PAGE}/app/confirm", data={"code": code})
    other = app.test_client()
    other.signs_in("ana@agency.example", PASSWORD)
    assert other.post("/sign-in/second-factor", data={"code": code}).status_code == 422


def test_a_pending_secret_expires_after_half_an_hour(as_ana):
    as_ana.post(f"{PAGE}/app")
    SecondFactor.update(pending_at=utcnow() - timedelta(minutes=30)).execute()
    assert as_ana.get(f"{PAGE}/app").headers["Location"] == PAGE
    assert as_ana.post(f"{PAGE}/app/confirm", data={"code": "123456"}).status_code == 409


# ---- removing ----


def test_removing_the_last_factor_deletes_the_recovery_codes(as_ana, with_app, ana, config):
    turn_email_on(ana, config, utcnow())
    assert as_ana.post(f"{PAGE}/app/remove").status_code == 303
    assert not RecoveryCode.select().exists()
    assert AuditEntry.head().event == "second_factor_removed"
    assert OutgoingEmail.get().subject == "A second factor was removed from your Aura account"
    assert as_ana.post(f"{PAGE}/app/remove").status_code == 409


def test_the_last_factor_of_a_role_that_needs_one_stays(as_ana, with_app, ana):
    Agency.write(second_factor_roles=["owner"])
    answer = as_ana.post(f"{PAGE}/app/remove")
    assert answer.status_code == 409
    assert "Add another one first" in answer.text
    kept = make_passkey(User.get_by_id(ana.id), utcnow())
    assert as_ana.post(f"{PAGE}/app/remove").status_code == 303
    assert as_ana.post(f"{PAGE}/passkeys/{kept.id}/remove").status_code == 409
    assert Passkey.select().count() == 1
    assert RecoveryCode.unused(ana.id) == 10


def test_new_recovery_codes_replace_the_former_ones(as_ana, with_app, ana):
    answer = as_ana.post(f"{PAGE}/recovery-codes")
    shown = codes_on(as_ana.get(answer.headers["Location"]).text)
    assert not set(shown) & set(with_app)
    assert RecoveryCode.select().count() == 10


def test_recovery_codes_need_a_factor(as_ana):
    assert as_ana.post(f"{PAGE}/recovery-codes").status_code == 409


def test_a_person_cannot_remove_the_passkey_of_another_person(as_ana, with_app, ben):
    other = make_passkey(User.get_by_id(ben.id), utcnow())
    assert as_ana.post(f"{PAGE}/passkeys/{other.id}/remove").status_code == 404
    assert Passkey.select().count() == 1


# ---- a stolen session ----


def test_every_route_that_changes_a_factor_is_tested(app):
    found = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "POST" in rule.methods and rule.endpoint.startswith("second_factors.")
    }
    assert found - PROVES == ROUTES.keys() - {"account.verify"}


@pytest.mark.parametrize("endpoint", ROUTES)
def test_a_stolen_session_is_asked_for_the_factor(as_ana, with_app, endpoint):
    steal()
    before = AuditEntry.head()
    answer = as_ana.post(ROUTES[endpoint], data={"name": "Mine", "code": "123456"})
    assert answer.status_code == 403
    assert "Code of your authenticator app" in answer.text
    assert AuditEntry.head() == before


@pytest.mark.parametrize("endpoint", ROUTES)
def test_a_stolen_password_does_not_help_a_stolen_session(as_ana, with_app, endpoint):
    steal()
    before = list(SecondFactor.select().dicts())
    answer = as_ana.post(ROUTES[endpoint], data={"own_password": PASSWORD})
    assert answer.status_code == 403
    wrong = {"own_password": PASSWORD, "own_code": "000000"}
    answer = as_ana.post(ROUTES[endpoint], data=wrong)
    assert answer.status_code == 422
    assert "This code is not right" in answer.text
    assert list(SecondFactor.select().dicts()) == before
    assert RecoveryCode.select().count() == 10


def test_a_stolen_session_does_not_see_a_secret(as_ana, with_app):
    as_ana.post(f"{PAGE}/app")
    assert secret_on(as_ana.get(f"{PAGE}/app").text)
    steal()
    answer = as_ana.get(f"{PAGE}/app")
    assert answer.headers["Location"] == PAGE
    assert not secret_on(answer.text)


def test_password_and_code_continue_the_interrupted_action(as_ana, with_app, ana, config):
    steal()
    prompt = as_ana.post(f"{PAGE}/app/remove")
    fields = {name: html.unescape(value) for name, value in HIDDEN.findall(prompt.text)}
    code = app_code(User.get_by_id(ana.id), config, utcnow())
    proof = {"own_password": PASSWORD, "own_code": code}
    assert as_ana.post(f"{PAGE}/app/remove", data=fields | proof).status_code == 303
    assert not SecondFactor.get().has_app
    assert "with a password and a code" in as_ana.get("/activity").text


def test_a_recovery_code_confirms_the_identity_once(as_ana, with_app):
    steal()
    proof = {"own_password": PASSWORD, "own_code": with_app[0]}
    assert as_ana.post(f"{PAGE}/app", data=proof).status_code == 303
    steal()
    assert as_ana.post(f"{PAGE}/app", data=proof).status_code == 422


def test_the_code_without_the_password_proves_nothing(as_ana, with_app, ana, config):
    steal()
    code = app_code(User.get_by_id(ana.id), config, utcnow())
    proof = {"own_password": "a guess", "own_code": code}
    assert as_ana.post(f"{PAGE}/app", data=proof).status_code == 422
    assert SecondFactor.get().last_step == 0


def test_without_a_factor_the_password_is_the_proof(as_ana):
    steal()
    assert as_ana.post(f"{PAGE}/app").status_code == 403
    assert as_ana.post(f"{PAGE}/app", data={"own_password": PASSWORD}).status_code == 303


def test_a_session_of_an_older_release_has_proven_nothing(as_ana):
    UserSession.update(verified_at=None).execute()
    assert as_ana.post(f"{PAGE}/app").status_code == 403


def test_the_password_is_not_changed_without_the_factor(as_ana, with_app, ana, config):
    typed = {"present": PASSWORD, "new": "another long passphrase 7"}
    typed["again"] = typed["new"]
    steal()
    assert 'name="new"' not in as_ana.get("/account").text
    answer = as_ana.post("/account/password", data=typed)
    assert answer.status_code == 403
    assert typed["new"] not in answer.text
    assert PASSWORD not in answer.text
    code = app_code(User.get_by_id(ana.id), config, utcnow())
    proof = {"own_password": PASSWORD, "own_code": code}
    assert as_ana.post("/account/verify", data=proof).headers["Location"] == "/account#password"
    assert 'name="new"' in as_ana.get("/account").text
    assert as_ana.post("/account/password", data=typed).status_code == 303


def test_other_sensitive_actions_still_need_the_password_alone(as_ana, with_app):
    UserSession.update(confirmed_at=utcnow() - timedelta(hours=1), verified_at=None).execute()
    invited = {"name": "Eve", "email": "eve@agency.example", "role": "viewer"}
    prompt = as_ana.post("/team", data=invited)
    assert "Code of your" not in prompt.text
    assert as_ana.post("/team", data={**invited, "own_password": PASSWORD}).status_code == 303
