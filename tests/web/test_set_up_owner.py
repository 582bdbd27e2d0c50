"""The first person opens the printed setup link and becomes the owner."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.accounts import one_time_links
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.installation import Setting
from tests.support.factories import PASSWORD

TYPED = {
    "name": "Ana Jansen",
    "email": " Ana@Agency.example ",
    "password": PASSWORD,
    "again": PASSWORD,
}


@pytest.fixture
def link(app, config) -> str:
    """Return the path of the printed setup link."""
    return one_time_links.setup_link(config).removeprefix(config.origin)


def test_the_link_creates_the_owner_and_signs_them_in(anonymous, link):
    assert "Set up Aura" in anonymous.get(link).text
    answer = anonymous.post(link, data=TYPED)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "Ana Jansen" in anonymous.get("/").text
    owner = User.get()
    assert (owner.name, owner.email, owner.role) == ("Ana Jansen", "ana@agency.example", "owner")
    assert owner.password_hash.startswith("$argon2id$")
    assert [entry.event for entry in AuditEntry.newest()] == ["signed_in", "owner_created"]


def test_the_link_works_once(app, anonymous, link, config):
    anonymous.post(link, data=TYPED)
    other = app.test_client()
    assert other.get(link).status_code == 410
    assert other.post(link, data={**TYPED, "email": "eve@evil.example"}).status_code == 410
    assert User.select().count() == 1
    assert one_time_links.setup_link(config) is None


def test_an_earlier_link_works_beside_a_newer_one(anonymous, link, config):
    assert one_time_links.setup_link(config)
    assert anonymous.get(link).status_code == 200


def test_the_link_expires_after_an_hour(anonymous, link, config, monkeypatch):
    token = link.rsplit("/", 1)[1]
    monkeypatch.setattr(one_time_links, "SETUP_MAX_AGE", timedelta(seconds=-1))
    assert anonymous.get(f"/setup/{token}").status_code == 410
    assert anonymous.post(f"/setup/{token}", data=TYPED).status_code == 410
    assert not User.any_exists()


def test_a_link_of_another_purpose_or_installation_opens_nothing(anonymous, link, config):
    nonce = Setting.read("setup_nonce")
    for purpose, payload in (("invitation", nonce), ("set-up", "another installation")):
        token = one_time_links._signer(config, purpose).dumps(payload)
        assert anonymous.get(f"/setup/{token}").status_code == 410
    other = "A" if link[-9] != "A" else "B"
    assert anonymous.get(f"{link[:-9]}{other}{link[-8:]}").status_code == 410
    assert anonymous.get("/setup/nonsense").status_code == 410


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": "Ana\u202egnp"}, "name"),
        ({"email": "ana"}, "email"),
        ({"email": "a b@c"}, "email"),
        ({"email": "a" * 250 + "@b.example"}, "email"),
        ({"password": "short"}, "password"),
        ({"again": "something else entirely"}, "again"),
    ],
)
def test_a_mistake_is_shown_beside_its_field_and_the_rest_is_kept(anonymous, link, changes, field):
    answer = anonymous.post(link, data={**TYPED, **changes})
    assert answer.status_code == 422
    assert f'id="f-{field}-error"' in answer.text
    if field != "name":
        assert 'value="Ana Jansen"' in answer.text
    assert PASSWORD not in answer.text
    assert not User.any_exists()


def test_several_mistakes_are_shown_at_once(anonymous, link):
    answer = anonymous.post(link, data={"name": "", "email": "", "password": "", "again": ""})
    assert "Fix these 3 fields and send the form again" in answer.text


def test_the_sign_in_page_says_how_to_get_the_link(anonymous):
    text = anonymous.get("/sign-in").text
    assert "No account exists yet" in text
    assert "flask --app wsgi setup-link" in text
