"""Sign in with a password and a code of the authenticator app or a recovery code."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.accounts import codes, one_time_links
from app.models.accounts import LoginFailure, User, UserSession
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.email import OutgoingEmail
from app.models.second_factors import PendingSignIn, RecoveryCode, SecondFactor
from tests.support.emails import turn_email_on
from tests.support.factories import PASSWORD
from tests.support.second_factors import add_app, app_code, forget_used_codes

ANA = "ana@agency.example"
STEP = "/sign-in/second-factor"
NEW = "five unrelated words suffice"


@pytest.fixture
def recovery(app, ana, config) -> list[str]:
    """Add an authenticator app for Ana and return her recovery codes."""
    created = add_app(User.get_by_id(ana.id), config, utcnow())
    forget_used_codes()
    return created


@pytest.fixture
def code(recovery, ana, config):
    """Return a function that returns the code of Ana's app, now or later."""
    user = User.get_by_id(ana.id)
    return lambda **later: app_code(user, config, utcnow() + timedelta(**later))


@pytest.fixture
def past_password(anonymous, recovery):
    """Return a browser in which the right password was typed."""
    anonymous.signs_in(ANA, PASSWORD)
    return anonymous


def events() -> list[str]:
    return [entry.event for entry in AuditEntry.newest()]


def test_the_password_alone_opens_nothing(anonymous, recovery):
    answer = anonymous.signs_in(ANA, PASSWORD)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{STEP}?next=/")
    assert "Code of your authenticator app" in anonymous.get(STEP).text
    for page in ("/", "/sites", "/account", "/account/second-factor"):
        assert anonymous.get(page).headers["Location"].startswith("/sign-in")
    assert not UserSession.select().exists()
    assert events()[0] == "password_accepted"


