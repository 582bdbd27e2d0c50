"""Review accounts and keys, renew all keys, and read which data Aura keeps."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.accounts import login_throttle, sessions
from app.domain.audit import export
from app.models.accounts import UserSession
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.rotations import Rotation
from app.models.sites import Site

PAGE = "/settings/security"
PRIVACY = "/settings/privacy"


def text_of(answer):
    return " ".join(re.sub("<[^>]+>", " ", answer.text).split())


@pytest.mark.parametrize("person", ["as_ben", "as_cleo", "as_dora"])
def test_only_an_owner_reviews_security(person, request, as_ana, paired):
    person = request.getfixturevalue(person)
    assert person.get(PAGE).status_code == 403
    assert person.post(f"{PAGE}/renew-keys").status_code == 403
    assert PAGE not in person.get("/settings").text
    assert not Rotation.select().exists()


def test_people_and_sessions_are_counted(as_ana, as_ben, as_cleo):
    text = text_of(as_ana.get(PAGE))
    assert "Owners 1 Managers 0 Operators 1 Viewers 1 Client users 0" in text
    assert "Only one person is an owner" in text
    assert "3 sessions are open" in text
    old = utcnow() - timedelta(hours=13)
    UserSession.update(created_at=old).where(UserSession.user == 2).execute()
    assert "2 sessions are open" in text_of(as_ana.get(PAGE))


def test_the_page_names_keys_and_shows_none(as_ana, as_ben, paired, config):
    as_ben.post(
        f"/sites/{paired.id}/server-login",
        data={"login_name": "staging", "login_password": "let me in, please"},
    )
    page = as_ana.get(PAGE)
    assert "t1 Present, encrypts everything new 5 secrets" in text_of(page)
    assert f'href="/sites/{paired.id}/server-login"' in page.text
    sealed = Site.get_by_id(paired.id).server_login_sealed
    for secret in ("let me in", "staging", sealed, config.sealing_keys[0][1].hex()):
        assert secret not in page.text


def test_an_older_key_shows_how_many_secrets_still_need_it(as_ana, paired, config, app):
    newer = ("t2", bytes(range(32, 64)))
    app.config["AURA"] = replace(config, sealing_keys=(newer, *config.sealing_keys))
    text = text_of(as_ana.get(PAGE))
    assert "t2 Present, encrypts everything new 0 secrets" in text
    assert "t1 Present, only decrypts 4 secrets" in text
    Site.update(keys_sealed={}).execute()
    # Aura's own signing key.
    assert "t1 Present, only decrypts 1 secret " in text_of(as_ana.get(PAGE))


def test_the_page_names_a_missing_sealing_key(as_ana, paired, config, app):
    app.config["AURA"] = replace(config, sealing_keys=(("t2", bytes(32)),))
    page = as_ana.get(PAGE)
    assert page.status_code == 200
    assert "A sealing key is missing" in page.text
    assert "t1 Missing 4 secrets" in text_of(page)


# ---- renew all keys ----


def test_all_keys_are_renewed_with_an_entry_that_names_the_owner(as_ana, paired, jobs):
    answer = as_ana.post(f"{PAGE}/renew-keys")
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    (rotation,) = Rotation.select()
    assert rotation.site_id == paired.id
    assert [entry.event for entry in AuditEntry.newest(limit=2)] == [
        "key_rotation_requested",
        "signing_key_renewed",
    ]
    assert all(entry.actor == "user:1" for entry in AuditEntry.newest(limit=2))
    assert "Key renewal started for 1 site." in text_of(as_ana.get(PAGE))
    assert "2 signing keys so far." in text_of(as_ana.get(PAGE))


def test_renewing_needs_a_recent_password(as_ana, paired):
    old = utcnow() - timedelta(minutes=16)
    UserSession.update(confirmed_at=old).execute()
    answer = as_ana.post(f"{PAGE}/renew-keys")
    assert answer.status_code == 403
    assert "Confirm your identity" in answer.text
    assert not Rotation.select().exists()


def test_a_form_from_elsewhere_renews_nothing(as_ana, paired):
    assert as_ana.post(f"{PAGE}/renew-keys", data={"csrf_token": "x"}).status_code == 400
    assert not Rotation.select().exists()


# ---- data and privacy ----


def test_everyone_reads_which_data_is_kept_and_for_how_long(as_ana, as_dora):
    for person in (as_ana, as_dora):
        text = text_of(person.get(PRIVACY))
        assert timedelta(minutes=30) == sessions.IDLE_TIMEOUT
        assert "30 minutes without use, at most 12 hours; their record 30 days" in text
        assert f"Files of exports {export.KEPT_FOR.days} day" in text
        assert timedelta(hours=1) == login_throttle.FAILURE_RETENTION
        assert "Failed sign-ins 1 hour" in text
        assert "/what-leaves" in person.get(PRIVACY).text
        assert PRIVACY in person.get("/settings").text


def test_links_lead_only_where_a_person_may_go(as_ana, as_cleo):
    for link in ("/activity/exports", "/team"):
        pattern = rf'<a class="button button-quiet" href="{link}'
        assert re.search(pattern, as_ana.get(PRIVACY).text)
        assert not re.search(pattern, as_cleo.get(PRIVACY).text)
