"""The endpoints that an owner entered: where messages go, what they tell, and their secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from app.config import Config
from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import (
    WebhookAdded,
    WebhookChanged,
    WebhookRemoved,
    WebhookSecretReplaced,
    WebhookTurnedOff,
    WebhookTurnedOn,
)
from app.domain.errors import Conflict, Invalid, NotFound
from app.domain.text import name_problem
from app.domain.webhooks.signing import new_secret
from app.http import egress
from app.http.ip_policy import is_reachable
from app.keys import KeyRing
from app.models.base import transaction
from app.models.clients import Client
from app.models.webhooks import (
    BY_PERSON,
    FORMATS,
    STANDARD,
    WANTS,
    EndpointItem,
    WebhookEndpoint,
    WebhookMessage,
)

MAX_NAME_CHARS = 80
MAX_ENDPOINTS = 20
# How long the former secret still signs as well, so that the receiver can be changed meanwhile.
FORMER_SECRET_FOR = timedelta(hours=24)
# Of a longer path, the end is shown, so that a person can tell two addresses apart.
_SHOWN_CHARS = 4
_SHOWN_FROM_CHARS = 24
_NO_NAME = "Enter a name, for example Team chat."
# The problem of messages that were cancelled because their endpoint is off.
TURNED_OFF = "off"


@dataclass(frozen=True)
class TypedEndpoint:
    """What the form says. Without an address, the stored one is kept.

    `client_ids` is empty for all clients. The format of an existing endpoint never changes.
    """

    name: str = ""
    format: str = STANDARD
    url: str = field(default="", repr=False)
    wants: str = ""
    client_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Target:
    """Where to send, and with which secrets to sign."""

    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


def list_endpoints() -> list[WebhookEndpoint]:
    """Return all endpoints by name."""
    return WebhookEndpoint.all_by_name()


def get_endpoint(endpoint_id: int) -> WebhookEndpoint:
    """Return the endpoint with this id, or raise NotFound."""
    endpoint = WebhookEndpoint.known(endpoint_id)
    if endpoint is None:
        raise NotFound("This webhook does not exist. It may have been deleted.")
    return endpoint


def add_endpoint(
    typed: TypedEndpoint, *, by: Actor, config: Config, now: datetime
) -> tuple[WebhookEndpoint, str]:
    """Add an endpoint and return it with its new secret, which is empty for chat formats.

    Raises: Forbidden, Conflict if there are too many, or Invalid with a message for each field.
    """
    with permissions.user_transaction(by, "webhooks") as (_, present):
        Invalid.raise_for(_problems(typed, config, is_new=True))
        if WebhookEndpoint.select().count() >= MAX_ENDPOINTS:
            raise Conflict(f"There are {MAX_ENDPOINTS} webhooks already. Delete one first.")
        endpoint = WebhookEndpoint.create(
            name=typed.name,
            format=typed.format,
            url_sealed="",
            shown_url=shown_url(typed.url),
            wants=typed.wants,
            client_ids=sorted(typed.client_ids),
            added_at=now,
            changed_at=now,
        )
        ring = KeyRing(config.sealing_keys)
        secret = new_secret() if typed.format == STANDARD else ""
        # Only now is the number known, to which the secrets are bound.
        endpoint.update_if(
            url_sealed=ring.seal(typed.url.encode("ascii"), _url_context(endpoint)),
            secret_sealed=_sealed(secret, endpoint, ring) if secret else None,
        )
        event = WebhookAdded(
            webhook_id=endpoint.id,
            name=endpoint.name,
            format=endpoint.format,
            host=_host(typed.url),
            wants=endpoint.wants,
            clients=len(endpoint.client_ids),
        )
        audit.record(event, present, now=now)
    return endpoint, secret


def change_endpoint(
    endpoint: WebhookEndpoint, typed: TypedEndpoint, *, by: Actor, config: Config, now: datetime
) -> None:
    """Change an endpoint. Raises Forbidden, or Invalid with a message for each field."""
    with permissions.user_transaction(by, "webhooks") as (_, present):
        Invalid.raise_for(_problems(typed, config, is_new=False))
        columns: dict[str, object] = {}
        if typed.url:
            sealed = KeyRing(config.sealing_keys).seal(
                typed.url.encode("ascii"), _url_context(endpoint)
            )
            columns = {"url_sealed": sealed, "shown_url": shown_url(typed.url)}
        client_ids = sorted(typed.client_ids)
        if (typed.wants, client_ids) != (endpoint.wants, endpoint.client_ids):
            # It is sent what is open under the new choice, and not what has ended since.
            EndpointItem.forget(endpoint.id)
        endpoint.update_if(
            name=typed.name, wants=typed.wants, client_ids=client_ids, changed_at=now, **columns
        )
        event = WebhookChanged(
            webhook_id=endpoint.id,
            name=endpoint.name,
            host=_host(endpoint.shown_url),
            has_new_address=bool(typed.url),
            wants=endpoint.wants,
            clients=len(endpoint.client_ids),
        )
        audit.record(event, present, now=now)


def replace_secret(endpoint: WebhookEndpoint, *, by: Actor, config: Config, now: datetime) -> str:
    """Return a new secret. The former one signs as well for a day.

    Raises: Forbidden, or Conflict for a chat format, which has no secret.
    """
    with permissions.user_transaction(by, "webhooks") as (_, present):
        endpoint.refresh()
        if endpoint.format != STANDARD:
            raise Conflict("Messages to a chat are not signed. Replace the address instead.")
        secret = new_secret()
        endpoint.update_if(
            secret_sealed=_sealed(secret, endpoint, KeyRing(config.sealing_keys)),
            former_secret_sealed=endpoint.secret_sealed,
            former_until=now + FORMER_SECRET_FOR,
        )
        event = WebhookSecretReplaced(webhook_id=endpoint.id, name=endpoint.name)
        audit.record(event, present, now=now)
    return secret


def turn_off(endpoint: WebhookEndpoint, *, by: Actor, now: datetime) -> None:
    """Stop sending to an endpoint. Raises Forbidden, or Conflict if it is off."""
    with permissions.user_transaction(by, "webhooks") as (_, present):
        if not stop_sending(endpoint, BY_PERSON, by=present, now=now):
            raise Conflict("This webhook is already turned off.")


def turn_on(endpoint: WebhookEndpoint, *, by: Actor, now: datetime) -> None:
    """Send to an endpoint again. Raises Forbidden, or Conflict if it is on."""
    with permissions.user_transaction(by, "webhooks") as (_, present):
        if not endpoint.turn_on(now):
            raise Conflict("This webhook is already turned on.")
        event = WebhookTurnedOn(webhook_id=endpoint.id, name=endpoint.name)
        audit.record(event, present, now=now)


def remove_endpoint(endpoint: WebhookEndpoint, *, by: Actor, now: datetime) -> None:
    """Delete an endpoint with its secrets and messages. Raises Forbidden."""
    with permissions.user_transaction(by, "webhooks") as (_, present):
        if endpoint.delete_instance():
            event = WebhookRemoved(webhook_id=endpoint.id, name=endpoint.name)
            audit.record(event, present, now=now)


def stop_sending(endpoint: WebhookEndpoint, because: str, *, by: Actor, now: datetime) -> bool:
    """Turn an endpoint off and cancel what waits; return False if it is off already."""
    with transaction():
        if not endpoint.turn_off(because, now):
            return False
        WebhookMessage.cancel_waiting(endpoint.id, now, TURNED_OFF)
        # When it is turned on again, it is sent what is open then.
        EndpointItem.forget(endpoint.id)
        event = WebhookTurnedOff(webhook_id=endpoint.id, name=endpoint.name, because=because)
        audit.record(event, by, now=now)
    return True


def open_target(endpoint: WebhookEndpoint, config: Config, now: datetime) -> Target:
    """Return where to send and how to sign. Raises SealBroken if the sealing key is missing."""
    ring = KeyRing(config.sealing_keys)
    sealed = [endpoint.secret_sealed]
    if endpoint.former_until is not None and now < endpoint.former_until:
        sealed.append(endpoint.former_secret_sealed)
    return Target(
        url=ring.open(endpoint.url_sealed, _url_context(endpoint)).decode("ascii"),
        secrets=tuple(
            ring.open(text, _secret_context(endpoint)).decode("ascii") for text in sealed if text
        ),
    )


def shown_url(url: str) -> str:
    """Return an address without what makes it a secret: its path and its query."""
    parts = urlsplit(url)
    rest = url.partition("://")[2].partition(parts.netloc)[2]
    end = rest[-_SHOWN_CHARS:] if len(rest) >= _SHOWN_FROM_CHARS else ""
    return f"https://{parts.netloc}" + (f"/…{end}" if rest.strip("/") else "")


def _url_context(endpoint: WebhookEndpoint) -> str:
    return f"webhook:{endpoint.id}:url"


def _secret_context(endpoint: WebhookEndpoint) -> str:
    return f"webhook:{endpoint.id}:secret"


def _sealed(secret: str, endpoint: WebhookEndpoint, ring: KeyRing) -> str:
    return ring.seal(secret.encode("ascii"), _secret_context(endpoint))


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _problems(typed: TypedEndpoint, config: Config, *, is_new: bool) -> dict[str, str]:
    has_url = is_new or bool(typed.url)
    found = {
        "name": name_problem(typed.name, MAX_NAME_CHARS) if typed.name else _NO_NAME,
        "format": "" if typed.format in FORMATS else "Choose a format.",
        "url": _url_problem(typed.url, config) if has_url else "",
        "wants": "" if typed.wants in WANTS else "Choose what is sent.",
        "client": "" if _are_known(typed.client_ids) else "Choose clients from the list.",
    }
    return {name: problem for name, problem in found.items() if problem}


def _url_problem(url: str, config: Config) -> str:
    """Return what is wrong with an address as typed. Where it leads is checked when it is used."""
    if not url.startswith("https://"):
        return "Enter an address that begins with https://."
    try:
        egress.check_url(url)
    except egress.AddressRefused:
        return "Enter the whole address, without spaces, a user name or a part after #."
    try:
        address = str(ip_address(_host(url)))
    except ValueError:
        return ""
    if is_reachable(address, config.allow_nets):
        return ""
    return (
        "This address is in a private network, which Aura does not call. The operator of Aura can"
        " allow the network with AURA_ALLOW_NETS."
    )


def _are_known(client_ids: tuple[int, ...]) -> bool:
    if not client_ids:
        return True
    return Client.select().where(Client.id.in_(client_ids)).count() == len(set(client_ids))
