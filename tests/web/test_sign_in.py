"""Somebody signs in; everybody else gets one and the same answer."""

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


def test_the_right_password_opens_the_list_of_sites(as_nobody, ana):
    answer = as_nobody.signs_in(ANA, PASSWORD)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "Connect your first site" in as_nobody.get("/").text
    session = UserSession.get()
    assert (session.user_id, session.ended_at) == (ana.id, None)
    assert [entry.event for entry in AuditEntry.newest(limit=1)] == ["signed_in"]


def test_case_and_spaces_of_the_address_do_not_matter(as_nobody, ana):
    assert as_nobody.signs_in(f" {ANA.upper()} ", PASSWORD).status_code == 303


def test_the_page_one_wanted_opens_after_signing_in(as_nobody, ana):
    sent = as_nobody.get("/activity?event=site_added")
    assert sent.headers["Location"] == "/sign-in?next=/activity?event%3Dsite_added"
    assert 'value="/activity?event=site_added"' in as_nobody.get(sent.headers["Location"]).text
    answer = as_nobody.signs_in(ANA, PASSWORD, next="/activity?event=site_added")
    assert answer.headers["Location"] == "/activity?event=site_added"


def test_only_a_hash_of_the_session_is_stored(as_nobody, ana):
    as_nobody.signs_in(ANA, PASSWORD)
    with as_nobody.session_transaction() as cookie:
        secret = cookie["_user_id"].partition(".")[2]
    assert len(secret) >= 43
    assert UserSession.get().token_hash not in ("", secret)
    assert secret not in str(list(UserSession.select().dicts()))


def test_signing_in_leaves_nothing_of_the_cookie_before(as_nobody, ana):
    with as_nobody.session_transaction() as cookie:
        cookie["planted"] = "by an attacker"
    before = as_nobody.token()
    as_nobody.signs_in(ANA, PASSWORD)
    with as_nobody.session_transaction() as cookie:
        assert "planted" not in cookie
    assert as_nobody.post("/sign-out", data={"csrf_token": before}).status_code == 400


def test_one_who_is_signed_in_is_not_asked_again(as_ana):
    assert as_ana.get("/sign-in?next=/activity").headers["Location"] == "/activity"


# ---- who may not ----


def test_every_failure_gets_the_same_answer(as_nobody, ana, ben, cleo):
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
    answers = [as_nobody.signs_in(email, password) for email, password in tried]
    assert {answer.status_code for answer in answers} == {422}
    assert len({notice_in(answer) for answer in answers}) == 1
    more = []
    for _ in range(8):
        LoginFailure.update(at=utcnow()).execute()
        more.append(as_nobody.signs_in(ANA, "still not it, sorry"))
    assert {answer.status_code for answer in more} == {422}
    # Some of them were not even looked at.
    assert LoginFailure.select().count() < len(answers) + len(more)


def test_the_address_typed_is_kept_the_password_is_not(as_nobody, ana):
    answer = as_nobody.signs_in(ANA, "not the password at all")
    assert f'value="{ANA}"' in answer.text
    assert "not the password" not in answer.text


def test_a_failure_is_in_the_audit_log_without_the_address(as_nobody, ana):
    as_nobody.signs_in("secret-address@agency.example", "whatever it may be")
    entry = AuditEntry.newest(event="sign_in_failed", limit=1)[0]
    assert "no such account" in entry.body
    assert "secret-address" not in entry.body
    assert "secret-address" not in str(list(LoginFailure.select().dicts()))


def test_a_name_nobody_has_takes_as_long_as_one_somebody_has(as_nobody, ana, monkeypatch):
    """The slow part runs once for each of them; a clock would only guess."""
    checked = []
    real = passwords._hasher.verify

    class Counting:
        def verify(self, stored, password):
            checked.append(stored[:27])
            return real(stored, password)

    monkeypatch.setattr(passwords, "_hasher", Counting())
    for email in (ANA, "nobody@agency.example"):
        as_nobody.signs_in(email, "not the password at all")
    assert len(checked) == 2
    assert checked[0] == checked[1]


# ---- guessing ----


def test_guessing_is_slowed_and_even_the_right_password_has_to_wait(as_nobody, ana):
    for _ in range(5):
        as_nobody.signs_in(ANA, "not the password at all")
    # However slowly this machine checks passwords, the last attempt was just now.
    LoginFailure.update(at=utcnow()).execute()
    assert as_nobody.signs_in(ANA, PASSWORD).status_code == 422
    LoginFailure.update(at=utcnow() - timedelta(seconds=3)).execute()
    assert as_nobody.signs_in(ANA, PASSWORD).status_code == 303
    assert LoginFailure.select().count() == 0


@pytest.mark.usefixtures("slow_guessing")
def test_a_stranger_cannot_lock_out_a_browser_the_person_used_before(app, as_nobody, ana):
    as_nobody.signs_in(ANA, PASSWORD)
    as_nobody.post("/sign-out")
    as_nobody.forget_token()
    stranger = app.test_client()
    for _ in range(9):
        stranger.signs_in(ANA, "not the password at all")
    assert stranger.signs_in(ANA, PASSWORD).status_code == 422
    assert as_nobody.signs_in(ANA, PASSWORD).status_code == 303


def test_an_outdated_hash_is_replaced_without_asking(as_nobody, ana):
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    User.update(password_hash=weak).where(User.id == ana.id).execute()
    assert as_nobody.signs_in(ANA, PASSWORD).status_code == 303
    assert not passwords.is_outdated(User.get_by_id(ana.id).password_hash)


# ---- where one is sent ----


@pytest.mark.parametrize("path", ["/", "/sites/3", "/activity?event=x&site=1", "/a#b"])
def test_pages_of_aura_may_be_asked_for(path):
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
def test_nobody_is_sent_to_another_site(path):
    assert safe_next(path) == "/"


def test_a_foreign_address_in_the_form_leads_home(as_nobody, ana):
    assert as_nobody.signs_in(ANA, PASSWORD, next="//evil.example").headers["Location"] == "/"


def test_a_form_sent_without_a_session_leads_back_to_its_page(as_nobody, ana):
    assert as_nobody.post("/sites/new").headers["Location"] == "/sign-in?next=/sites/new"
    assert as_nobody.post("/sites/1/sync").headers["Location"] == "/sign-in"


def test_a_refreshing_part_says_it_and_leaves_the_page_as_it_is(as_nobody, paired):
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://localhost/sites/{paired.id}"}
    answer = as_nobody.get(f"/sites/{paired.id}/progress", headers=headers)
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (286, "#session-note")
    assert f'href="/sign-in?next=/sites/{paired.id}"' in answer.text


@pytest.mark.parametrize("email", [ANA, "nobody@agency.example"])
def test_a_paused_sign_in_says_so_and_tells_nobody_who_has_an_account(as_nobody, ana, email):
    for _ in range(5):
        as_nobody.signs_in(email, "not the password at all")
    assert "Sign-in is paused" not in as_nobody.get("/sign-in").text
    LoginFailure.update(at=utcnow()).execute()
    paused = as_nobody.signs_in(email, PASSWORD)
    assert paused.status_code == 422
    assert "Sign-in is paused after several failed attempts" in paused.text
