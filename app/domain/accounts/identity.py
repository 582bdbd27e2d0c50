"""Confirm who is in front of an open session: the password, and the second factor, once more."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn

from app.config import Config
from app.domain import audit, permissions
from app.domain.accounts import codes, login_throttle, passkeys, passwords, sessions
from app.domain.accounts.login_throttle import ClientInfo
from app.domain.accounts.sessions import AuthenticatedSession
from app.domain.accounts.verified_person import VERIFIED_MAX_AGE
from app.domain.actor import Actor
from app.domain.audit.events import IdentityConfirmed, PasswordRefused
from app.domain.errors import Invalid, StaleState

_NOT_THE_PRESENT_ONE = (
    "This is not your current password. After several failed attempts, wait five minutes."
)


@dataclass(frozen=True)
class Proof:
    """What a person sent to confirm who they are: a password, or the answer of a passkey.

    `code` is of the app or a recovery code; without it, factors cannot be changed. `challenge` is
    the ticket of the challenge that the passkey answers.
    """

    password: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    passkey: str = field(default="", repr=False)
    challenge: str = field(default="", repr=False)


def reauthenticate(
    auth: AuthenticatedSession,
    proof: Proof,
    *,
    browser: ClientInfo,
    config: Config,
    now: datetime,
) -> None:
    """Confirm who is in front of this session, which allows sensitive actions for 15 minutes.

    Changes of the person's own factors are allowed for 10 minutes if the second factor was proven
    as well, or if there is none. Guessing is limited as at sign-in.

    Raises: Invalid.
    """
    user = auth.user
    by = Actor.of(user, browser.ip)
    permissions.require(by, "account")
    if proof.passkey:
        passkeys.confirm(user, proof.passkey, proof.challenge, by=by, config=config, now=now)
        factor, subject = passkeys.FACTOR, None
    else:
        subject = None
        if not _needs_code_alone(auth, proof, now):
            subject = _check_password(auth, proof.password, by, browser, config, now)
        factor = ""
        if proof.code:
            factor = codes.use_code(user, proof.code, browser=browser, config=config, now=now)
    with permissions.user_transaction(by, "account") as (_, by):
        if subject:
            login_throttle.reset_attempts(subject)
        is_full = bool(factor) or not codes.has_factor(user.id)
        confirm = auth.session.verify if is_full else auth.session.confirm
        if not confirm(now):
            raise StaleState("Your session has ended. Sign in again.")
        event = IdentityConfirmed(session_id=auth.session.id, factor=factor)
        audit.record(event, by, now=now)


def _needs_code_alone(auth: AuthenticatedSession, proof: Proof, now: datetime) -> bool:
    """Whether the password, or the sign-in at the provider, was confirmed a few minutes ago."""
    is_fresh = now - auth.session.confirmed_at < VERIFIED_MAX_AGE
    return bool(proof.code) and not proof.password and is_fresh


def _check_password(
    auth: AuthenticatedSession,
    password: str,
    by: Actor,
    browser: ClientInfo,
    config: Config,
    now: datetime,
) -> str:
    """Return the subject of the attempt. Raises Invalid for a wrong password."""
    user = auth.user
    account = f"confirmation of {user.email}"
    subject = login_throttle.register_attempt(account, browser, config=config, now=now)
    if subject is None or not passwords.verify_password(user.password_hash, password):
        refuse_password(auth, "password", by, now, is_early=subject is None)
    return subject


def refuse_password(
    auth: AuthenticatedSession, field_name: str, by: Actor, now: datetime, *, is_early: bool
) -> NoReturn:
    """Record that a password was refused in an open session, and raise Invalid."""
    why = "too many attempts" if is_early else "wrong password"
    event = PasswordRefused(session_id=auth.session.id, reason=why)
    audit.record_refusal(event, by, now=now, per_hour=sessions.REFUSALS_PER_HOUR)
    raise Invalid(field_name, _NOT_THE_PRESENT_ONE)
