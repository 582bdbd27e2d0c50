"""Limit how often a password can be guessed.

Each attempt counts as failed before it is checked, until it succeeds, so that parallel attempts are
counted too. There are three buckets: an account from unknown browsers, an account from one known
browser, and a network. After a few free attempts the wait doubles, up to a few minutes. Failures
from unknown browsers never slow down a known browser, so nobody can lock a user out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from itsdangerous import BadData, URLSafeTimedSerializer

from app.config import Config
from app.http.ip_policy import network_of
from app.models.accounts import LoginFailure, User
from app.models.base import transaction
from app.retry import backoff

FREE_PER_ACCOUNT = 5
FREE_PER_NETWORK = 20
MAX_WAIT = timedelta(minutes=5)
FAILURE_RETENTION = timedelta(hours=1)
DEVICE_TOKEN_MAX_AGE = timedelta(days=90)


@dataclass(frozen=True)
class ClientInfo:
    """Where a request came from. `device` is the cookie of an earlier sign-in, if any."""

    ip: str
    agent: str = ""
    device: str = ""


def register_attempt(
    account: str, browser: ClientInfo, *, config: Config, now: datetime, device_of: str = ""
) -> str | None:
    """Count an attempt at `account`; return its subject, or None if it comes too early.

    `device_of` is the address of the account whose known browsers have a bucket of their own, if
    `account` names something else. Attempts that come too early are not counted, otherwise waiting
    would never end.
    """
    device = _device_id(browser.device, device_of or account, config)
    subject = _hash(f"{account} {device}" if device else account, config)
    network = network_of(browser.ip)
    since = now - FAILURE_RETENTION
    with transaction():
        LoginFailure.forget_older(since)
        waits = [_next_attempt_at(*LoginFailure.of_subject(subject, since), FREE_PER_ACCOUNT)]
        if not device:
            waits.append(_next_attempt_at(*LoginFailure.of_ip(network, since), FREE_PER_NETWORK))
        if any(wait is not None and now < wait for wait in waits):
            return None
        LoginFailure.create(subject_hash=subject, ip=network, at=now)
    return subject


def subject_hash(account: str, config: Config) -> str:
    """Return the name of an account in the audit log, which may not exist."""
    return _hash(account, config)


def reset_attempts(subject: str) -> None:
    """Delete the successful attempt and the failed ones before it."""
    LoginFailure.forget_subject(subject)


def is_known_browser(user: User, browser: ClientInfo, config: Config) -> bool:
    """Whether this person has signed in from this browser in the last 90 days."""
    return bool(_device_id(browser.device, user.email, config))


def device_token(user: User, known: str, config: Config) -> str:
    """Return the cookie value for a browser in which `user` has just signed in.

    The browser keeps it for months, also after signing out, so the account in it is hashed.
    """
    device = _device_id(known, user.email, config) or secrets.token_urlsafe(16)
    return _devices(config).dumps([_account_hash(user.email, config), device])


def _next_attempt_at(count: int, last_at: datetime | None, free: int) -> datetime | None:
    """Return the time of the next allowed attempt, or None for now."""
    if last_at is None or count < free:
        return None
    return last_at + backoff(count - free + 1, timedelta(seconds=1), MAX_WAIT)


def _hash(text: str, config: Config) -> str:
    key = config.secret_key.encode("utf-8")
    return hmac.new(key, b"aura.sign-in\n" + text.encode("utf-8"), hashlib.sha256).hexdigest()


def _devices(config: Config) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(config.secret_key, salt="aura.known-browser")


def _device_id(text: str, account: str, config: Config) -> str:
    """Return the id of a browser that this account was used in, or an empty text."""
    try:
        account_hash, device = _devices(config).loads(
            text, max_age=int(DEVICE_TOKEN_MAX_AGE.total_seconds())
        )
    except (BadData, ValueError, TypeError):
        return ""
    matches = hmac.compare_digest(str(account_hash), _account_hash(account, config))
    return device if matches else ""


def _account_hash(account: str, config: Config) -> str:
    return _hash(f"known browser of {account}", config)
