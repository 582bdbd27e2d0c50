"""The OpenID provider that people may sign in at: what an owner enters, and how Aura uses it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from app.config import Config
from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import SingleSignOnChanged, SingleSignOnRemoved
from app.domain.errors import Conflict, Invalid
from app.domain.text import has_hidden_characters
from app.http import openid
from app.http.openid import Client, Provider, ProviderError
from app.keys import KeyRing
from app.models.single_sign_on import OpenIdProvider

CALLBACK_PATH = "/sign-in/answer"
MAX_CHARS = 255
MAX_LABEL_CHARS = 60
MAX_DOMAINS = 20

_CONTEXT = "openid:secret"
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")


@dataclass(frozen=True)
class TypedProvider:
    """The texts of the form. Without a secret, the stored one is kept."""

    issuer: str = ""
    client_id: str = ""
    secret: str = field(default="", repr=False)
    label: str = ""
    domains: str = ""
    creates_viewers: bool = False
    checks_factor: bool = False

    @property
    def domain_list(self) -> list[str]:
        """Return the domains, each once and in lower case."""
        found = re.split(r"[\s,;]+", self.domains.lower())
        return list(dict.fromkeys(one.removeprefix("@") for one in found if one))


def change_provider(typed: TypedProvider, *, by: Actor, config: Config, now: datetime) -> None:
    """Read the configuration of the provider, and store both.

    Raises Forbidden, or Invalid with a message for each invalid field, also if the provider cannot
    be reached.
    """
    permissions.require(by, "security")
    Invalid.raise_for(_problems(typed, OpenIdProvider.read()))
    # Before the transaction, because it waits for the network.
    try:
        found = openid.discover(typed.issuer, allow_nets=config.allow_nets)
    except ProviderError as why:
        raise Invalid("issuer", why.message) from why
    with permissions.user_transaction(by, "security") as (_, present):
        stored = OpenIdProvider.read()
        Invalid.raise_for(_problems(typed, stored))
        OpenIdProvider.replace_with(
            issuer=typed.issuer,
            client_id=typed.client_id,
            secret_sealed=_sealed_secret(typed, stored, config),
            label=typed.label,
            domains=typed.domain_list,
            creates_viewers=typed.creates_viewers,
            checks_factor=typed.checks_factor,
            authorization=found.authorization,
            token=found.token,
            keys=found.keys,
            authentication=found.authentication,
            names_issuer=found.names_issuer,
            changed_at=now,
        )
        event = SingleSignOnChanged(
            issuer=typed.issuer,
            registered_as=typed.client_id,
            label=typed.label,
            domains=", ".join(typed.domain_list),
            creates_viewers=typed.creates_viewers,
            checks_factor=typed.checks_factor,
            has_new_secret=bool(typed.secret),
        )
        audit.record(event, present, now=now)


def remove_provider(*, by: Actor, now: datetime) -> None:
    """Turn single sign-on off and delete the secret. Raises Forbidden, or Conflict if it is off.

    Who is known there as whom is kept, for the case that the same provider is entered again.
    """
    with permissions.user_transaction(by, "security") as (_, present):
        stored = OpenIdProvider.read()
        if stored is None or not OpenIdProvider.remove():
            raise Conflict("Single sign-on is already turned off.")
        audit.record(SingleSignOnRemoved(issuer=stored.issuer), present, now=now)


def endpoints_of(stored: OpenIdProvider) -> Provider:
    """Return the endpoints of the stored provider."""
    return Provider(
        issuer=stored.issuer,
        authorization=stored.authorization,
        token=stored.token,
        keys=stored.keys,
        authentication=stored.authentication,
        names_issuer=stored.names_issuer,
    )


def client_of(stored: OpenIdProvider, config: Config) -> Client:
    """Return what Aura is at the provider. Raises: SealBroken if its sealing key is missing."""
    secret = KeyRing(config.sealing_keys).open(stored.secret_sealed, _CONTEXT).decode("ascii")
    return Client(stored.client_id, secret, callback_url(config))


def callback_url(config: Config) -> str:
    """Return the address that an owner enters at the provider."""
    return config.origin + CALLBACK_PATH


def _sealed_secret(typed: TypedProvider, stored: OpenIdProvider | None, config: Config) -> str:
    if not typed.secret and stored is not None:
        return str(stored.secret_sealed)
    return KeyRing(config.sealing_keys).seal(typed.secret.encode("ascii"), _CONTEXT)


def _problems(typed: TypedProvider, stored: OpenIdProvider | None) -> dict[str, str]:
    found = {
        "issuer": _issuer_problem(typed.issuer),
        "client_id": _text_problem(typed.client_id),
        "secret": _secret_problem(typed, stored),
        "label": _label_problem(typed.label),
        "domains": _domains_problem(typed),
    }
    return {name: problem for name, problem in found.items() if problem}


def _issuer_problem(text: str) -> str:
    if len(text) > MAX_CHARS or not openid.is_usable_address(text):
        return "Enter an address that begins with https://, as the provider shows it."
    return ""


def _text_problem(text: str) -> str:
    if not 0 < len(text) <= MAX_CHARS or not (text.isascii() and text.isprintable()):
        return f"Enter at most {MAX_CHARS} letters, digits and punctuation."
    return ""


def _secret_problem(typed: TypedProvider, stored: OpenIdProvider | None) -> str:
    if typed.secret:
        return _text_problem(typed.secret)
    if stored is None:
        return "Enter the client secret."
    # Otherwise an open browser could send the stored secret to any provider.
    is_same = (typed.issuer, typed.client_id) == (stored.issuer, stored.client_id)
    return "" if is_same else "Enter the secret again, because the issuer or the client changed."


def _label_problem(text: str) -> str:
    is_shown = text.isprintable() and not has_hidden_characters(text)
    if not 0 < len(text) <= MAX_LABEL_CHARS or not is_shown:
        return f"Enter a name of at most {MAX_LABEL_CHARS} characters, for example Google."
    return ""


def _domains_problem(typed: TypedProvider) -> str:
    domains = typed.domain_list
    if len(domains) > MAX_DOMAINS or not all(_DOMAIN.fullmatch(one) for one in domains):
        return "Enter domains such as agency.example, separated by commas."
    if typed.creates_viewers and not domains:
        return "Enter the domains whose people may get an account."
    return ""
