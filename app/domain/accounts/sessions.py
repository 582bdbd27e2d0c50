"""Signing in, signing out, and the sessions between.

The cookie carries a ticket: the member's epoch and a random secret of which only the
hash is stored. A session counts while it is in the table, was used lately, is not
too old, and its member is neither disabled nor in a newer epoch. So a copied cookie
dies with its session.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn

from app.config import Config
from app.domain import audit, permissions
from app.domain.accounts import login_throttle, passwords
from app.domain.accounts.login_throttle import ClientInfo
from app.domain.actor import Actor
from app.domain.audit.events import SessionEnded, SignedIn, SignedOut, SignInFailed
from app.domain.errors import Invalid, NotFound
from app.models.accounts import Member, MemberSession
from app.models.base import transaction, utcnow

IDLE_TIMEOUT = timedelta(minutes=30)
MAX_LIFETIME = timedelta(hours=12)
# Being there is noted this often, not at every click.
_TOUCH_INTERVAL = timedelta(minutes=1)
_RETENTION = timedelta(days=30)
# More than of other refusals: an attack on the door should show its size.
REFUSALS_PER_HOUR = 60

# One for all: which part was wrong is nobody's business but the owner's.
SIGN_IN_REFUSED = "The e-mail or password is wrong."
# Attempts are counted for every address that is typed, so this says nothing about accounts.
PAUSED = (
    "Sign-in is paused after several failed attempts, and the password was not checked. "
    "Wait up to five minutes, then try again."
)


@dataclass(frozen=True)
class AuthenticatedSession:
    """Somebody who is signed in. `ticket` is for the cookie and is never stored."""

    member: Member
    session: MemberSession
    ticket: str = field(repr=False)


def sign_in(
    *, email: str, password: str, browser: ClientInfo, config: Config, now: datetime
) -> AuthenticatedSession:
    """Open a session for whoever knows the password.

    Raises Invalid with one and the same message whatever was wrong.
    """
    account = normalize_email(email)
    subject = login_throttle.register_attempt(account, browser, config=config, now=now)
    if subject is None:
        _refuse("too many attempts", account, browser, config, now, PAUSED)
    member = Member.known_as(account)
    if not passwords.verify_password(member.password_hash if member else None, password):
        why = "wrong password" if member else "no such account"
        _refuse(why, account, browser, config, now)
    if member is None or member.is_disabled:
        _refuse("account disabled", account, browser, config, now)
    known = member.password_hash
    stronger = passwords.hash_password(password) if passwords.is_outdated(known) else ""
    with transaction():
        login_throttle.reset_attempts(subject)
        if stronger:
            member.rehash(stronger, instead_of=known)
        return start_session(member, browser, now=now)


def _refuse(
    why: str,
    account: str,
    browser: ClientInfo,
    config: Config,
    now: datetime,
    words: str = SIGN_IN_REFUSED,
) -> NoReturn:
    event = SignInFailed(subject_hash=login_throttle.subject_hash(account, config), reason=why)
    by = Actor.anonymous(browser.ip)
    audit.record_refusal(event, by, now=now, per_hour=REFUSALS_PER_HOUR)
    raise Invalid("", words)


def start_session(member: Member, browser: ClientInfo, *, now: datetime) -> AuthenticatedSession:
    """Start a session for this browser; the caller has authenticated the member."""
    secret = secrets.token_urlsafe(32)
    with transaction():
        MemberSession.forget_older(now - _RETENTION)
        session = MemberSession.create(
            token_hash=_hash(secret),
            member=member,
            created_at=now,
            last_seen_at=now,
            confirmed_at=now,
            ip=browser.ip[:45],
            agent=browser.agent[:200],
        )
        event = SignedIn(member_id=member.id, session_id=session.id)
        audit.record(event, Actor.of(member, browser.ip), now=now)
    return AuthenticatedSession(member, session, f"{member.session_epoch}.{secret}")


def resume_session(
    ticket: str, *, now: datetime, is_person: bool = True
) -> AuthenticatedSession | None:
    """Return the session of this ticket if it is still valid, else None.

    A page that refreshes itself (`is_person` is False) does not keep a session alive.
    """
    epoch, _, secret = ticket.partition(".")
    session = MemberSession.with_hash(_hash(secret))
    if session is None or session.ended_at is not None:
        return None
    if now - session.created_at >= MAX_LIFETIME or now - session.last_seen_at >= IDLE_TIMEOUT:
        return None
    member = session.member
    if member.is_disabled or epoch != str(member.session_epoch):
        return None
    if is_person and now - session.last_seen_at >= _TOUCH_INTERVAL:
        session.saw(now)
    return AuthenticatedSession(member, session, ticket)


def active_sessions(member_id: int, *, now: datetime) -> list[MemberSession]:
    """Where this person is signed in, the place seen last first."""
    return MemberSession.open_of(
        member_id, created_after=now - MAX_LIFETIME, seen_after=now - IDLE_TIMEOUT
    )


def sign_out(presence: AuthenticatedSession, *, by: Actor, now: datetime | None = None) -> None:
    """End the session one is in. Doing so twice is no mistake."""
    now = now or utcnow()
    with transaction():
        if presence.session.end(now):
            event = SignedOut(member_id=presence.member.id, session_id=presence.session.id)
            audit.record(event, by, now=now)


def end_session(session_id: int, *, by: Actor, now: datetime | None = None) -> None:
    """End one of one's own sessions. Raises Forbidden, or NotFound for anybody else's."""
    permissions.require(by, "account")
    now = now or utcnow()
    session = MemberSession.get_or_none(
        MemberSession.id == session_id, MemberSession.member == by.id
    )
    if session is None:
        raise NotFound("This session does not exist or has ended.")
    with permissions.member_transaction(by, "account") as (_, by):
        _end(session, by, now)


def end_other_sessions(
    presence: AuthenticatedSession, *, by: Actor, now: datetime | None = None
) -> None:
    """End every session of one's own but the one one is in. Raises Forbidden."""
    now = now or utcnow()
    with permissions.member_transaction(by, "account") as (_, by):
        end_all_sessions(presence.member, by=by, now=now, but=presence.session.id)


def end_all_sessions(member: Member, *, by: Actor, now: datetime, but: int | None = None) -> None:
    """End the open sessions of `member`.

    This is part of a larger change, so the caller has checked its own permission.
    """
    with transaction():
        for session in active_sessions(member.id, now=now):
            if session.id != but:
                _end(session, by, now)


def _end(session: MemberSession, by: Actor, now: datetime) -> None:
    if session.end(now):
        event = SessionEnded(
            member_id=session.member_id, session_id=session.id, name=session.member.name
        )
        audit.record(event, by, now=now)


def normalize_email(email: str) -> str:
    """Two people never differ in the case of their address."""
    return email.strip().lower()


def _hash(secret: str) -> str:
    # Random and long: nothing to guess, so a fast hash is enough.
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()
