"""Second factors of a person: the authenticator app, recovery codes, reset, and who needs one."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.config import Config
from app.domain import audit, permissions
from app.domain.accounts import codes, security_mail, sessions
from app.domain.accounts.codes import APP
from app.domain.accounts.roles import managing
from app.domain.accounts.verified_person import VerifiedPerson, changing_factors
from app.domain.actor import SYSTEM, Actor
from app.domain.audit.events import (
    RecoveryCodesCreated,
    SecondFactorAdded,
    SecondFactorRemoved,
    SecondFactorRuleChanged,
    SecondFactorsReset,
)
from app.domain.errors import Conflict, Invalid, StaleState
from app.models.accounts import ROLES, User
from app.models.agency import Agency
from app.models.base import transaction
from app.models.second_factors import Passkey, RecoveryCode, SecondFactor, forget_factors

has_factor = codes.has_factor

# How long the secret of a new app waits for its first code.
PENDING_MAX_AGE = timedelta(minutes=30)
_HANDLE_BYTES = 32
_ISSUER = "Aura"
_NEEDED = (
    "Your role needs a second factor, and this is your last one. Add another one first, then remove"
    " this one."
)
_WRONG_FIRST_CODE = (
    "This code is not right. Check that the time of your device is set automatically, then enter"
    " the code that the app shows now."
)


@dataclass(frozen=True)
class Factors:
    """The factors of one person. `app_added_at` is None without an app."""

    app_added_at: datetime | None
    passkeys: list[Passkey]
    recovery_codes: int

    @property
    def has_any(self) -> bool:
        return self.app_added_at is not None or bool(self.passkeys)


@dataclass(frozen=True)
class PendingApp:
    """An app that no code has confirmed yet: the secret, and the address for a QR code."""

    secret: str
    address: str


def users_with_factor() -> set[int]:
    """Return the ids of the users who have an authenticator app or a passkey."""
    rows = SecondFactor.with_passkeys()
    return {row.user_id for row in rows if row.has_app or row.has_passkey}


def read_factors(user_id: int) -> Factors:
    """Return the factors of a person."""
    row = SecondFactor.fetch_one(user=user_id)
    return Factors(
        app_added_at=row.added_at if row is not None and row.has_app else None,
        passkeys=Passkey.of(user_id),
        recovery_codes=RecoveryCode.unused(user_id),
    )


# ---- the authenticator app ----


def begin_app(person: VerifiedPerson, *, config: Config, now: datetime) -> None:
    """Make the secret of a new app. An app in use goes on until a code confirms the new one.

    Raises: Forbidden.
    """
    with permissions.user_transaction(person.by, "account"):
        prepare_app(person.user, config, now)


def prepare_app(user: User, config: Config, now: datetime) -> None:
    """Store the secret of a new app. Call it inside `transaction()`."""
    row = SecondFactor.ensure(user, secrets.token_urlsafe(_HANDLE_BYTES))
    row.begin_app(codes.seal_secret(user, codes.new_secret(), config), now)


def pending_app(user: User, config: Config, now: datetime) -> PendingApp | None:
    """Return the app that waits for its first code; None if there is none, or it is too old."""
    row = SecondFactor.of(user)
    if row is None or not row.pending_sealed or row.pending_at is None:
        return None
    if now - row.pending_at >= PENDING_MAX_AGE:
        return None
    secret = codes.open_secret(user, row.pending_sealed, config)
    return PendingApp(secret, codes.app_address(user, secret, _ISSUER))


def confirm_app(person: VerifiedPerson, typed: str, *, config: Config, now: datetime) -> list[str]:
    """Use the new app from now on, and end the person's other sessions.

    Return new recovery codes if this is the person's first factor.

    Raises: Forbidden, StaleState if no app waits, or Invalid for a wrong code.
    """
    user = person.user
    with changing_factors(person, now) as by:
        pending, row = pending_app(user, config, now), SecondFactor.of(user)
        if pending is None or row is None or row.pending_sealed is None:
            raise StaleState("The secret has expired or was replaced. Start again.")
        step = codes.matching_step(pending.secret, codes.clean_code(typed), now)
        if step is None:
            raise Invalid("code", _WRONG_FIRST_CODE)
        is_first = not has_factor(user.id)
        if not row.confirm_app(row.pending_sealed, step, now):
            raise StaleState("The secret has expired or was replaced. Start again.")
        audit.record(SecondFactorAdded(user_id=user.id, factor=APP, name=""), by, now=now)
        security_mail.queue_notice(user, security_mail.ADDED, now=now, factor=APP, name="")
        return first_recovery_codes(user, by, now) if is_first else []


def remove_app(person: VerifiedPerson, *, now: datetime) -> None:
    """Remove the authenticator app, and end the person's other sessions.

    Raises: Forbidden, or Conflict if there is none, or a role needs it.
    """
    user = person.user
    with changing_factors(person, now) as by:
        row = SecondFactor.of(user)
        if row is None or not row.remove_app():
            raise StaleState("You have no authenticator app.")
        check_enough_left(user)
        audit.record(SecondFactorRemoved(user_id=user.id, factor=APP, name=""), by, now=now)
        security_mail.queue_notice(user, security_mail.REMOVED, now=now, factor=APP, name="")


def check_enough_left(user: User) -> None:
    """Refuse to remove the last factor of a role that needs one.

    Without a factor, recovery codes go too. Call it in the transaction that removed a factor.

    Raises: Conflict.
    """
    if has_factor(user.id):
        return
    if is_required(user.role):
        raise Conflict(_NEEDED)
    RecoveryCode.forget(user.id)


# ---- recovery codes ----


def renew_recovery_codes(person: VerifiedPerson, *, now: datetime) -> list[str]:
    """Return new recovery codes; the former ones no longer work. Other sessions end.

    Raises: Forbidden, or Conflict for a person without a factor.
    """
    with changing_factors(person, now) as by:
        if not has_factor(person.user.id):
            raise Conflict("Add an authenticator app or a passkey first.")
        created = first_recovery_codes(person.user, by, now)
        security_mail.queue_notice(person.user, security_mail.CODES_CREATED, now=now)
    return created


def first_recovery_codes(user: User, by: Actor, now: datetime) -> list[str]:
    """Create recovery codes, with their entry. Call it inside `transaction()`."""
    created = codes.create_recovery_codes(user, now)
    audit.record(RecoveryCodesCreated(user_id=user.id), by, now=now)
    return created


# ---- a person who lost everything ----


def reset_factors(user: User, *, owner: VerifiedPerson, now: datetime) -> None:
    """Remove all factors of a person, and end their sessions.

    If their role needs a second factor, they add one at the next sign-in.

    Raises: Forbidden, or Conflict for a person without a factor and for oneself.
    """
    if owner.user.id == user.id:
        raise Conflict("Change your own factors under Your account.")
    with managing(user, owner.by) as by:
        _reset(user, by, now)


def reset_factors_from_cli(user: User, *, now: datetime) -> None:
    """Do the same on behalf of the operator of this server. Raises Conflict."""
    with transaction():
        _reset(user, SYSTEM, now)


def _reset(user: User, by: Actor, now: datetime) -> None:
    if not has_factor(user.id):
        raise Conflict(f"{user.name} has no second factor.")
    forget_factors(user.id)
    sessions.end_all_sessions(user, by=by, now=now)
    audit.record(SecondFactorsReset(user_id=user.id, name=user.name), by, now=now)
    security_mail.queue_notice(user, security_mail.RESET, now=now, by=by.name)


# ---- who needs one ----


def is_required(role: str) -> bool:
    """Whether an owner decided that this role needs a second factor."""
    return role in required_roles(Agency.read())


def required_roles(agency: Agency | None) -> list[str]:
    """Return the roles that need a second factor, of the agency's row if there is one."""
    return (agency.second_factor_roles if agency else None) or []


def require_for_roles(roles: Sequence[str], *, by: Actor, now: datetime) -> bool:
    """Set the roles that need a second factor, from their next sign-in on.

    Return False if nothing is new. Raises Forbidden, or Invalid for an unknown role.
    """
    chosen = [role for role in ROLES if role in roles]
    if len(chosen) != len(set(roles)):
        raise Invalid("roles", "Choose from the roles in the list.")
    with permissions.user_transaction(by, "security") as (_, by):
        was = required_roles(Agency.read())
        if chosen == was:
            return False
        Agency.write(second_factor_roles=chosen)
        audit.record(SecondFactorRuleChanged(roles=chosen, was=was), by, now=now)
    return True
