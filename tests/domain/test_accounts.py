"""Accounts: who may change them, and what the audit log keeps of it."""

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


def test_only_an_owner_changes_accounts(
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


def test_a_refused_change_leaves_the_account_unchanged(
    ana: Actor, config: Config, clock: Clock
) -> None:
    opened = sessions.start_session(User.get_by_id(ana.id), HERE, now=clock())
    before = AuditEntry.head().seq
    with pytest.raises(users.Conflict):
        users.disable_user(User.get_by_id(ana.id), by=ana, now=clock())
    assert UserSession.get_by_id(opened.session.id).ended_at is None
    assert AuditEntry.head().seq == before


def test_no_personal_secret_is_in_the_audit_log(ana: Actor, config: Config, clock: Clock) -> None:
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
    bodies = "".join(entry.body for entry in AuditEntry.newest())
    secret = presence.ticket.partition(".")[2]
    for hidden in (secret, PASSWORD, "typed-by-mistake", "a-password", "$argon2id$"):
        assert hidden not in bodies
    assert secret not in repr(presence)


def test_an_owner_with_a_recent_password_changes_a_role(
    ana: Actor, ben: Actor, cleo: Actor, clock: Clock
) -> None:
    user = User.get_by_id(cleo.id)
    for by in (ben, cleo, SYSTEM, Actor.anonymous("192.0.2.9")):
        with pytest.raises(Forbidden):
            set_role(user, "owner", by, clock)
    with pytest.raises(ReauthenticationRequired):
        set_role(user, "owner", ana, clock, typed=clock() - timedelta(minutes=16))
    assert user.role == "viewer"
    set_role(user, "operator", ana, clock)
    assert User.get_by_id(cleo.id).role == "operator"


def test_the_only_owner_stays_an_owner(ana: Actor, clock: Clock) -> None:
    make_user("Ivo", "owner", password_hash="!")
    opened = sessions.start_session(User.get_by_id(ana.id), HERE, now=clock())
    before = AuditEntry.head().seq
    with pytest.raises(Conflict, match="Aura needs at least one owner"):
        set_role(User.get_by_id(ana.id), "viewer", ana, clock)
    assert UserSession.get_by_id(opened.session.id).ended_at is None
    assert AuditEntry.head().seq == before


def test_one_of_two_owners_may_step_down(ana: Actor, clock: Clock) -> None:
    make_user("Olga", "owner")
    set_role(User.get_by_id(ana.id), "operator", ana, clock)
    olga = User.get(User.name == "Olga")
    with pytest.raises(Conflict):
        set_role(olga, "viewer", Actor.of(olga), clock)


def test_an_unchanged_role_or_one_of_a_disabled_user_is_refused(
    ana: Actor, ben: Actor, clock: Clock
) -> None:
    user = User.get_by_id(ben.id)
    with pytest.raises(Conflict, match="already"):
        set_role(user, "operator", ana, clock)
    users.disable_user(user, by=ana, now=clock())
    with pytest.raises(Conflict, match="disabled"):
        set_role(user, "viewer", ana, clock)


def set_role(
    user: User, role: str, by: Actor, clock: Clock, *, typed: datetime | None = None
) -> None:
    access = Access(role)
    roles.change_access(user, access, by=by, confirmed_at=typed or clock(), now=clock())


def test_a_session_of_a_user_disabled_by_hand_does_not_count(ana: Actor, clock: Clock) -> None:
    user = make_user("Dora", "viewer")
    ticket = sessions.start_session(user, HERE, now=clock()).ticket
    assert sessions.resume_session(ticket, now=clock()) is not None
    User.update(disabled_at=clock()).where(User.id == user.id).execute()
    assert sessions.resume_session(ticket, now=clock()) is None


def test_old_sessions_are_deleted_at_the_next_sign_in(ana: Actor, clock: Clock) -> None:
    user = User.get_by_id(ana.id)
    sessions.start_session(user, HERE, now=clock())
    clock.advance(days=31)
    sessions.start_session(user, HERE, now=clock())
    assert UserSession.select().count() == 1