def test_the_code_of_the_app_signs_in(past_password, code):
    answer = past_password.post(STEP, data={"code": code(), "next": "/sites"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sites")
    assert past_password.get("/sites").status_code == 200
    assert not PendingSignIn.select().exists()
    assert AuditEntry.head().event == "signed_in"
    assert '"factor":"app"' in AuditEntry.head().body
    assert "with a password and a code" in past_password.get("/activity").text


def test_spaces_in_the_code_do_not_matter(past_password, code):
    shown = code()
    assert past_password.post(STEP, data={"code": f" {shown[:3]} {shown[3:]}"}).status_code == 303


def test_a_code_is_accepted_once(app, past_password, code):
    shown = code()
    other = app.test_client()
    other.signs_in(ANA, PASSWORD)
    assert past_password.post(STEP, data={"code": shown}).status_code == 303
    answer = other.post(STEP, data={"code": shown})
    assert answer.status_code == 422
    assert "was used before" in answer.text
    # A code older than the last accepted one is refused, too.
    assert other.post(STEP, data={"code": code(seconds=-30)}).status_code == 422
    assert other.post(STEP, data={"code": code(seconds=30)}).status_code == 303


@pytest.mark.parametrize(("seconds", "status"), [(-90, 422), (-30, 303), (30, 303), (90, 422)])
def test_clocks_may_differ_by_one_code(past_password, code, seconds, status):
    assert past_password.post(STEP, data={"code": code(seconds=seconds)}).status_code == status


@pytest.mark.parametrize(
    "typed", ["", "000000", "12345", "１２３４５６", "a" * 16, "x" * 4000, "\u0660" * 6, "-1 234 5"]
)
def test_any_other_input_is_refused(past_password, recovery, typed):
    SecondFactor.update(last_step=2**40).execute()
    answer = past_password.post(STEP, data={"code": typed})
    assert answer.status_code == 422
    assert "This code is not right" in answer.text
    assert past_password.get("/").status_code == 303
    assert events()[0] == "second_factor_refused"


# ---- recovery codes ----


def test_a_recovery_code_signs_in_once(app, past_password, recovery, ana, config):
    turn_email_on(ana, config, utcnow())
    answer = past_password.post(STEP, data={"code": recovery[3].upper()})
    assert answer.status_code == 303
    assert past_password.get("/").status_code == 200
    assert events()[:2] == ["signed_in", "recovery_code_used"]
    assert "9 are left" in past_password.get("/activity").text
    sent = [email.subject for email in OutgoingEmail.select().order_by(OutgoingEmail.id)]
    assert sent[0] == "A recovery code of your Aura account was used"
    again = app.test_client()
    again.signs_in(ANA, PASSWORD)
    assert again.post(STEP, data={"code": recovery[3]}).status_code == 422
    assert RecoveryCode.unused(ana.id) == 9


def test_a_recovery_code_of_another_person_is_refused(past_password, recovery, ben, config):
    other = add_app(User.get_by_id(ben.id), config, utcnow())
    assert past_password.post(STEP, data={"code": other[0]}).status_code == 422


def test_only_hashes_of_recovery_codes_are_stored(recovery):
    stored = str(list(RecoveryCode.select().dicts()))
    assert len(set(recovery)) == 10
    assert not any(code in stored or code.replace("-", "") in stored for code in recovery)


def test_the_secret_of_the_app_is_stored_encrypted(recovery, ana, config):
    user = User.get_by_id(ana.id)
    row = SecondFactor.of(user)
    secret = codes.open_secret(user, row.secret_sealed, config)
    assert secret not in str(row.__data__)


def test_without_the_sealing_key_a_recovery_code_still_works(past_password, app, recovery, config):
    app.config["AURA"] = replace(config, sealing_keys=(("other", bytes(32)),))
    answer = past_password.post(STEP, data={"code": "123456"})
    assert answer.status_code == 422
    assert "a sealing key is missing" in answer.text
    assert past_password.post(STEP, data={"code": recovery[0]}).status_code == 303


# ---- guessing ----


def wait_for(minutes: int) -> None:
    long_ago = utcnow() - timedelta(minutes=minutes)
    LoginFailure.update(at=long_ago).execute()


@pytest.mark.usefixtures("slow_guessing")
def test_guesses_are_slowed_down_and_the_owner_gets_in_again(past_password, code):
    for _ in range(6):
        answer = past_password.post(STEP, data={"code": "000000"})
    assert "Codes are paused" in answer.text
    assert past_password.post(STEP, data={"code": code()}).status_code == 422
    wait_for(minutes=5)
    assert past_password.post(STEP, data={"code": code()}).status_code == 303


@pytest.mark.usefixtures("slow_guessing")
def test_guesses_elsewhere_do_not_slow_down_a_known_browser(app, past_password, code):
    past_password.post(STEP, data={"code": code()})
    past_password.post("/sign-out")
    past_password.forget_token()
    thief = app.test_client()
    thief.signs_in(ANA, PASSWORD)
    for _ in range(8):
        answer = thief.post(STEP, data={"code": "000000"})
    assert "Codes are paused" in answer.text
    past_password.signs_in(ANA, PASSWORD)
    assert past_password.post(STEP, data={"code": code(seconds=30)}).status_code == 303


@pytest.mark.usefixtures("slow_guessing")
def test_a_right_password_does_not_reset_the_guesses_of_codes(past_password, code):
    for _ in range(6):
        past_password.post(STEP, data={"code": "000000"})
    past_password.forget_token()
    past_password.signs_in(ANA, PASSWORD)
    assert "Codes are paused" in past_password.post(STEP, data={"code": code()}).text


# ---- unfinished sign-ins ----


@pytest.mark.parametrize(
    "ended",
    [
        lambda: PendingSignIn.update(created_at=utcnow() - timedelta(minutes=10)).execute(),
        lambda: User.update(session_epoch=User.session_epoch + 1).execute(),
        lambda: User.update(disabled_at=utcnow()).execute(),
        lambda: PendingSignIn.delete().execute(),
    ],
)
def test_an_unfinished_sign_in_ends(past_password, code, ended):
    ended()
    answer = past_password.post(STEP, data={"code": code()})
    assert answer.headers["Location"] == "/sign-in"
    assert past_password.get("/").status_code == 303
    assert not UserSession.select().exists()


def test_the_second_step_without_the_first_leads_to_the_first(anonymous, code):
    assert anonymous.get(STEP).headers["Location"] == "/sign-in"
    assert anonymous.post(STEP, data={"code": code()}).headers["Location"] == "/sign-in"


def test_an_app_code_of_another_person_is_refused(anonymous, recovery, ben, config):
    add_app(User.get_by_id(ben.id), config, utcnow())
    forget_used_codes()
    anonymous.signs_in(ANA, PASSWORD)
    shown = app_code(User.get_by_id(ben.id), config, utcnow())
    assert anonymous.post(STEP, data={"code": shown}).status_code == 422


def test_the_form_that_was_kept_is_still_there_after_the_code(anonymous, code):
    kept = '["/sites/new", [["name", "Rosa"]]]'
    page = anonymous.signs_in(ANA, PASSWORD, kept=kept, next="/sites")
    assert page.status_code == 200
    fields = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.text))
    assert html.unescape(fields["kept"]) == kept
    answer = anonymous.post(STEP, data={"code": code(), "kept": kept, "next": "/sites"})
    assert answer.status_code == 200
    assert 'name="name" value="Rosa"' in answer.text


# ---- a link replaces the password and not the factor ----


def link_path(link: str, config) -> str:
    return link.removeprefix(config.origin)


@pytest.mark.parametrize("make", [one_time_links.reset_link, one_time_links.invitation_link])
def test_a_link_for_a_new_password_is_not_enough(anonymous, code, ana, config, make):
    path = link_path(make(User.get_by_id(ana.id), config), config)
    answer = anonymous.post(path, data={"password": NEW, "again": NEW})
    anonymous.forget_token()
    assert answer.headers["Location"] == f"{STEP}?next=/"
    assert anonymous.get("/").status_code == 303
    assert anonymous.post(STEP, data={"code": code()}).status_code == 303
    assert anonymous.get("/").status_code == 200
