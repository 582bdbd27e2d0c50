"""Sign in with a password; every failure gets the same response."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from argon2 import PasswordHasher

from app.domain.accounts import passwords
from app.models.accounts import LoginFailure, User, UserSession
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.views.pending_form import safe_next
from tests.support.factories import PASSWORD

ANA = "ana@agency.example"


def notice_in(answer) -> str:
    return re.search(r'role="alert".*?<p>(.*?)</p>', answer.text, re.DOTALL).group(1)


def test_the_right_password_opens_the_list_of_sites(anonymous, ana):
    answer = anonymous.signs_in(ANA, PASSWORD)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "Connect your first site" in anonymous.get("/").text
    session = UserSession.get()
    assert (session.user_id, session.ended_at) == (ana.id, None)
    assert [entry.event for entry in AuditEntry.newest(limit=1)] == ["signed_in"]


def test_case_and_spaces_of_the_address_do_not_matter(anonymous, ana):
    assert anonymous.signs_in(f" {ANA.upper()} ", PASSWORD).status_code == 303


def test_the_requested_page_opens_after_signing_in(anonymous, ana):
    sent = anonymous.get("/activity?event=site_added")
    assert sent.headers["Location"] == "/sign-in?next=/activity?event%3Dsite_added"
    assert 'value="/activity?event=site_added"' in anonymous.get(sent.headers["Location"]).text
    answer = anonymous.signs_in(ANA, PASSWORD, next="/activity?event=site_added")
    assert answer.headers["Location"] == "/activity?event=site_added"


def test_only_a_hash_of_the_session_is_stored(anonymous, ana):
    anonymous.signs_in(ANA, PASSWORD)
    with anonymous.session_transaction() as cookie:
        secret = cookie["_user_id"].partition(".")[2]
    assert len(secret) >= 43
    assert UserSession.get().token_hash not in ("", secret)
    assert secret not in str(list(UserSession.select().dicts()))


def test_signing_in_discards_the_earlier_cookie(anonymous, ana):
    with anonymous.session_transaction() as cookie:
        cookie["planted"] = "by an attacker"
    before = anonymous.token()
    anonymous.signs_in(ANA, PASSWORD)
    with anonymous.session_transaction() as cookie:
        assert "planted" not in cookie
    assert anonymous.post("/sign-out", data={"csrf_token": before}).status_code == 400


def test_a_signed_in_person_is_not_asked_again(as_ana):
    assert as_ana.get("/sign-in?next=/activity").headers["Location"] == "/activity"


# ---- failures ----


def test_every_failure_gets_the_same_answer(anonymous, ana, ben, cleo):
    User.update(disabled_at=utcnow()).where(User.id == ben.id).execute()
    User.update(password_hash="!").where(User.id == cleo.id).execute()
    tried = [
        (ANA, "not the password at all"),
        ("nobody@agency.example", PASSWORD),
        ("ben@agency.example", PASSWORD),
        ("cleo@agency.example", "!"),
        ("", ""),
        (ANA, ""),
        ("x" * 5000, "y" * 5000),
    ]
    answers = [anonymous.signs_in(email, password) for email, password in tried]
    assert {answer.status_code for answer in answers} == {422}
    assert len({notice_in(answer) for answer in answers}) == 1
    more = []
    for _ in range(8):
        LoginFailure.update(at=utcnow()).execute()
        more.append(anonymous.signs_in(ANA, "still not it, sorry"))
    assert {answer.status_code for answer in more} == {422}
    # Aura refused some attempts without checking the password.
    assert LoginFailure.select().count() < len(answers) + len(more)


def test_the_form_keeps_the_address_and_not_the_password(anonymous, ana):
    answer = anonymous.signs_in(ANA, "not the password at all")
    assert f'value="{ANA}"' in answer.text
    assert "not the password" not in answer.text


def test_a_failure_is_in_the_audit_log_without_the_address(anonymous, ana):
    anonymous.signs_in("secret-address@agency.example", "whatever it may be")
    entry = AuditEntry.newest(event="sign_in_failed", limit=1)[0]
    assert "no such account" in entry.body
    assert "secret-address" not in entry.body
    assert "secret-address" not in str(list(LoginFailure.select().dicts()))


def test_an_unknown_address_takes_as_long_as_a_known_one(anonymous, ana, monkeypatch):
    """Count the slow hashes, because a measured time varies."""
    checked = []
    real = passwords._hasher.verify

    class Counting:
        def verify(self, stored, password):
            checked.append(stored[:27])
            return real(stored, password)

    monkeypatch.setattr(passwords, "_hasher", Counting())
    for email in (ANA, "nobody@agency.example"):
        anonymous.signs_in(email, "not the password at all")
    assert len(checked) == 2
    assert checked[0] == checked[1]


# ---- guessing ----


def test_guessing_is_slowed_and_even_the_right_password_has_to_wait(anonymous, ana):
    for _ in range(5):
        anonymous.signs_in(ANA, "not the password at all")
    # On a slow machine the last attempt may be too old, so set its time to now.
    LoginFailure.update(at=utcnow()).execute()
    assert anonymous.signs_in(ANA, PASSWORD).status_code == 422
    LoginFailure.update(at=utcnow() - timedelta(seconds=3)).execute()
    assert anonymous.signs_in(ANA, PASSWORD).status_code == 303
    assert LoginFailure.select().count() == 0


@pytest.mark.usefixtures("slow_guessing")
def test_a_stranger_cannot_lock_out_a_browser_the_person_used_before(app, anonymous, ana):
    anonymous.signs_in(ANA, PASSWORD)
    anonymous.post("/sign-out")
    anonymous.forget_token()
    stranger = app.test_client()
    for _ in range(9):
        stranger.signs_in(ANA, "not the password at all")
    assert stranger.signs_in(ANA, PASSWORD).status_code == 422
    assert anonymous.signs_in(ANA, PASSWORD).status_code == 303


def test_an_outdated_hash_is_replaced_at_sign_in(anonymous, ana):
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    User.update(password_hash=weak).where(User.id == ana.id).execute()
    assert anonymous.signs_in(ANA, PASSWORD).status_code == 303
    assert not passwords.is_outdated(User.get_by_id(ana.id).password_hash)


# ---- redirects ----


@pytest.mark.parametrize("path", ["/", "/sites/3", "/activity?event=x&site=1", "/a#b"])
def test_a_redirect_to_a_page_of_aura_is_allowed(path):
    assert safe_next(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "sites",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\\\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        " //evil.example",
        "/x y",
        "/\x7f",
    ],
)
def test_a_redirect_to_another_site_is_refused(path):
    assert safe_next(path) == "/"


def test_a_foreign_address_in_the_form_leads_to_the_overview(anonymous, ana):
    assert anonymous.signs_in(ANA, PASSWORD, next="//evil.example").headers["Location"] == "/"


def test_a_form_sent_without_a_session_leads_back_to_its_page(anonymous, ana):
    assert anonymous.post("/sites/new").headers["Location"] == "/sign-in?next=/sites/new"
    assert anonymous.post("/sites/1/sync").headers["Location"] == "/sign-in"


def test_a_refreshing_part_links_to_the_sign_in_page(anonymous, paired):
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://localhost/sites/{paired.id}"}
    answer = anonymous.get(f"/sites/{paired.id}/progress", headers=headers)
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (286, "#session-note")
    assert f'href="/sign-in?next=/sites/{paired.id}"' in answer.text


@pytest.mark.parametrize("email", [ANA, "nobody@agency.example"])
def test_a_paused_sign_in_does_not_reveal_who_has_an_account(anonymous, ana, email):
    for _ in range(5):
        anonymous.signs_in(email, "not the password at all")
    assert "Sign-in is paused" not in anonymous.get("/sign-in").text
    LoginFailure.update(at=utcnow()).execute()
    paused = anonymous.signs_in(email, PASSWORD)
    assert paused.status_code == 422
    assert "Sign-in is paused after several failed attempts" in paused.text
