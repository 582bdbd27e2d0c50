"""The identity of this dashboard: its id and its Ed25519 signing keys.

Each site gets the newest key at pairing. `renew_signing_key` creates another one, which a site gets
with its next rotation (docs/PROTOCOL.md 3.2). Old keys are kept for sites that do not have the new
one yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from uuid import uuid4

from app.config import Config
from app.keys import KeyRing, SealBroken, new_signing_key, signing_public
from app.models.installation import Setting
from app.protocol import b64u

_ID = "dashboard_id"
_SIGNING_KEY = "dashboard_signing_key"


@dataclass(frozen=True)
class SigningKey:
    """An Ed25519 key: the private seed and the public half."""

    seed: bytes = field(repr=False)
    public: bytes


@dataclass(frozen=True)
class DashboardIdentity:
    """The identity; `keys` are all signing keys, newest first."""

    id: str
    origin: str
    keys: tuple[SigningKey, ...]

    @property
    def signing_key(self) -> bytes:
        """The newest private key."""
        return self.keys[0].seed

    @property
    def sign_public(self) -> bytes:
        return self.keys[0].public

    @property
    def public_keys(self) -> list[bytes]:
        """The public half of every signing key this dashboard ever used, newest first."""
        return [key.public for key in self.keys]

    def key_for(self, sign_d: str) -> bytes:
        """Return the private key whose public half (b64u) a site knows as `Site.sign_d`.

        Raises SealBroken when it is none of this dashboard's.
        """
        if not sign_d:
            return self.keys[-1].seed
        for key in self.keys:
            if b64u(key.public) == sign_d:
                return key.seed
        raise SealBroken("this dashboard does not have the signing key that the site knows")


def load_dashboard(config: Config) -> DashboardIdentity:
    """Return this installation's identity; create it on first use.

    Raises: SealBroken if its sealing key is no longer configured.
    """
    stored = Setting.all_values()
    if _ID not in stored or _SIGNING_KEY not in stored:
        Setting.write_once(_ID, str(uuid4()))
        _write_key(config, _SIGNING_KEY)
        stored = Setting.all_values()
    names = [_SIGNING_KEY]
    while (name := f"{_SIGNING_KEY}.{len(names) + 1}") in stored:
        names.append(name)
    sealed = tuple((name, stored[name]) for name in reversed(names))
    return DashboardIdentity(stored[_ID], config.origin, _unseal(sealed, config.sealing_keys))


def sealed_signing_keys() -> dict[str, str]:
    """Return the signing keys as they are stored, by the context they are sealed for."""
    stored = Setting.all_values()
    return {name: text for name, text in stored.items() if name.startswith(_SIGNING_KEY)}


def renew_signing_key(config: Config) -> bytes:
    """Make another signing key, the newest from now on; returns its public half."""
    # Of two processes at once one writes; both then use that key.
    _write_key(config, f"{_SIGNING_KEY}.{len(load_dashboard(config).keys) + 1}")
    return load_dashboard(config).sign_public


@lru_cache(maxsize=4)
def _unseal(
    sealed: tuple[tuple[str, str], ...], sealing_keys: tuple[tuple[str, bytes], ...]
) -> tuple[SigningKey, ...]:
    """Open the keys, once per process as long as neither they nor the sealing keys change.

    Raises SealBroken, which is not remembered.
    """
    ring = KeyRing(sealing_keys)
    seeds = [ring.open(text, name) for name, text in sealed]
    return tuple(SigningKey(seed, signing_public(seed)) for seed in seeds)


def _write_key(config: Config, name: str) -> None:
    Setting.write_once(name, KeyRing(config.sealing_keys).seal(new_signing_key(), name))
