"""Codes that a person types as second factor: of an authenticator app, or for recovery.

Codes of the app follow RFC 6238 with 30 seconds, six digits and SHA-1, which every app supports.
Each is accepted once. Guessing is limited as at sign-in, apart from guesses of the password: in a
browser that the person has used before, failures elsewhere slow nothing down.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import NoReturn

import pyotp

from app.config import Config
from app.domain import audit
from app.domain.accounts import login_throttle, security_mail, sessions
from app.domain.accounts.login_throttle import ClientInfo
from app.domain.actor import Actor
from app.domain.audit.events import RecoveryCodeUsed, SecondFactorRefused
from app.domain.errors import Invalid
from app.keys import KeyRing, SealBroken
from app.models.accounts import User
from app.models.base import transaction
from app.models.second_factors import Passkey, RecoveryCode, SecondFactor

APP = "app"
RECOVERY = "recovery code"
RECOVERY_CODES = 10
# Clocks of phones differ: the code before and the code after are accepted as well.
_STEPS_OFF = (0, -1, 1)
_DIGITS = 6
# 79 bits, so a fast hash is enough. Without letters and digits that look alike.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_RECOVERY_CHARS = 16
_GROUP = 4

WRONG = "This code is not right, was used before or has expired. Wait for the next one."
PAUSED = (
    "Codes are paused after several failed attempts, and this one was not checked. "
    "Wait up to five minutes, then try again."
)
_NO_KEY = (
    "Aura cannot read the secret of your authenticator app, because a sealing key is missing. "
    "Use a passkey or a recovery code, and inform the operator of this Aura."
)


def has_factor(user_id: int) -> bool:
    """Whether this person has an authenticator app or a passkey."""
    row = SecondFactor.fetch_one(user=user_id)
    return (row is not None and row.has_app) or bool(Passkey.of(user_id))


def new_secret() -> str:
    """Return the secret of a new app: 160 bits in Base32, as RFC 4226 recommends."""
    return pyotp.random_base32()


def app_address(user: User, secret: str, issuer: str) -> str:
    """Return the otpauth address that an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=issuer)


def seal_secret(user: User, secret: str, config: Config) -> str:
    """Return the secret as it is stored, bound to its person."""
    return KeyRing(config.sealing_keys).seal(secret.encode("ascii"), _context(user))


def open_secret(user: User, sealed: str, config: Config) -> str:
    """Return the secret. Raises Invalid if its sealing key is missing."""
    try:
        return KeyRing(config.sealing_keys).open(sealed, _context(user)).decode("ascii")
    except SealBroken as why:
        raise Invalid("code", _NO_KEY) from why


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step whose code this is, or None. All steps are compared each time."""
    if not _is_app_code(code):
        return None
    app, step = pyotp.TOTP(secret), None
    present = app.timecode(now)
    for off in _STEPS_OFF:
        if hmac.compare_digest(app.generate_otp(present + off), code):
            step = present + off
    return step


def create_recovery_codes(user: User, now: datetime) -> list[str]:
    """Store new codes in place of the former ones, and return them. They are shown once."""
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    RecoveryCode.replace_all(user.id, [_hash(user, one) for one in codes], now)
    return ["-".join(one[at : at + _GROUP] for at in range(0, len(one), _GROUP)) for one in codes]


def use_code(user: User, typed: str, *, browser: ClientInfo, config: Config, now: datetime) -> str:
    """Use a typed code up; return APP or RECOVERY.

    Raises: Invalid.
    """
    subject = login_throttle.register_attempt(
        f"second factor of {user.email}", browser, config=config, now=now, device_of=user.email
    )
    if subject is None:
        _refuse(user, "too many attempts", PAUSED, browser, now)
    factor = _accept(user, clean_code(typed), browser, config, now)
    if not factor:
        _refuse(user, "wrong code", WRONG, browser, now)
    login_throttle.reset_attempts(subject)
    return factor


def clean_code(typed: str) -> str:
    """Return what a person typed without spaces and dashes, in lower case."""
    return "".join(typed[:100].split()).replace("-", "").lower()


def _accept(user: User, code: str, browser: ClientInfo, config: Config, now: datetime) -> str:
    """Use the code up, in one transaction; return what it is, or an empty text."""
    with transaction():
        if _is_app_code(code):
            return APP if _accept_app_code(user, code, config, now) else ""
        if len(code) != _RECOVERY_CHARS or not RecoveryCode.use(user.id, _hash(user, code), now):
            return ""
        left = RecoveryCode.unused(user.id)
        event = RecoveryCodeUsed(user_id=user.id, left=left)
        audit.record(event, Actor.of(user, browser.ip), now=now)
        security_mail.queue_notice(user, security_mail.CODE_USED, now=now, left=left)
    return RECOVERY


def _is_app_code(code: str) -> bool:
    return len(code) == _DIGITS and code.isascii() and code.isdigit()


def _accept_app_code(user: User, code: str, config: Config, now: datetime) -> bool:
    row = SecondFactor.of(user)
    if row is None or row.secret_sealed is None:
        return False
    step = matching_step(open_secret(user, row.secret_sealed, config), code, now)
    return step is not None and row.accept_step(step)


def _refuse(user: User, reason: str, words: str, browser: ClientInfo, now: datetime) -> NoReturn:
    event = SecondFactorRefused(user_id=user.id, reason=reason)
    by = Actor.of(user, browser.ip)
    audit.record_refusal(event, by, now=now, per_hour=sessions.REFUSALS_PER_HOUR)
    raise Invalid("code", words)


def _new_code() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_RECOVERY_CHARS))


def _hash(user: User, code: str) -> str:
    return hashlib.sha256(f"aura.recovery\n{user.id}\n{code}".encode()).hexdigest()


def _context(user: User) -> str:
    return f"totp:{user.id}"
