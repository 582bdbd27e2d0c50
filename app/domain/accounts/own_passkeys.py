"""Add and remove one's own passkeys."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

import webauthn
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    parse_attestation_object,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from app.config import Config
from app.domain import audit
from app.domain.accounts import passkeys, second_factors, security_mail
from app.domain.accounts.passkeys import Challenge
from app.domain.accounts.verified_person import VerifiedPerson, changing_factors
from app.domain.audit.events import SecondFactorAdded, SecondFactorRemoved
from app.domain.errors import Conflict, Invalid, NotFound
from app.domain.text import has_hidden_characters
from app.models.base import DuplicateRow, transaction
from app.models.second_factors import Passkey, SecondFactor

ADD = "add"
MAX_NAME_CHARS = 60
MAX_PASSKEYS = 20
_HANDLE_BYTES = 32
# What browsers send where no attestation was asked for (WebAuthn, section 5.1.3, step 22).
_FORMATS = (AttestationFormat.NONE, AttestationFormat.PACKED)
_NOT_ADDED = (
    "Aura did not accept this passkey. Try again. If it still does not work, the device may not be"
    " able to verify you with a PIN, fingerprint or face, which Aura needs."
)


@dataclass(frozen=True)
class NewPasskey:
    """A passkey that a browser created and Aura has verified, before it is stored."""

    name: str
    found: VerifiedRegistration


def begin_add(person: VerifiedPerson, *, config: Config, now: datetime) -> Challenge:
    """Return the challenge with which a browser creates a passkey.

    Raises: Conflict for a person who has too many.
    """
    user, known = person.user, Passkey.of(person.user.id)
    if len(known) >= MAX_PASSKEYS:
        raise Conflict(f"You have {MAX_PASSKEYS} passkeys. Remove one that you do not use first.")
    challenge, ticket = passkeys.new_challenge(ADD, user, person.by.ip, now)
    with transaction():
        row = SecondFactor.ensure(user, secrets.token_urlsafe(_HANDLE_BYTES))
    options = webauthn.generate_registration_options(
        rp_id=passkeys.relying_party(config),
        rp_name="Aura",
        user_id=base64url_to_bytes(row.handle),
        user_name=user.email,
        user_display_name=user.name,
        challenge=challenge,
        timeout=passkeys.TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[passkeys.descriptor(one) for one in known],
    )
    return Challenge(webauthn.options_to_json(options), ticket)


def clean_name(name: str) -> str:
    """Return the name of a passkey. Raises Invalid."""
    name = " ".join(name.split())
    if not name or has_hidden_characters(name):
        raise Invalid("name", "Enter a name, for example the device on which the passkey is.")
    if len(name) > MAX_NAME_CHARS:
        raise Invalid("name", f"At most {MAX_NAME_CHARS} characters.")
    return name


def check_new(
    person: VerifiedPerson, name: str, answer: str, ticket: str, *, config: Config, now: datetime
) -> NewPasskey:
    """Return what a browser created for the challenge of this ticket. Raises Invalid."""
    name = clean_name(name)
    challenge = passkeys.take_challenge(ADD, person.user, ticket, now)
    if challenge is None:
        raise Invalid("passkey", "This took longer than five minutes. Try again.")
    try:
        given = parse_registration_credential_json(answer)
        # The library verifies many formats of attestation. Nothing asked for them.
        if parse_attestation_object(given.response.attestation_object).fmt not in _FORMATS:
            raise Invalid("passkey", _NOT_ADDED)
        found = webauthn.verify_registration_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=passkeys.relying_party(config),
            expected_origin=config.origin,
            require_user_verification=True,
        )
    except passkeys.BROKEN as why:
        raise Invalid("passkey", _NOT_ADDED) from why
    return NewPasskey(name, found)


def add_passkey(person: VerifiedPerson, new: NewPasskey, *, now: datetime) -> list[str]:
    """Store the passkey that a browser created, and end the person's other sessions.

    Return new recovery codes if this is the person's first factor.

    Raises: Forbidden or Invalid.
    """
    name, found = new.name, new.found
    try:
        with changing_factors(person, now) as by:
            is_first = not second_factors.has_factor(person.user.id)
            Passkey.create(
                user=person.user,
                credential_id=bytes_to_base64url(found.credential_id),
                public_key=bytes_to_base64url(found.credential_public_key),
                sign_count=found.sign_count,
                name=name,
                added_at=now,
            )
            event = SecondFactorAdded(user_id=person.user.id, factor=passkeys.FACTOR, name=name)
            audit.record(event, by, now=now)
            security_mail.queue_notice(
                person.user, security_mail.ADDED, now=now, factor=passkeys.FACTOR, name=name
            )
            return second_factors.first_recovery_codes(person.user, by, now) if is_first else []
    except DuplicateRow as why:
        raise Invalid("passkey", "This passkey was already added.") from why


def remove_passkey(person: VerifiedPerson, passkey_id: int, *, now: datetime) -> Passkey:
    """Remove one of the person's own passkeys, and end their other sessions.

    Raises: Forbidden, NotFound, or Conflict for the last factor of a role that needs one.
    """
    with changing_factors(person, now) as by:
        mine = {one.id: one for one in Passkey.of(person.user.id)}
        passkey = mine.get(passkey_id)
        if passkey is None or not passkey.remove():
            raise NotFound("This passkey does not exist or was removed.")
        second_factors.check_enough_left(person.user)
        event = SecondFactorRemoved(
            user_id=person.user.id, factor=passkeys.FACTOR, name=passkey.name
        )
        audit.record(event, by, now=now)
        security_mail.queue_notice(
            person.user,
            security_mail.REMOVED,
            now=now,
            factor=passkeys.FACTOR,
            name=passkey.name,
        )
    return passkey
