"""A manager looks after operators, viewers and client users, and never after owners or managers."""

from __future__ import annotations

import pytest

from app.domain.accounts import users
from app.domain.errors import Forbidden
from app.models.accounts import User
from app.models.base import utcnow
from tests.support.factories import make_user

pytestmark = pytest.mark.both_databases

NOT_HERS = ("owner", "manager")


def role_of(user):
    return User.get_by_id(user.id).role


@pytest.mark.parametrize("role", ["operator", "viewer"])
def test_she_invites_people_below_her(as_mia, role):
    form = {"name": "Eva", "email": "eva@agency.example", "role": role}
    assert as_mia.post("/team", data=form).status_code == 303
    assert User.get(User.name == "Eva").role == role


@pytest.mark.parametrize("role", NOT_HERS)
def test_she_invites_nobody_as_high_as_herself(as_mia, role):
    form = {"name": "Eva", "email": "eva@agency.example", "role": role}
    answer = as_mia.post("/team", data=form)
    assert answer.status_code == 403
    assert f"Only an owner manages people with the role {role}." in answer.text
    assert not User.select().where(User.name == "Eva").exists()


def test_the_page_offers_only_what_she_may_give(as_mia, ana, cleo):
    page = as_mia.get("/team").text
    assert '<option value="operator"' in page
    for role in NOT_HERS:
        assert f'<option value="{role}"' not in page
    assert f'href="/team/{cleo.id}/role"' in page
    assert f'href="/team/{ana.id}/role"' not in page
    assert "Managed by owners" in page


@pytest.mark.parametrize("role", NOT_HERS)
def test_people_as_high_as_herself_are_out_of_reach(as_mia, role):
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


@pytest.mark.parametrize("role", NOT_HERS)
def test_nobody_is_raised_as_high_as_she_is(as_mia, cleo, role):
    assert as_mia.post(f"/team/{cleo.id}/role", data={"role": role}).status_code == 403
    assert role_of(cleo) == "viewer"


def test_she_changes_neither_her_own_role_nor_her_own_account(as_mia, mia):
    for role in ("owner", "viewer"):
        assert as_mia.post(f"/team/{mia.id}/role", data={"role": role}).status_code == 403
    assert as_mia.post(f"/team/{mia.id}/disable").status_code == 403
    assert role_of(mia) == "manager"


def test_she_gives_a_role_below_hers_and_the_activity_says_so(as_mia, cleo):
    assert as_mia.post(f"/team/{cleo.id}/role", data={"role": "operator"}).status_code == 303
    assert role_of(cleo) == "operator"
    assert "<strong>Cleo</strong> from viewer to operator" in as_mia.get("/activity").text


def test_a_person_who_was_raised_meanwhile_is_out_of_her_reach(mia, cleo):
    seen = User.get_by_id(cleo.id)
    User.update(role="owner").where(User.id == cleo.id).execute()
    make_user("Olga", "owner")
    with pytest.raises(Forbidden):
        users.disable_user(seen, by=mia, now=utcnow())
    assert not User.get_by_id(cleo.id).is_disabled


def test_a_new_role_counts_with_the_next_request(app, as_mia, mia):
    assert as_mia.get("/team").status_code == 200
    User.update(role="viewer").where(User.id == mia.id).execute()
    assert as_mia.get("/team").status_code == 403


def test_erasing_a_person_stays_with_the_owner(as_mia, as_ana, cleo):
    as_mia.post(f"/team/{cleo.id}/disable")
    assert f"/team/{cleo.id}/erase" not in as_mia.get("/team").text
    assert as_mia.post(f"/team/{cleo.id}/erase", data={"reason": "asked"}).status_code == 403
    assert f"/team/{cleo.id}/erase" in as_ana.get("/team").text
