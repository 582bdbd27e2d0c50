"""Who can sign in, and which keys protect what is stored: facts for owners, without any secret."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from app.config import Config
from app.domain import dashboard_identity
from app.domain.accounts import sessions
from app.domain.vulnerabilities import source
from app.keys import KeyRing, SealBroken
from app.models.accounts import User
from app.models.second_factors import SecondFactor
from app.models.service_secrets import read_service_secrets
from app.models.sites import Site


@dataclass(frozen=True)
class SealingKey:
    """A sealing key by name, with how many secrets of sites and signing keys it protects."""

    name: str
    seals: int
    is_newest: bool
    is_present: bool


@dataclass(frozen=True)
class SecurityFacts:
    """`signing_keys` is None if the sealing key that opens them is missing."""

    roles: dict[str, int]
    with_factor: dict[str, int]
    invited: int
    disabled: int
    sessions: int
    sealing_keys: list[SealingKey]
    signing_keys: int | None
    paired: int
    with_login: list[Site]


def read_facts(config: Config, now: datetime) -> SecurityFacts:
    """Return the facts."""
    users = list(User.select())
    active = [user for user in users if not user.is_disabled]
    factors = SecondFactor.with_passkeys()
    protected = {row.user_id for row in factors if row.has_app or row.has_passkey}
    sites = _sites_with_secrets()
    signing_keys = dashboard_identity.sealed_signing_keys()
    return SecurityFacts(
        roles=dict(Counter(user.role for user in active if not user.is_invited)),
        with_factor=dict(Counter(user.role for user in active if user.id in protected)),
        invited=sum(user.is_invited for user in active),
        disabled=len(users) - len(active),
        sessions=sessions.count_active(now),
        sealing_keys=_sealing_keys(config, sites, factors, signing_keys),
        signing_keys=_readable(config, signing_keys),
        paired=sum(site.is_paired for site in sites),
        with_login=[site for site in sites if site.server_login_sealed],
    )


def _sites_with_secrets() -> list[Site]:
    """Return the sites whose row holds a sealed secret, also removed ones, by name."""
    columns = (Site.id, Site.name, Site.state, Site.forgotten_at, Site.keys_sealed)
    found = Site.select(*columns, Site.server_login_sealed)
    with_secrets = [site for site in found if site.keys_sealed or site.server_login_sealed]
    return sorted(with_secrets, key=lambda site: site.name.lower())


def _sealing_keys(
    config: Config,
    sites: list[Site],
    factors: list[SecondFactor],
    signing_keys: dict[str, str],
) -> list[SealingKey]:
    """Return the configured keys, the newest first, then those that are missing."""
    sealed = [*signing_keys.values(), *filter(None, [source.sealed_key()])]
    sealed += read_service_secrets()
    sealed += [secret for row in factors for secret in row.sealed_secrets]
    sealed += [secret for site in sites for secret in _secrets_of(site)]
    seals = Counter(secret.partition(".")[0] for secret in sealed)
    present = [name for name, _ in config.sealing_keys]
    names = [*present, *sorted(seals.keys() - set(present))]
    return [
        SealingKey(name, seals[name], is_newest=name == present[0], is_present=name in present)
        for name in names
    ]


def _secrets_of(site: Site) -> Iterator[str]:
    yield from (sealed for sealed in site.keys_sealed.values() if isinstance(sealed, str))
    if site.server_login_sealed:
        yield site.server_login_sealed


def _readable(config: Config, signing_keys: dict[str, str]) -> int | None:
    """Return the number of signing keys, or None if one of them cannot be opened."""
    ring = KeyRing(config.sealing_keys)
    try:
        return len([ring.open(sealed, context) for context, sealed in signing_keys.items()])
    except SealBroken:
        return None
