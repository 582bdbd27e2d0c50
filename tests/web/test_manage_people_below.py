"""A manager manages operators, viewers and client users, but not owners or managers."""

from __future__ import annotations

import pytest

from app.domain.accounts import users
from app.domain.errors import Forbidden
from app.models.accounts import User
from app.models.base import utcnow
from tests.support.factories import make_user

pytestmark = pytest.mark.both_databases

HIGHER_ROLES = ("owner", "manager")


def role_of(user):
    return User.get_by_id(user.id).role


@pytest.mark.parametrize("role", ["operator", "viewer"])
def test_a_manager_invites_lower_roles(as_mia, role):
    form = {"name": "Eva", "email": "eva@agency.example", "role": role}
    assert as_mia.post("/team", data=form).status_code == 303
    assert User.get(User.name == "Eva").role == role


@pytest.mark.parametrize("role", HIGHER_ROLES)
def test_a_manager_cannot_invite_owners_or_managers(as_mia, role):
    form = {"name": "Eva", "email": "eva@agency.example", "role": role}
    answer = as_mia.post("/team", data=form)
    assert answer.status_code == 403
    assert f"Only an owner manages people with the role {role}." in answer.text
    assert not User.select().where(User.name == "Eva").exists()


def test_the_page_offers_only_lower_roles(as_mia, ana, cleo):
    page = as_mia.get("/team").text
    assert '<option value="operator"' in page
    for role in HIGHER_ROLES:
        assert f'<option value="{role}"' not in page
    assert f'href="/team/{cleo.id}/role"' in page
    assert f'href="/team/{ana.id}/role"' not in page
    assert "Managed by owners" in page


@pytest.mark.parametrize("role", HIGHER_ROLES)
def test_a_manager_cannot_change_owners_or_managers(as_mia, role):
    other = make_user("Olga", role)
    was = User.get_by_id(other.id)
    for act in ("role", "link", "disable"):
        answer = as_mia.post(f"/team/{other.id}/{act}", data={"role": "viewer"})
        assert answer.status_code == 403, act
    assert as_mia.get(f"/team/{other.id}/role").status_code == 403
    assert User.get_by_id(other.id) == was
    assert User.get_by_id(other.id).session_epoch == was.session_epoch
    User.update(disabled_at=utcnow()).where(User.id == other.id).execute()
    assert as_mia.post(f"/team/{other.id}/enable").status_code == 403
    assert User.get_by_id(other.id).is_disabled


@pytest.mark.parametrize("role", HIGHER_ROLES)
def test_a_manager_cannot_promote_to_owner_or_manager(as_mia, cleo, role):
    assert as_mia.post(f"/team/{cleo.id}/role", data={"role": role}).status_code == 403
    assert role_of(cleo) == "viewer"


def test_a_manager_cannot_change_their_own_role_or_account(as_mia, mia):
    for role in ("owner", "viewer"):
        assert as_mia.post(f"/team/{mia.id}/role", data={"role": role}).status_code == 403
    assert as_mia.post(f"/team/{mia.id}/disable").status_code == 403
    assert role_of(mia) == "manager"


def test_a_manager_gives_a_lower_role_and_the_activity_records_it(as_mia, cleo):
    assert as_mia.post(f"/team/{cleo.id}/role", data={"role": "operator"}).status_code == 303
    assert role_of(cleo) == "operator"
    assert "<strong>Cleo</strong> from viewer to operator" in as_mia.get("/activity").text


def test_a_manager_cannot_disable_a_person_promoted_meanwhile(mia, cleo):
    seen = User.get_by_id(cleo.id)
    User.update(role="owner").where(User.id == cleo.id).execute()
    make_user("Olga", "owner")
    with pytest.raises(Forbidden):
        users.disable_user(seen, by=mia, now=utcnow())
    assert not User.get_by_id(cleo.id).is_disabled


def test_a_new_role_applies_to_the_next_request(app, as_mia, mia):
    assert as_mia.get("/team").status_code == 200
    User.update(role="viewer").where(User.id == mia.id).execute()
    assert as_mia.get("/team").status_code == 403


def test_only_an_owner_erases_a_person(as_mia, as_ana, cleo):
    as_mia.post(f"/team/{cleo.id}/disable")
    assert f"/team/{cleo.id}/erase" not in as_mia.get("/team").text
    assert as_mia.post(f"/team/{cleo.id}/erase", data={"reason": "asked"}).status_code == 403
    assert f"/team/{cleo.id}/erase" in as_ana.get("/team").text
