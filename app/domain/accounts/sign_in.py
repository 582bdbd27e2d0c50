"""Sign in: the password, then the second factor, or a passkey alone.

A right password opens no session for a person who has, or needs, a second factor. It opens an
unfinished sign-in, which is good for ten minutes and for nothing but the second step. The same
holds for the links of an invitation and of a new password.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.config import Config
from app.domain import audit
from app.domain.accounts import (
    codes,
    login_throttle,
    one_time_links,
    own_passkeys,
    passkeys,
    second_factors,
    security_mail,
    sessions,
)
from app.domain.accounts.login_throttle import ClientInfo
from app.domain.accounts.second_factors import Factors
from app.domain.accounts.sessions import AuthenticatedSession
from app.domain.accounts.verified_person import VerifiedPerson
from app.domain.actor import Actor
from app.domain.audit.events import PasswordAccepted
from app.domain.errors import Conflict, StaleState
from app.keys import hash_of
from app.models.accounts import User, UserSession
from app.models.base import transaction
from app.models.second_factors import PendingSignIn

PENDING_MAX_AGE = timedelta(minutes=10)
# The second factor of a session that began at a provider that checks one.
PROVIDER = "provider"
# As long as sessions are kept, and an invitation is valid.
_FIRST_SESSION_WITHIN = sessions.RETENTION + one_time_links.INVITATION_MAX_AGE
_EXPIRED = "This sign-in took longer than ten minutes or was finished. Sign in again."


@dataclass(frozen=True)
class UnfinishedSignIn:
    """A person who typed the right password. `ticket` is for the cookie and is never stored."""

    user: User
    row: PendingSignIn
    factors: Factors
    ticket: str = field(repr=False)

    @property
    def must_add(self) -> bool:
        """Whether they have no factor yet; their role needs one."""
        return not self.factors.has_any


def sign_in(
    *, email: str, password: str, browser: ClientInfo, config: Config, now: datetime
) -> AuthenticatedSession | UnfinishedSignIn:
    """Check the password; start a session, or ask for the second factor.

    Raises: Invalid, with the same message for every cause.
    """
    user = sessions.check_password(
        email=email, password=password, browser=browser, config=config, now=now
    )
    return after_password(user, browser, proven_at=now, config=config, now=now)


def after_password(
    user: User, browser: ClientInfo, *, proven_at: datetime, config: Config, now: datetime
) -> AuthenticatedSession | UnfinishedSignIn:
    """Go on after a right password, a password chosen with a link, or a sign-in at the provider.

    `proven_at` is when that was, which may be days ago at the provider. It confirms sensitive
    actions no longer than a password of that time would.
    """
    factors = second_factors.read_factors(user.id)
    if not factors.has_any and not second_factors.is_required(user.role):
        opened = open_session(user, browser, factor="", config=config, now=now)
        opened.session.verify(proven_at)
        return opened
    ticket = secrets.token_urlsafe(32)
    with transaction():
        PendingSignIn.forget_older(now - PENDING_MAX_AGE)
        row = PendingSignIn.create(
            token_hash=hash_of(ticket.encode("utf-8")),
            user=user,
            epoch=user.session_epoch,
            proven_at=proven_at,
            created_at=now,
        )
        if not factors.has_any:
            second_factors.prepare_app(user, config, now)
        by = Actor.of(user, browser.ip)
        audit.record(PasswordAccepted(user_id=user.id), by, now=now)
    return UnfinishedSignIn(user, row, factors, ticket)


def after_provider(
    user: User, browser: ClientInfo, *, proven_at: datetime, config: Config, now: datetime
) -> AuthenticatedSession:
    """Start a session after a provider that checks a second factor itself, by an owner's decision.

    Changing the factors of Aura still needs one of them, because the session alone proves none.
    """
    opened = open_session(user, browser, factor=PROVIDER, config=config, now=now)
    has_factor = second_factors.has_factor(user.id)
    session = opened.session
    prove = session.confirm_without_factor if has_factor else session.verify
    prove(proven_at)
    return opened


def resume(ticket: str, *, now: datetime) -> UnfinishedSignIn | None:
    """Return the sign-in of this ticket if it is still valid, else None."""
    row = PendingSignIn.with_hash(hash_of(ticket.encode("utf-8")), now - PENDING_MAX_AGE)
    if row is None or row.user.is_disabled or row.epoch != row.user.session_epoch:
        return None
    return UnfinishedSignIn(row.user, row, second_factors.read_factors(row.user.id), ticket)


def finish_with_code(
    pending: UnfinishedSignIn, typed: str, *, browser: ClientInfo, config: Config, now: datetime
) -> AuthenticatedSession:
    """Start the session with a code of the app or a recovery code. Raises Invalid or StaleState."""
    factor = codes.use_code(pending.user, typed, browser=browser, config=config, now=now)
    return _finish(pending, factor, browser, config, now)


def finish_with_passkey(
    pending: UnfinishedSignIn | None,
    answer: str,
    ticket: str,
    *,
    browser: ClientInfo,
    config: Config,
    now: datetime,
) -> AuthenticatedSession:
    """Start the session with a passkey, after the password or, if `pending` is None, without it.

    Raises: Invalid or StaleState.
    """
    user = pending.user if pending else None
    found = passkeys.sign_in(user, answer, ticket, ip=browser.ip, config=config, now=now)
    if pending:
        return _finish(pending, passkeys.FACTOR, browser, config, now)
    return open_session(found, browser, factor=passkeys.FACTOR, config=config, now=now)


def add_app_and_finish(
    pending: UnfinishedSignIn, typed: str, *, browser: ClientInfo, config: Config, now: datetime
) -> tuple[AuthenticatedSession, list[str]]:
    """Add an app to an account that needs a factor, and start the session.

    Return it and the recovery codes. Raises Invalid or StaleState.
    """
    person = person_adding(pending, browser)
    with transaction():
        _use_up(pending)
        created = second_factors.confirm_app(person, typed, config=config, now=now)
        opened = _open(pending, browser, codes.APP, config, now)
    return opened, created


def add_passkey_and_finish(
    pending: UnfinishedSignIn,
    name: str,
    answer: str,
    ticket: str,
    *,
    browser: ClientInfo,
    config: Config,
    now: datetime,
) -> tuple[AuthenticatedSession, list[str]]:
    """Do the same with a passkey. Raises Invalid or StaleState."""
    person = person_adding(pending, browser)
    new = own_passkeys.check_new(person, name, answer, ticket, config=config, now=now)
    with transaction():
        _use_up(pending)
        created = own_passkeys.add_passkey(person, new, now=now)
        opened = _open(pending, browser, passkeys.FACTOR, config, now)
    return opened, created


def person_adding(pending: UnfinishedSignIn, browser: ClientInfo) -> VerifiedPerson:
    """Return the person of a sign-in who has no factor yet, and typed the password just now.

    Raises: Conflict for a person who has one: they have to use it.
    """
    if second_factors.has_factor(pending.user.id):
        raise Conflict("Your account has a second factor. Sign in with it.")
    return VerifiedPerson(pending.user, Actor.of(pending.user, browser.ip), None)


def open_session(
    user: User, browser: ClientInfo, *, factor: str, config: Config, now: datetime
) -> AuthenticatedSession:
    """Start a session; tell the person by e-mail if they never used this browser before."""
    with transaction():
        if _is_new_device(user, browser, config, now):
            security_mail.queue_new_device(user, browser, now=now)
        return sessions.start_session(user, browser, now=now, factor=factor)


def _is_new_device(user: User, browser: ClientInfo, config: Config, now: datetime) -> bool:
    """Whether this person never used this browser; False for the first session of an account.

    Sessions are forgotten after a while, so an older account without one was used before.
    """
    if login_throttle.is_known_browser(user, browser, config):
        return False
    return UserSession.has_any(user.id) or now - user.created_at > _FIRST_SESSION_WITHIN


def _finish(
    pending: UnfinishedSignIn, factor: str, browser: ClientInfo, config: Config, now: datetime
) -> AuthenticatedSession:
    with transaction():
        _use_up(pending)
        return _open(pending, browser, factor, config, now)


def _open(
    pending: UnfinishedSignIn, browser: ClientInfo, factor: str, config: Config, now: datetime
) -> AuthenticatedSession:
    """Start the session, which remembers when the first step was proven."""
    opened = open_session(pending.user, browser, factor=factor, config=config, now=now)
    opened.session.verify(pending.row.proven_at)
    return opened


def _use_up(pending: UnfinishedSignIn) -> None:
    """Make sure that one request alone finishes this sign-in, of an account as it is now.

    Raises: StaleState.
    """
    user = pending.user
    user.refresh()
    if user.is_disabled or user.session_epoch != pending.row.epoch or not pending.row.finish():
        raise StaleState(_EXPIRED)
