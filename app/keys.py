"""Create, derive and seal keys; without network and database access.

The pairing schedule is docs/PROTOCOL.md section 2. The plugin has the same functions;
tests/php-fixtures/vectors.json checks both. Objects with secrets never print them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.protocol import ProtocolError, b64u, canonical, from_b64u

TOKEN_LIFE_S = 30 * 60
KEY_BYTES = 32
_PID_BYTES = 16
_SEAL_NONCE_BYTES = 12
_PLAN_SIGNATURE = b"siteagent/plan-sig/1\n"
_CHECKPOINT_SIGNATURE = b"siteagent/checkpoint/1\n"
# Many sites return the same checkpoint of Aura's log.
_CHECKPOINTS_REMEMBERED = 64


class SealBroken(Exception):
    """A sealed value cannot be opened: it was changed or moved, or its sealing key is missing."""


class KeyRefused(Exception):
    """The peer's public key is not valid."""


class NotAToken(Exception):
    """The text is not a pairing token; `damaged` if it is one with copying errors."""

    def __init__(self, *, damaged: bool) -> None:
        super().__init__("damaged pairing token" if damaged else "not a pairing token")
        self.damaged = damaged


@dataclass(frozen=True)
class Token:
    """A one-time invitation for one site to pair with one dashboard.

    The dashboard stores `pairing_keys(token.secret, token.pid)` sealed, never the secret.
    """

    pid: bytes
    secret: bytes = field(repr=False)
    expires_at: int
    origin: str
    site_url: str

    def text(self) -> str:
        """Return the line that a person copies; its last part detects copying mistakes."""
        head = ".".join(
            (
                "SA1",
                b64u(self.pid),
                b64u(self.secret),
                str(self.expires_at),
                b64u(self.origin.encode()),
                b64u(self.site_url.encode()),
            )
        )
        return f"{head}.{_checksum(head)}"

    @property
    def keyid(self) -> str:
        """Return the key id of messages that are signed with this token."""
        return f"p_{b64u(self.pid)}"

    @classmethod
    def read(cls, text: str) -> Token:
        """Parse a token; neither its expiry nor its site is checked.

        Raises: NotAToken.
        """
        head, _, check = text.strip().rpartition(".")
        parts = head.split(".")
        if parts[0] != "SA1":
            raise NotAToken(damaged=False)
        expiry = parts[3] if len(parts) == 6 else ""
        if not hmac.compare_digest(check.encode(), _checksum(head).encode()) or not (
            expiry.isascii() and expiry.isdigit() and len(expiry) <= 12
        ):
            raise NotAToken(damaged=True)
        try:
            return cls(
                pid=from_b64u(parts[1], _PID_BYTES),
                secret=from_b64u(parts[2], KEY_BYTES),
                expires_at=int(expiry),
                origin=from_b64u(parts[4]).decode(),
                site_url=from_b64u(parts[5]).decode(),
            )
        except (ProtocolError, UnicodeDecodeError) as why:
            raise NotAToken(damaged=True) from why


@dataclass(frozen=True, repr=False)
class PairingKeys:
    """The keys that both sides derive from a token; only `note` is used after the token."""

    auth: bytes
    d2s: bytes
    s2d: bytes
    note: bytes


@dataclass(frozen=True, repr=False)
class SessionKeys:
    """The keys of a connection, which both sides hold as keys or as hashes."""

    d2s: bytes
    s2d: bytes
    revoke: bytes
    revoke_ack: bytes
    disconnect: bytes


