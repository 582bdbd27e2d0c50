"""Which dashboard this is: the id and the Ed25519 key every site learns at pairing."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from app.config import Config
from app.keys import KeyRing, new_signing_key, signing_public
from app.models.installation import Setting

_ID = "dashboard_id"
_SIGNING_KEY = "dashboard_signing_key"


@dataclass(frozen=True)
class Dashboard:
    id: str
    origin: str
    sign_public: bytes
    signing_key: bytes = field(repr=False)

    @property
    def public_keys(self) -> list[bytes]:
        """The public half of every signing key this dashboard ever used, newest first."""
        return [self.sign_public]


def of_dashboard(config: Config) -> Dashboard:
    """This installation's identity, made at first use; the same for every process.

    Raises SealBroken when the sealing key of that day is no longer configured.
    """
    dashboard_id = Setting.read(_ID) or Setting.write_once(_ID, str(uuid4()))
    ring = KeyRing(config.sealing_keys)
    sealed = Setting.read(_SIGNING_KEY) or Setting.write_once(
        _SIGNING_KEY, ring.seal(new_signing_key(), _SIGNING_KEY)
    )
    seed = ring.open(sealed, _SIGNING_KEY)
    return Dashboard(dashboard_id, config.origin, signing_public(seed), seed)
