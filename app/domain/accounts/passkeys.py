"""Passkeys (WebAuthn, https://www.w3.org/TR/webauthn-3/): where they work, and how one is used.

A passkey is bound to the host name of Aura's own address and is only used where the device verified
the person (PIN, fingerprint or face), so it replaces the password and the second factor. No
attestation is asked for: Aura does not learn which device it is.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import NoReturn
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    parse_authentication_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    PublicKeyCredentialDescriptor,
    UserVerificationRequirement,
)

from app.config import Config
from app.domain import audit
from app.domain.accounts import sessions
from app.domain.actor import Actor
from app.domain.audit.events import SecondFactorRefused
from app.domain.errors import Invalid
from app.http.ip_policy import network_of
from app.keys import hash_of
from app.models.accounts import User
from app.models.base import transaction
from app.models.second_factors import Passkey, PasskeyChallenge, SecondFactor

FACTOR = "passkey"
# PasskeyChallenge.purpose
SIGN_IN = "sign_in"
CONFIRM = "confirm"

CHALLENGE_MAX_AGE = timedelta(minutes=5)
# Challenges that one network can have open, so that visitors do not fill the table.
_OPEN_PER_NETWORK = 50
TIMEOUT_MS = 120_000
_CHALLENGE_BYTES = 32
# What the libraries raise for an answer that is not one.
BROKEN = (
    WebAuthnException,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    RecursionError,
)

REFUSED = (
    "This passkey was not accepted. Try again. If it still does not work, sign in another way and"
    " remove it from your account."
)
_COPIED = (
    "Aura refused this passkey, because its counter went back: it may have been copied. Use another"
    " way to sign in, then remove the passkey from your account."
)


@dataclass(frozen=True)
class Challenge:
    """What a browser needs to use or create a passkey; `ticket` comes back with the answer."""

    options: str
    ticket: str = field(repr=False)


# ---- where passkeys work ----


def obstacle(config: Config, opened_at: str) -> str:
    """Return why passkeys cannot be used at the address `opened_at`, with what to do; else ''."""
    host = urlsplit(config.origin).hostname or ""
    if _is_ip_address(host):
        return (
            f"Passkeys need a host name, and the address of this Aura is {config.origin}. Its"
            " operator can set AURA_ORIGIN to an https address with a host name. On a single"
            " computer, http://localhost with the port works as well."
        )
    if not config.is_https and not _is_this_computer(host):
        return (
            f"Passkeys need https, and the address of this Aura is {config.origin}. Its operator"
            " can put it behind https and set AURA_ORIGIN to the new address."
        )
    if opened_at != config.origin:
        return (
            f"Passkeys work only at {config.origin}, and you opened Aura at {opened_at}. Open"
            f" {config.origin} instead. If that is not the right address, the operator of this Aura"
            " can change AURA_ORIGIN; passkeys have to be added again then."
        )
    return ""


def _is_ip_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_this_computer(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def relying_party(config: Config) -> str:
    """Return the host name that passkeys are bound to (the RP ID)."""
    return urlsplit(config.origin).hostname or ""


def anybody_has_one() -> bool:
    """Whether the sign-in page has to offer passkeys."""
    return Passkey.any_exists()


# ---- a challenge and its answer ----


def begin_use(
    purpose: str, user: User | None, *, ip: str, config: Config, now: datetime
) -> Challenge:
    """Return a challenge for a passkey of `user`, or of anyone at a sign-in without a password."""
    known = Passkey.of(user.id) if user else []
    challenge, ticket = new_challenge(purpose, user, ip, now)
    options = webauthn.generate_authentication_options(
        rp_id=relying_party(config),
        challenge=challenge,
        timeout=TIMEOUT_MS,
        allow_credentials=[descriptor(one) for one in known],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return Challenge(webauthn.options_to_json(options), ticket)


def confirm(
    user: User, answer: str, ticket: str, *, by: Actor, config: Config, now: datetime
) -> None:
    """Check a passkey of a person who is signed in. Raises Invalid."""
    _use(CONFIRM, user, answer, ticket, by=by, config=config, now=now)


def sign_in(
    user: User | None, answer: str, ticket: str, *, ip: str, config: Config, now: datetime
) -> User:
    """Return the person whose passkey this is; `user` if their password was right before.

    Raises: Invalid.
    """
    by = Actor.anonymous(ip)
    return _use(SIGN_IN, user, answer, ticket, by=by, config=config, now=now).user


def _use(
    purpose: str,
    user: User | None,
    answer: str,
    ticket: str,
    *,
    by: Actor,
    config: Config,
    now: datetime,
) -> Passkey:
    """Use a passkey up to its challenge and its counter. Raises Invalid."""
    challenge = take_challenge(purpose, user, ticket, now)
    if challenge is None:
        _refuse("the challenge expired or was used", user, by, now)
    try:
        given = parse_authentication_credential_json(answer)
        passkey = Passkey.known(bytes_to_base64url(given.raw_id))
        if passkey is None or passkey.user.is_disabled or (user and passkey.user_id != user.id):
            _refuse("unknown passkey", user, by, now)
        handle = given.response.user_handle
        if handle is not None and handle != _handle_of(passkey.user):
            _refuse("of another account", passkey.user, by, now, passkey.name)
        found = webauthn.verify_authentication_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=relying_party(config),
            expected_origin=config.origin,
            credential_public_key=base64url_to_bytes(passkey.public_key),
            # The counter is compared below, in the statement that stores it.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except BROKEN:
        _refuse("invalid answer", user, by, now)
    with transaction():
        is_newer = passkey.use(found.new_sign_count, now)
    if not is_newer:
        _refuse("the counter went back", passkey.user, by, now, passkey.name, words=_COPIED)
    return passkey


def _handle_of(user: User) -> bytes | None:
    row = SecondFactor.of(user)
    return base64url_to_bytes(row.handle) if row else None


def _refuse(
    reason: str,
    user: User | None,
    by: Actor,
    now: datetime,
    name: str = "",
    *,
    words: str = REFUSED,
) -> NoReturn:
    event = SecondFactorRefused(user_id=user.id if user else None, reason=reason, name=name)
    audit.record_refusal(event, by, now=now, per_hour=sessions.REFUSALS_PER_HOUR)
    raise Invalid("passkey", words)


def new_challenge(purpose: str, user: User | None, ip: str, now: datetime) -> tuple[bytes, str]:
    """Store a challenge; return it, and the ticket with which its answer finds it."""
    challenge, ticket = secrets.token_bytes(_CHALLENGE_BYTES), secrets.token_urlsafe(32)
    network = network_of(ip)
    with transaction():
        PasskeyChallenge.forget_older(now - CHALLENGE_MAX_AGE)
        PasskeyChallenge.create(
            token_hash=hash_of(ticket.encode("utf-8")),
            challenge=bytes_to_base64url(challenge),
            purpose=purpose,
            user_id=user.id if user else None,
            network=network,
            created_at=now,
        )
        PasskeyChallenge.keep_newest(network, _OPEN_PER_NETWORK)
    return challenge, ticket


def take_challenge(purpose: str, user: User | None, ticket: str, now: datetime) -> bytes | None:
    """Return the challenge of a ticket, which works once; None if it was for another person."""
    with transaction():
        ticket_hash = hash_of(ticket.encode("utf-8"))
        found = PasskeyChallenge.redeem(ticket_hash, purpose, now - CHALLENGE_MAX_AGE)
    if found is None or found.user_id != (user.id if user else None):
        return None
    return base64url_to_bytes(found.challenge)


def descriptor(passkey: Passkey) -> PublicKeyCredentialDescriptor:
    """Return how a browser is asked for a passkey."""
    return PublicKeyCredentialDescriptor(id=base64url_to_bytes(passkey.credential_id))