@dataclass(frozen=True, repr=False)
class Exchange:
    """One side's ephemeral X25519 key pair; used for one hello and forgotten."""

    private_bytes: bytes

    @classmethod
    def new(cls) -> Exchange:
        """Return a new key pair from the system's random source."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @property
    def public(self) -> bytes:
        """Return the public key (32 bytes) for the peer."""
        return (
            X25519PrivateKey.from_private_bytes(self.private_bytes).public_key().public_bytes_raw()
        )

    def shared(self, peer_public: bytes) -> bytes:
        """Return the X25519 secret; raise KeyRefused for a key of wrong size or small order."""
        try:
            peer = X25519PublicKey.from_public_bytes(peer_public)
            return X25519PrivateKey.from_private_bytes(self.private_bytes).exchange(peer)
        except ValueError as why:
            raise KeyRefused("the peer's X25519 key is unusable") from why


def new_token(origin: str, site_url: str, now: int) -> Token:
    """Return a pairing token for `site_url` from the dashboard at `origin`, valid 30 minutes."""
    return Token(
        pid=secrets.token_bytes(_PID_BYTES),
        secret=secrets.token_bytes(KEY_BYTES),
        expires_at=now + TOKEN_LIFE_S,
        origin=origin,
        site_url=site_url,
    )


def pairing_keys(secret: bytes, pid: bytes) -> PairingKeys:
    """Derive the keys of a pairing token."""
    return pairing_keys_of(_hkdf(secret, pid, "siteagent/1 pair-auth"))


def pairing_keys_of(auth: bytes) -> PairingKeys:
    """Derive the same keys from the stored `auth`, without the token itself."""
    return PairingKeys(
        auth=auth,
        d2s=_hkdf(auth, b"", "siteagent/1 pair d2s"),
        s2d=_hkdf(auth, b"", "siteagent/1 pair s2d"),
        note=_hkdf(auth, b"", "siteagent/1 pair note"),
    )


def transcript(hello: bytes, answer: bytes) -> bytes:
    """Return th: the hash of both hello bodies, exactly as sent."""
    return hashlib.sha256(
        b"siteagent/1 pair"
        + len(hello).to_bytes(4, "big")
        + hello
        + len(answer).to_bytes(4, "big")
        + answer
    ).digest()


def session_keys(exchange: Exchange, peer_public: bytes, auth: bytes, th: bytes) -> SessionKeys:
    """Derive the keys of the connection; raise KeyRefused for an unusable public key of the peer.

    `auth` is what both sides share already: the token's key, or d2s and s2d of the old generation.
    """
    material = exchange.shared(peer_public) + auth

    def derive(name: str) -> bytes:
        return _hkdf(material, th, f"siteagent/1 {name}")

    return SessionKeys(
        d2s=derive("d2s"),
        s2d=derive("s2d"),
        revoke=derive("revoke"),
        revoke_ack=derive("revoke-ack"),
        disconnect=derive("disconnect"),
    )


def rotation_transcript(plan: bytes, site_public: bytes) -> bytes:
    """Return th of a rotation: the hash of the plan's exact bytes and the site's new public key."""
    size = len(plan).to_bytes(4, "big")
    return hashlib.sha256(b"siteagent/1 rotate" + size + plan + site_public).digest()


def next_key_id(keyid: str, generation: int) -> str:
    """Return the key id of a later generation of the same connection."""
    return f"{keyid.partition('.')[0]}.{generation}"


def plan_digest(plan: bytes) -> bytes:
    """Return the digest of a plan, which is signed and names its operation (PROTOCOL.md 3.1)."""
    return hashlib.sha256(b"siteagent/plan/1\n" + plan).digest()


def sign_plan(seed: bytes, plan: bytes) -> bytes:
    """Return the dashboard's Ed25519 signature over the exact bytes of a plan."""
    return sign(seed, _PLAN_SIGNATURE + plan_digest(plan))


def verify_plan(public: bytes, plan: bytes, signature: bytes) -> bool:
    """Whether this is the dashboard's signature over the exact bytes of a plan."""
    return verify(public, _PLAN_SIGNATURE + plan_digest(plan), signature)


def sign_checkpoint(seed: bytes, checkpoint: bytes) -> bytes:
    """Return the Ed25519 signature over the exact bytes of a checkpoint (PROTOCOL.md 5.3)."""
    return sign(seed, _CHECKPOINT_SIGNATURE + checkpoint)


@lru_cache(maxsize=_CHECKPOINTS_REMEMBERED)
def verify_checkpoint(public: bytes, checkpoint: bytes, signature: bytes) -> bool:
    """Whether the keeper of a log signed the exact bytes of this checkpoint."""
    return verify(public, _CHECKPOINT_SIGNATURE + checkpoint, signature)


def sign_release(seed: bytes, version: str, sha256: str) -> bytes:
    """Sign a release of SiteAgent (PROTOCOL.md 3.5); `sha256` is its package's, in hex."""
    return sign(seed, _release_statement(version, sha256))


def verify_release(public: bytes, version: str, sha256: str, signature: bytes) -> bool:
    """Check the signature of a release of SiteAgent."""
    return verify(public, _release_statement(version, sha256), signature)


def _release_statement(version: str, sha256: str) -> bytes:
    named = {"v": 1, "slug": "siteagent", "version": version, "sha256": sha256}
    return b"siteagent/release/1\n" + canonical(named)


def key_id(th: bytes, generation: int = 1) -> str:
    """Return the key id that both sides use from then on."""
    return f"{b64u(th[:16])}.{generation}"


