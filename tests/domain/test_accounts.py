"""The law behind the pages about people: it holds whoever calls the domain."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from app.config import Config
from app.domain.accounts import roles, sessions, sign_in, users
from app.domain.accounts.login_throttle import ClientInfo
from app.domain.accounts.roles import Access
from app.domain.actor import SYSTEM, Actor
from app.domain.errors import Conflict, Forbidden, Invalid, ReauthenticationRequired
from app.models.accounts import User, UserSession
from app.models.audit import AuditEntry
from tests.support.factories import PASSWORD, make_user
from tests.support.fakes import Clock

HERE = ClientInfo("192.0.2.1", "Firefox")


def invite(by: Actor, config: Config, clock: Clock) -> tuple[User, str]:
    return users.invite_user(
        name="  Dora   Dee ",
        email="Dora@Agency.example",
        access=Access("viewer"),
        by=by,
        config=config,
        now=clock(),
    )


def test_an_owner_invites(ana: Actor, config: Config, clock: Clock) -> None:
    user, link = invite(ana, config, clock)
    assert (user.name, user.email, user.role) == ("Dora Dee", "dora@agency.example", "viewer")
    assert user.is_invited
    assert link.startswith("http://aura.test/invitation/")
    assert link.rsplit("/", 1)[1] not in "".join(entry.body for entry in AuditEntry.newest())


def test_nobody_but_an_owner_touches_accounts(
    ana: Actor, ben: Actor, cleo: Actor, config: Config, clock: Clock
) -> None:
    user = User.get_by_id(ana.id)
    for by in (ben, cleo, SYSTEM, Actor.anonymous("192.0.2.9")):
        with pytest.raises(Forbidden):
            invite(by, config, clock)
        with pytest.raises(Forbidden):
            users.renew_invitation(user, by=by, config=config, now=clock())
        with pytest.raises(Forbidden):
            users.disable_user(user, by=by, now=clock())
        with pytest.raises(Forbidden):
            users.enable_user(user, by=by, now=clock())
    assert User.select().count() == 3


def test_a_change_that_is_refused_leaves_everything_as_it_was(
    ana: Actor, config: Config, clock: Clock
) -> None:
    opened = sessions.start_session(User.get_by_id(ana.id), HERE, now=clock())
    before = AuditEntry.head().seq
    with pytest.raises(users.Conflict):
        users.disable_user(User.get_by_id(ana.id), by=ana, now=clock())
    assert UserSession.get_by_id(opened.session.id).ended_at is None
    assert AuditEntry.head().seq == before


def test_no_secret_of_a_person_stands_in_the_audit_log(
    ana: Actor, config: Config, clock: Clock
) -> None:
    presence = sign_in.sign_in(
        email="ana@agency.example", password=PASSWORD, browser=HERE, config=config, now=clock()
    )
    with pytest.raises(Invalid):
        sign_in.sign_in(
            email="typed-by-mistake",
            password="a-password",
            browser=HERE,
            config=config,
            now=clock(),
        )
    told = "".join(entry.body for entry in AuditEntry.newest())
    secret = presence.ticket.partition(".")[2]
    for hidden in (secret, PASSWORD, "typed-by-mistake", "a-password", "$argon2id$"):
        assert hidden not in told
    assert secret not in repr(presence)


def test_a_role_is_given_by_an_owner_who_typed_a_password_lately(
    ana: Actor, ben: Actor, cleo: Actor, clock: Clock
) -> None:
    user = User.get_by_id(cleo.id)
    for by in (ben, cleo, SYSTEM, Actor.anonymous("192.0.2.9")):
        with pytest.raises(Forbidden):
            give(user, "owner", by, clock)
    with pytest.raises(ReauthenticationRequired):
        give(user, "owner", ana, clock, typed=clock() - timedelta(minutes=16))
    assert user.role == "viewer"
    give(user, "operator", ana, clock)
    assert User.get_by_id(cleo.id).role == "operator"


def test_whoever_owns_aura_alone_stays_its_owner(ana: Actor, clock: Clock) -> None:
    make_user("Ivo", "owner", password_hash="!")
    opened = sessions.start_session(User.get_by_id(ana.id), HERE, now=clock())
    before = AuditEntry.head().seq
    with pytest.raises(Conflict, match="Aura needs at least one owner"):
        give(User.get_by_id(ana.id), "viewer", ana, clock)
    assert UserSession.get_by_id(opened.session.id).ended_at is None
    assert AuditEntry.head().seq == before


def test_of_two_owners_one_may_step_down(ana: Actor, clock: Clock) -> None:
    make_user("Olga", "owner")
    give(User.get_by_id(ana.id), "operator", ana, clock)
    olga = User.get(User.name == "Olga")
    with pytest.raises(Conflict):
        give(olga, "viewer", Actor.of(olga), clock)


def test_a_role_that_is_so_already_or_of_somebody_shut_out_is_not_given(
    ana: Actor, ben: Actor, clock: Clock
) -> None:
    user = User.get_by_id(ben.id)
    with pytest.raises(Conflict, match="already"):
        give(user, "operator", ana, clock)
    users.disable_user(user, by=ana, now=clock())
    with pytest.raises(Conflict, match="disabled"):
        give(user, "viewer", ana, clock)


def give(user: User, role: str, by: Actor, clock: Clock, *, typed: datetime | None = None) -> None:
    access = Access(role)
    roles.change_access(user, access, by=by, confirmed_at=typed or clock(), now=clock())


def test_a_session_of_somebody_who_was_disabled_by_hand_does_not_count(
    ana: Actor, clock: Clock
) -> None:
    user = make_user("Dora", "viewer")
    ticket = sessions.start_session(user, HERE, now=clock()).ticket
    assert sessions.resume_session(ticket, now=clock()) is not None
    User.update(disabled_at=clock()).where(User.id == user.id).execute()
    assert sessions.resume_session(ticket, now=clock()) is None


def test_sessions_of_long_ago_are_forgotten_at_the_next_sign_in(ana: Actor, clock: Clock) -> None:
    user = User.get_by_id(ana.id)
    sessions.start_session(user, HERE, now=clock())
    clock.advance(days=31)
    sessions.start_session(user, HERE, now=clock())
    assert UserSession.select().count() == 1
