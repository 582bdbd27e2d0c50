"""Sign in, sign out, and sessions.

The cookie has a ticket: the user's epoch and a random secret, stored only as a hash. A session is
valid if it is in the table, was used recently, is not too old, and the user is neither disabled nor
in a newer epoch. So a copied cookie ends with its session.
"""

from __future__ import annotations

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
from app.keys import hash_of
from app.models.accounts import User, UserSession
from app.models.base import transaction, utcnow
from app.models.freezes import Freeze
from app.models.open_sessions import session_of

IDLE_TIMEOUT = timedelta(minutes=30)
MAX_LIFETIME = timedelta(hours=12)
# Interval for saving the time of the last activity.
_TOUCH_INTERVAL = timedelta(minutes=1)
RETENTION = timedelta(days=30)
# More than for other refusals, so that the size of an attack is visible.
REFUSALS_PER_HOUR = 60

# One message for all causes, so that it does not reveal which addresses have accounts.
SIGN_IN_REFUSED = "The e-mail or password is wrong."
# Every typed address is counted, so this reveals nothing about accounts.
PAUSED = (
    "Sign-in is paused after several failed attempts, and the password was not checked. "
    "Wait up to five minutes, then try again."
)


@dataclass(frozen=True)
class AuthenticatedSession:
    """A signed-in user. `ticket` is for the cookie and is never stored.

    `freezes` are those that are not over: every page about updates needs them.
    """

    user: User
    session: UserSession
    ticket: str = field(repr=False)
    freezes: list[Freeze] = field(default_factory=list)


def check_password(
    *, email: str, password: str, browser: ClientInfo, config: Config, now: datetime
) -> User:
    """Return the user whose address and password these are. This starts no session.

    Raises: Invalid, with the same message for every cause.
    """
    account = normalize_email(email)
    subject = login_throttle.register_attempt(account, browser, config=config, now=now)
    if subject is None:
        _refuse("too many attempts", account, browser, config, now, PAUSED)
    user = User.find_by_email(account)
    if not passwords.verify_password(user.password_hash if user else None, password):
        why = "wrong password" if user else "no such account"
        _refuse(why, account, browser, config, now)
    if user is None or user.is_disabled:
        _refuse("account disabled", account, browser, config, now)
    known = user.password_hash
    stronger = passwords.hash_password(password) if passwords.is_outdated(known) else ""
    with transaction():
        login_throttle.reset_attempts(subject)
        if stronger:
            user.rehash(stronger, instead_of=known)
    return user


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


def start_session(
    user: User, browser: ClientInfo, *, now: datetime, factor: str = ""
) -> AuthenticatedSession:
    """Start a session for this browser; the caller has authenticated the user.

    `factor` is the second factor that was used, or the passkey.
    """
    secret = secrets.token_urlsafe(32)
    with transaction():
        UserSession.forget_older(now - RETENTION)
        session = UserSession.create(
            token_hash=hash_of(secret.encode("utf-8")),
            user=user,
            created_at=now,
            last_seen_at=now,
            confirmed_at=now,
            verified_at=now,
            ip=browser.ip[:45],
            agent=browser.agent[:200],
        )
        event = SignedIn(user_id=user.id, session_id=session.id, factor=factor)
        audit.record(event, Actor.of(user, browser.ip), now=now)
    return AuthenticatedSession(user, session, f"{user.session_epoch}.{secret}")


def resume_session(
    ticket: str, *, now: datetime, is_person: bool = True
) -> AuthenticatedSession | None:
    """Return the session of this ticket if it is still valid, else None.

    A page that refreshes itself (`is_person` is False) does not keep a session alive.
    """
    epoch, _, secret = ticket.partition(".")
    # A day earlier, because in some zones it is still yesterday.
    found = session_of(hash_of(secret.encode("utf-8")), (now - timedelta(days=1)).date())
    if found is None or found[0].ended_at is not None:
        return None
    session, freezes = found
    if now - session.created_at >= MAX_LIFETIME or now - session.last_seen_at >= IDLE_TIMEOUT:
        return None
    user = session.user
    if user.is_disabled or epoch != str(user.session_epoch):
        return None
    if is_person and now - session.last_seen_at >= _TOUCH_INTERVAL:
        session.saw(now)
    return AuthenticatedSession(user, session, ticket, freezes)


def active_sessions(user_id: int, *, now: datetime) -> list[UserSession]:
    """Return the sessions of this user, the last used one first."""
    return UserSession.open_of(
        user_id, created_after=now - MAX_LIFETIME, seen_after=now - IDLE_TIMEOUT
    )


def count_active(now: datetime) -> int:
    """Return the number of sessions of all users that can be used."""
    return UserSession.count_open(created_after=now - MAX_LIFETIME, seen_after=now - IDLE_TIMEOUT)


def sign_out(auth: AuthenticatedSession, *, by: Actor, now: datetime | None = None) -> None:
    """End this session; repeating it does nothing."""
    now = now or utcnow()
    with transaction():
        if auth.session.end(now):
            event = SignedOut(user_id=auth.user.id, session_id=auth.session.id)
            audit.record(event, by, now=now)


def end_session(session_id: int, *, by: Actor, now: datetime | None = None) -> None:
    """End one of the user's own sessions.

    Raises: Forbidden, or NotFound for another user's session.
    """
    permissions.require(by, "account")
    now = now or utcnow()
    session = UserSession.get_or_none(UserSession.id == session_id, UserSession.user == by.id)
    if session is None:
        raise NotFound("This session does not exist or has ended.")
    with permissions.user_transaction(by, "account") as (_, by):
        _end(session, by, now)


def end_other_sessions(
    auth: AuthenticatedSession, *, by: Actor, now: datetime | None = None
) -> None:
    """End all of the user's other sessions.

    Raises: Forbidden.
    """
    now = now or utcnow()
    with permissions.user_transaction(by, "account") as (_, by):
        end_all_sessions(auth.user, by=by, now=now, but=auth.session.id)


def end_all_sessions(user: User, *, by: Actor, now: datetime, but: int | None = None) -> None:
    """End the open sessions of `user`.

    This is part of a larger change, so the caller has checked its own permission.
    """
    with transaction():
        for session in active_sessions(user.id, now=now):
            if session.id != but:
                _end(session, by, now)


def _end(session: UserSession, by: Actor, now: datetime) -> None:
    if session.end(now):
        event = SessionEnded(user_id=session.user_id, session_id=session.id, name=session.user.name)
        audit.record(event, by, now=now)


def normalize_email(email: str) -> str:
    """Return the address in lower case: two users never differ only in case."""
    return email.strip().lower()