def fingerprint(th: bytes) -> str:
    """Return the fingerprint that both screens show: twelve hex digits in three groups."""
    digits = th.hex()[:12].upper()
    return "-".join((digits[:4], digits[4:8], digits[8:]))


def hash_of(secret: bytes) -> str:
    """Return the hash (hex) to store of a secret that is later shown as proof."""
    # The secret is long and random, so a fast hash is enough.
    return hashlib.sha256(secret).hexdigest()


def proves(shown: bytes, kept_hash: str) -> bool:
    """Whether `shown` is the secret with the stored hash."""
    return hmac.compare_digest(hash_of(shown), kept_hash)


def new_signing_key() -> bytes:
    """Return a new Ed25519 seed (32 bytes), which has to be stored sealed."""
    return secrets.token_bytes(KEY_BYTES)


def signing_public(seed: bytes) -> bytes:
    """Return the public half of an Ed25519 seed."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed: bytes, message: bytes) -> bytes:
    """Return the Ed25519 signature (64 bytes) of `message`."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is the Ed25519 signature of `message`; False for unusable keys."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class KeyRing:
    """Seal secrets for storage. The first key seals, every key opens.

    A value can be opened only with the context it was sealed for ("site:7:k_d2s:1"), so that keys
    of one site cannot be moved to another row of the database.
    """

    def __init__(self, sealing_keys: tuple[tuple[str, bytes], ...]) -> None:
        if not sealing_keys:
            raise ValueError("a key ring needs at least one key")
        self._first = sealing_keys[0][0]
        self._ciphers = {name: AESGCM(key) for name, key in sealing_keys}

    def seal(self, plaintext: bytes, context: str) -> str:
        """Return `plaintext` encrypted as text, which opens only under `context`."""
        nonce = secrets.token_bytes(_SEAL_NONCE_BYTES)
        sealed = self._ciphers[self._first].encrypt(nonce, plaintext, context.encode())
        return f"{self._first}.{b64u(nonce + sealed)}"

    def open(self, sealed: str, context: str) -> bytes:
        """Return the decrypted bytes.

        Raises: SealBroken, and never returns a wrong value.
        """
        name, _, text = sealed.partition(".")
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise SealBroken(f"there is no sealing key named {name[:20]!r}")
        try:
            raw = from_b64u(text)
            return cipher.decrypt(
                raw[:_SEAL_NONCE_BYTES], raw[_SEAL_NONCE_BYTES:], context.encode()
            )
        except (ProtocolError, InvalidTag, ValueError) as why:
            raise SealBroken(f"the sealed value for {context} cannot be decrypted") from why


# ---- a passphrase ----

# 128 MiB and half a second for each guess, as OWASP recommends (Password Storage Cheat Sheet).
_SCRYPT = {"n": 2**17, "r": 8, "p": 1}
_SALT_BYTES = 16


def lock(plaintext: bytes, passphrase: str, context: str) -> bytes:
    """Return `plaintext` encrypted with a passphrase; it opens only under `context`."""
    salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_SEAL_NONCE_BYTES)
    cipher = AESGCM(_stretch(passphrase, salt))
    return salt + nonce + cipher.encrypt(nonce, plaintext, context.encode())


def unlock(locked: bytes, passphrase: str, context: str) -> bytes:
    """Return the decrypted bytes.

    Raises: SealBroken for another passphrase or context, and for changed bytes.
    """
    salt, rest = locked[:_SALT_BYTES], locked[_SALT_BYTES:]
    cipher = AESGCM(_stretch(passphrase, salt))
    try:
        nonce, sealed = rest[:_SEAL_NONCE_BYTES], rest[_SEAL_NONCE_BYTES:]
        return cipher.decrypt(nonce, sealed, context.encode())
    except (InvalidTag, ValueError) as why:
        raise SealBroken(f"the {context} cannot be decrypted") from why


def _stretch(passphrase: str, salt: bytes) -> bytes:
    """Return the key that follows from a passphrase (RFC 7914)."""
    memory = 256 * _SCRYPT["n"] * _SCRYPT["r"]
    secret = passphrase.encode("utf-8")
    return hashlib.scrypt(secret, salt=salt, maxmem=memory, dklen=KEY_BYTES, **_SCRYPT)


def _hkdf(material: bytes, salt: bytes, info: str) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt, info.encode("ascii")).derive(material)


def _checksum(head: str) -> str:
    return hashlib.sha256(head.encode()).hexdigest()[:6]
