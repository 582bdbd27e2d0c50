"""Manage people: invite, renew a link, change a role, disable and enable an account."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest

from app.domain.accounts import one_time_links
from app.domain.actor import Actor
from app.models.accounts import User, UserSession
from app.models.audit import AuditEntry
from app.models.base import utcnow
from tests.support.browsers import signed_in
from tests.support.factories import PASSWORD, make_site, make_user

BEN = {"name": "Ben", "email": "ben@agency.example", "role": "operator"}
CHOSEN = {"password": PASSWORD, "again": PASSWORD}


def link_in(response, config) -> str:
    """Return the path of the link that this page shows."""
    text = re.search(r"<textarea[^>]*>\s*(http[^<]+)</textarea>", response.text).group(1)
    return html.unescape(text).strip().removeprefix(config.origin)


def test_a_colleague_sets_a_password_by_the_link_and_is_signed_in(app, as_ana, config):
    response = as_ana.post("/team", data=BEN, follow_redirects=True)
    assert response.status_code == 200
    assert "no-store" in response.headers["Cache-Control"]
    link = link_in(response, config)
    assert "Invited" in as_ana.get("/team").text
    ben = app.test_client()
    page = ben.get(link).text
    assert "ben@agency.example" in page
    assert "operator" in page
    assert ben.post(link, data=CHOSEN).headers["Location"] == "/"
    assert "Ben" in ben.get("/").text
    assert ben.get("/team").status_code == 403
    events = [entry.event for entry in AuditEntry.newest()]
    assert {"user_created", "password_set", "signed_in"} <= set(events)


def test_the_link_is_shown_once_and_works_once(app, as_ana, config):
    link = link_in(as_ana.post("/team", data=BEN, follow_redirects=True), config)
    assert link not in as_ana.get("/team").text
    app.test_client().post(link, data=CHOSEN)
    assert app.test_client().get(link).status_code == 410
    assert app.test_client().post(link, data=CHOSEN).status_code == 410


def test_the_link_expires_after_three_days(as_ana, anonymous, config, monkeypatch):
    link = link_in(as_ana.post("/team", data=BEN, follow_redirects=True), config)
    monkeypatch.setattr(one_time_links, "INVITATION_MAX_AGE", timedelta(seconds=-1))
    assert anonymous.post(link, data=CHOSEN).status_code == 410


def test_a_set_up_link_is_no_invitation(app, anonymous, config):
    token = one_time_links.setup_link(config).rsplit("/", 1)[1]
    assert anonymous.get(f"/invitation/{token}").status_code == 410
    assert anonymous.get("/invitation/nonsense").status_code == 410


def test_a_used_invitation_refers_to_an_owner_not_to_a_command(app, as_ana, config):
    link = link_in(as_ana.post("/team", data=BEN, follow_redirects=True), config)
    assert app.test_client().post(link, data=CHOSEN).status_code == 303
    again = app.test_client().get(link)
    assert again.status_code == 410
    assert "flask" not in again.text
    assert "owner" in again.text


def test_a_weak_password_is_refused_and_the_link_goes_on_working(app, as_ana, config):
    link = link_in(as_ana.post("/team", data=BEN, follow_redirects=True), config)
    ben = app.test_client()
    assert ben.post(link, data={"password": "short", "again": "short"}).status_code == 422
    assert ben.post(link, data=CHOSEN).status_code == 303


def test_an_invited_user_cannot_sign_in_yet(app, as_ana):
    as_ana.post("/team", data=BEN, follow_redirects=True)
    for password in ("", "!", PASSWORD):
        assert app.test_client().signs_in("ben@agency.example", password).status_code == 422


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"email": "ben"}, "email"),
        ({"role": "god"}, "role"),
        ({"email": "ANA@agency.example"}, "email"),
    ],
)
def test_a_mistake_is_an_error_at_its_field_and_the_rest_is_kept(as_ana, changes, field):
    response = as_ana.post("/team", data={**BEN, **changes})
    assert response.status_code == 422
    assert f'id="f-{field}-error"' in response.text
    assert ('value="Ben"' in response.text) is (field != "name")
    assert User.select().count() == 1


def test_names_stay_text(as_ana):
    as_ana.post("/team", data={**BEN, "name": "<script>alert(1)</script>{{7*7}}"})
    text = as_ana.get("/team").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in text


def test_only_an_owner_manages_people(as_ben, as_cleo):
    for person in (as_ben, as_cleo):
        assert 'href="/team"' not in person.get("/").text
        assert person.get("/team").status_code == 403
        verbs = ("link", "role", "disable", "enable")
        for path in ("/team", *(f"/team/1/{verb}" for verb in verbs)):
            assert person.post(path, data=BEN).status_code == 403
        assert AuditEntry.newest(limit=1)[0].event == "access_refused"


# ---- links and access ----


def test_a_new_link_replaces_the_old_one_and_ends_sessions(app, as_ana, as_ben, ben, config):
    first = link_in(as_ana.post(f"/team/{ben.id}/link", follow_redirects=True), config)
    assert as_ben.get("/").status_code == 303
    second = link_in(as_ana.post(f"/team/{ben.id}/link", follow_redirects=True), config)
    assert app.test_client().get(first).status_code == 410
    assert app.test_client().post(second, data=CHOSEN).status_code == 303


def test_a_disabled_user_is_signed_out_and_cannot_return(app, as_ana, as_ben, ben, config):
    link = link_in(as_ana.post(f"/team/{ben.id}/link", follow_redirects=True), config)
    assert as_ana.post(f"/team/{ben.id}/disable").status_code == 303
    assert "Account of Ben disabled" in as_ana.get("/team").text
    assert as_ben.get("/").status_code == 303
    assert app.test_client().get(link).status_code == 410
    assert app.test_client().signs_in("ben@agency.example", PASSWORD).status_code == 422
    assert as_ana.post(f"/team/{ben.id}/disable").status_code == 409
    assert as_ana.post(f"/team/{ben.id}/link", follow_redirects=True).status_code == 409


def test_an_enabled_user_signs_in_but_old_sessions_stay_ended(app, as_ana, as_ben, ben):
    as_ana.post(f"/team/{ben.id}/disable")
    as_ana.post(f"/team/{ben.id}/enable")
    assert as_ben.get("/").status_code == 303
    assert app.test_client().signs_in("ben@agency.example", PASSWORD).status_code == 303
    assert as_ana.post(f"/team/{ben.id}/enable").status_code == 409


def test_the_last_owner_cannot_be_disabled(as_ana, ana):
    make_user("Ivo", "owner", password_hash="!")
    response = as_ana.post(f"/team/{ana.id}/disable")
    assert response.status_code == 409
    assert "Aura needs at least one owner" in response.text
    assert as_ana.get("/").status_code == 200


def test_an_owner_can_be_disabled_while_another_remains(as_ana):
    other = make_user("Olga", "owner")
    assert as_ana.post(f"/team/{other.id}/disable").status_code == 303
    assert User.get_by_id(other.id).is_disabled


# ---- another role ----


def test_a_new_role_ends_open_sessions(app, as_ana, as_cleo, cleo):
    page = as_ana.get(f"/team/{cleo.id}/role").text
    assert 'value="viewer" selected' in page
    assert as_ana.post(f"/team/{cleo.id}/role", data={"role": "operator"}).status_code == 303
    assert as_cleo.get("/").status_code == 303
    again = app.test_client()
    again.signs_in("cleo@agency.example", PASSWORD)
    assert again.get("/updates").status_code == 200
    activity = as_ana.get("/activity").text
    assert "<strong>Cleo</strong> from viewer to operator. Their sessions ended." in activity


def test_a_user_who_becomes_a_client_user_sees_its_sites_alone(app, as_ana, ana, ben, clock):
    own_site = make_site(ana, now=clock(), client="Hers")
    other_site = make_site(ana, now=clock(), url="https://other.example", client="Another")
    form = {"role": "client"}
    response = as_ana.post(f"/team/{ben.id}/role", data=form)
    assert (response.status_code, 'id="f-client-error"' in response.text) == (422, True)
    form["client"] = str(own_site.client_id)
    assert as_ana.post(f"/team/{ben.id}/role", data=form).status_code == 303
    browser = app.test_client()
    browser.signs_in("ben@agency.example", PASSWORD)
    assert browser.get(f"/sites/{own_site.id}").status_code == 200
    assert browser.get(f"/sites/{other_site.id}").status_code == 404


@pytest.mark.parametrize("role", ["", "god", "Owner"])
def test_an_unknown_role_is_an_error_at_its_field(as_ana, ben, role):
    response = as_ana.post(f"/team/{ben.id}/role", data={"role": role})
    assert (response.status_code, 'id="f-role-error"' in response.text) == (422, True)
    assert User.get_by_id(ben.id).role == "operator"


def test_a_new_role_needs_a_recent_password(as_ana, ben):
    UserSession.update(confirmed_at=utcnow() - timedelta(minutes=16)).execute()
    response = as_ana.post(f"/team/{ben.id}/role", data={"role": "owner"})
    assert 'type="password"' in response.text
    assert 'name="role" value="owner"' in response.text
    assert User.get_by_id(ben.id).role == "operator"


def test_unknown_users_are_not_found(as_ana):
    for verb in ("link", "role", "disable", "enable"):
        assert as_ana.post(f"/team/999/{verb}").status_code == 404


def test_reloading_the_page_creates_no_other_link(as_ana, anonymous, config):
    response = as_ana.post("/team", data=BEN)
    assert response.status_code == 303
    page = response.headers["Location"]
    link = link_in(as_ana.get(page), config)
    again = as_ana.get(page, follow_redirects=True)
    assert link not in again.text
    assert "A link is shown only once." in again.text
    assert anonymous.post(link, data=CHOSEN).status_code == 303


def test_a_link_is_shown_to_its_creator_alone(app, as_ana, config):
    page = as_ana.post("/team", data=BEN).headers["Location"]
    olga = signed_in(app, Actor.of(make_user("Olga", "owner"), "192.0.2.9"))
    with as_ana.session_transaction() as ana_cookie:
        kept = ana_cookie["shown_once"]
    with olga.session_transaction() as olga_cookie:
        olga_cookie["shown_once"] = kept
    assert olga.get(page).headers["Location"] == "/team"


def test_the_cookie_does_not_hold_the_link_in_readable_form(as_ana, config):
    page = as_ana.post("/team", data=BEN).headers["Location"]
    with as_ana.session_transaction() as cookie:
        kept = str(dict(cookie))
    token = link_in(as_ana.get(page), config).rsplit("/", 1)[1]
    assert token not in kept
