"""Which dashboard this is: its id, and the Ed25519 keys that sites check its plans with.

The newest key is told to each site at pairing. `renew_signing_key` makes another one; a site
learns it with its next rotation (docs/PROTOCOL.md 3.2), so former keys are kept for the sites
that still know only them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from app.config import Config
from app.keys import KeyRing, SealBroken, new_signing_key, signing_public
from app.models.installation import Setting
from app.protocol import b64u

_ID = "dashboard_id"
_SIGNING_KEY = "dashboard_signing_key"


@dataclass(frozen=True)
class DashboardIdentity:
    """`seeds` are the private signing keys, the newest first; the last is the first ever made."""

    id: str
    origin: str
    seeds: tuple[bytes, ...] = field(repr=False)

    @property
    def signing_key(self) -> bytes:
        """The newest private key."""
        return self.seeds[0]

    @property
    def sign_public(self) -> bytes:
        return signing_public(self.signing_key)

    @property
    def public_keys(self) -> list[bytes]:
        """The public half of every signing key this dashboard ever used, newest first."""
        return [signing_public(seed) for seed in self.seeds]

    def key_for(self, sign_d: str) -> bytes:
        """Return the private key whose public half (b64u) a site knows as `Site.sign_d`.

        Raises SealBroken when it is none of this dashboard's.
        """
        if not sign_d:
            return self.seeds[-1]
        for seed in self.seeds:
            if b64u(signing_public(seed)) == sign_d:
                return seed
        raise SealBroken("the signing key that the site knows is not one of this dashboard's")


def load_dashboard(config: Config) -> DashboardIdentity:
    """Return this installation's identity, made at first use; the same for every process.

    Raises SealBroken when the sealing key of that day is no longer configured.
    """
    dashboard_id = Setting.read(_ID) or Setting.write_once(_ID, str(uuid4()))
    seeds = [_first_seed(config)]
    ring, number = KeyRing(config.sealing_keys), 2
    while (sealed := Setting.read(_name(number))) is not None:
        seeds.insert(0, ring.open(sealed, _name(number)))
        number += 1
    return DashboardIdentity(dashboard_id, config.origin, tuple(seeds))


def renew_signing_key(config: Config) -> bytes:
    """Make another signing key, the newest from now on; returns its public half."""
    name = _name(len(load_dashboard(config).seeds) + 1)
    # Of two processes at once one writes; both then use that key.
    Setting.write_once(name, KeyRing(config.sealing_keys).seal(new_signing_key(), name))
    return load_dashboard(config).sign_public


def _first_seed(config: Config) -> bytes:
    ring = KeyRing(config.sealing_keys)
    sealed = Setting.read(_SIGNING_KEY) or Setting.write_once(
        _SIGNING_KEY, ring.seal(new_signing_key(), _SIGNING_KEY)
    )
    return ring.open(sealed, _SIGNING_KEY)


def _name(number: int) -> str:
    return f"{_SIGNING_KEY}.{number}"
