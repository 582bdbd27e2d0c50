"""Second factors of test users: codes of an app, and passkeys in a simulated device."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import cbor2
import pyotp
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256

from app.config import Config
from app.domain.accounts import codes, second_factors
from app.domain.accounts.verified_person import VerifiedPerson
from app.domain.actor import Actor
from app.models.accounts import User
from app.models.base import transaction
from app.models.second_factors import Passkey, SecondFactor
from app.protocol import b64u, from_b64u

_PRESENT, _VERIFIED, _WITH_KEY = 0x01, 0x04, 0x40


def add_app(user: User, config: Config, now: datetime) -> list[str]:
    """Give a person an authenticator app; return the recovery codes."""
    person = VerifiedPerson(user, Actor.of(user, "192.0.2.1"), None)
    with transaction():
        second_factors.prepare_app(user, config, now)
    code = first_code(user, config, now)
    return second_factors.confirm_app(person, code, config=config, now=now)


def first_code(user: User, config: Config, now: datetime) -> str:
    """Return the code of an app that is being set up."""
    return pyotp.TOTP(second_factors.pending_app(user, config, now).secret).at(now)


def app_code(user: User, config: Config, at: datetime) -> str:
    """Return the code of the person's app at this time."""
    sealed = SecondFactor.of(user).secret_sealed
    return pyotp.TOTP(codes.open_secret(user, sealed, config)).at(at)


def forget_used_codes() -> None:
    """Accept the current code again, as half a minute later."""
    SecondFactor.update(last_step=0).execute()


def make_passkey(user: User, now: datetime, name: str = "Phone", **changes: Any) -> Passkey:
    """Create a passkey in the database, without a device that has its key."""
    columns = {
        "user": user,
        "credential_id": secrets.token_urlsafe(16),
        "public_key": "x",
        "sign_count": 0,
        "name": name,
        "added_at": now,
    }
    return Passkey.create(**{**columns, **changes})


@dataclass
class Device:
    """An authenticator that follows WebAuthn unless a test changes it.

    `origin` is the page on which it is used, `counter` what it says next.
    """

    origin: str = "http://localhost"
    rp_id: str = "localhost"
    flags: int = _PRESENT | _VERIFIED
    counter: int = 1
    handle: str = ""
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def create(self, options: dict[str, Any]) -> str:
        """Answer `navigator.credentials.create()`."""
        self.handle = options["user"]["id"]
        numbers = self.key.public_key().public_numbers()
        public = {
            1: 2, 3: -7, -1: 1,
            -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big"),
        }  # fmt: skip
        ident = len(self.credential_id).to_bytes(2, "big") + self.credential_id
        data = self._data(_WITH_KEY) + bytes(16) + ident + cbor2.dumps(public)
        made = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client_data("webauthn.create", options["challenge"])
        return self._answer({"attestationObject": b64u(made), "clientDataJSON": b64u(client)})

    def use(self, options: dict[str, Any]) -> str:
        """Answer `navigator.credentials.get()`."""
        client = self._client_data("webauthn.get", options["challenge"])
        data = self._data(0)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ECDSA(SHA256()))
        return self._answer(
            {
                "authenticatorData": b64u(data),
                "clientDataJSON": b64u(client),
                "signature": b64u(signature),
                "userHandle": self.handle,
            }
        )

    def _data(self, flags: int) -> bytes:
        counter, self.counter = self.counter, self.counter + 1
        head = hashlib.sha256(self.rp_id.encode()).digest()
        return head + bytes([self.flags | flags]) + counter.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        from_b64u(challenge)
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _answer(self, response: dict[str, str]) -> str:
        ident = b64u(self.credential_id)
        return json.dumps({"id": ident, "rawId": ident, "type": "public-key", "response": response})
