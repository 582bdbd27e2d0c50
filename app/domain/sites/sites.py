"""Add and remove sites."""

from __future__ import annotations

import ipaddress
from datetime import datetime
from urllib.parse import urlsplit

from app.config import Config
from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import ServerLoginChanged, SiteAdded, SiteRemoved
from app.domain.errors import Conflict, Invalid, NotFound
from app.domain.sites import urls
from app.domain.text import has_hidden_characters
from app.http.ip_policy import Network, is_reachable
from app.keys import KeyRing
from app.models.available_updates import AvailableUpdate
from app.models.base import DuplicateRow, utcnow
from app.models.clients import Client
from app.models.reports import Component, Report
from app.models.sites import MAY_FORGET, STATES, Site
from app.models.tags import SiteTag

MAX_NAME_CHARS = 120
MAX_PASSWORD_CHARS = 200


def add_site(
    *,
    name: str,
    url: str,
    client_name: str,
    by: Actor,
    now: datetime,
    allow_nets: tuple[Network, ...] | None = None,
) -> Site:
    """Add a site; nothing is sent to it yet.

    An empty name becomes the site's short address; an empty client name means no client. With
    `allow_nets`, an IP address that Aura would never call is refused at once.

    Raises: Forbidden, or Invalid with a message for each invalid field.
    """
    permissions.require(by, "pair")
    problems = _problems_of_names(name=name, client=client_name)
    try:
        address = check_address(url, allow_nets)
    except Invalid as refusal:
        problems = {**refusal.messages, **problems}
    Invalid.raise_for(problems)
    try:
        with permissions.user_transaction(by, "pair") as (_, by):
            client = client_named(client_name.strip(), by)
            return create_in_transaction(name, address, client, by, now)
    except DuplicateRow as why:
        raise Invalid("url", "A site with this address already exists.") from why


def client_named(name: str, by: Actor) -> Client | None:
    """Return the client with this name, created if there is none yet; None for an empty name.

    A user who sees only some clients has to name one of these, or would not see the site.

    Raises: Invalid('client', …).
    """
    visible = permissions.visibility_of(by)
    if not visible.is_everything:
        known = Client.find(name) if name else None
        if known is None or not visible.has(known.id):
            raise Invalid("client", "Choose one of the clients that you see.")
        return known
    return Client.named(name) if name else None


def check_address(url: str, allow_nets: tuple[Network, ...] | None) -> str:
    """Return the normalized address of a site that Aura would call.

    Raises: Invalid('url', …).
    """
    address = urls.normalize_url(url)
    if allow_nets is not None:
        _require_reachable(address, allow_nets)
    return address


def _require_reachable(address: str, allow_nets: tuple[Network, ...]) -> None:
    host = urlsplit(address).hostname or ""
    try:
        ip_address = str(ipaddress.ip_address(host))
    except ValueError:
        return  # a host name, whose address may change
    if not is_reachable(ip_address, allow_nets):
        raise Invalid(
            "url",
            "This address is in a private network, which Aura does not call. The operator of Aura "
            "can allow that network with AURA_ALLOW_NETS.",
        )


def create_in_transaction(
    name: str, address: str, client: Client | None, by: Actor, now: datetime
) -> Site:
    """Create the row and the audit entry of a checked site, in the caller's transaction.

    Raises: DuplicateRow if there is a site with this address.
    """
    shown = name.strip() or urls.short_address(address)[:MAX_NAME_CHARS]
    site = Site.create(name=shown, url=address, client=client, added_at=now, added_by=by.id)
    event = SiteAdded(
        site_id=site.id, name=shown, url=address, client=client.name if client else ""
    )
    audit.record(event, by, now=now)
    return site


def remove_site(site: Site, *, by: Actor, now: datetime | None = None) -> None:
    """Remove a site, its data and its tags; its audit entries stay.

    A revocation that has not reached the site continues in the background, and so do the checks of
    a revoked site.

    Raises: Forbidden, or Conflict while the site is connected or has an open token.
    """
    now = now or utcnow()
    with permissions.user_transaction(by, "revoke", site) as (_, by):
        # Read under the lock, because the current state decides what is kept.
        site.refresh()
        is_needed = site.revoke_next_at or site.recheck_at
        keys = site.keys_sealed if is_needed else {}
        if site.forgotten_at or not site.note(when=MAY_FORGET, forgotten_at=now, keys_sealed=keys):
            raise Conflict("This site is still connected. Revoke access before you remove it.")
        Component.delete().where(Component.site == site).execute()
        AvailableUpdate.replace_all(site, [])
        Report.delete().where(Report.site == site).execute()
        SiteTag.replace_all(site, {})
        audit.record(SiteRemoved(site_id=site.id, name=site.name, url=site.url), by, now=now)


def set_server_login(
    site: Site, *, name: str, password: str, by: Actor, config: Config, now: datetime
) -> None:
    """Save the sealed login for the web server in front of this site; both empty deletes it.

    Raises: Forbidden, or Invalid('login_name' | 'login_password', …).
    """
    permissions.require(by, "keys")
    if not name and not password:
        sealed = None
    elif not name or ":" in name or len(name) > MAX_NAME_CHARS:
        raise Invalid("login_name", "Enter a user name without a colon, at most 120 characters.")
    elif not password or len(password) > MAX_PASSWORD_CHARS:
        raise Invalid("login_password", "Enter a password of at most 200 characters.")
    else:
        ring = KeyRing(config.sealing_keys)
        sealed = ring.seal(f"{name}:{password}".encode(), server_login_context(site.id))
    with permissions.user_transaction(by, "keys", site) as (_, by):
        site.refresh()
        if site.forgotten_at or not site.note(when=STATES, server_login_sealed=sealed):
            raise Conflict("This site was removed from Aura.")
        event = ServerLoginChanged(site_id=site.id, is_kept=sealed is not None)
        audit.record(event, by, now=now)


def server_login_context(site_id: int) -> str:
    """Return the sealing context of the server login, so that it opens in no other row."""
    return f"site:{site_id}:server_login"


def find_by_address(text: str) -> Site:
    """Return the site at this address.

    Raises: Invalid or NotFound.
    """
    site = Site.get_or_none(Site.url == urls.normalize_url(text), Site.forgotten_at.is_null())
    if site is None:
        raise NotFound("No site has this address.")
    return site


def check_names(**texts: str) -> None:
    """Check that names fit into their columns and read as they are stored.

    Raises: Invalid.
    """
    Invalid.raise_for(_problems_of_names(**texts))


def _problems_of_names(**texts: str) -> dict[str, str]:
    problems = {}
    for field, text in texts.items():
        if len(text.strip()) > MAX_NAME_CHARS:
            problems[field] = f"At most {MAX_NAME_CHARS} characters."
        elif has_hidden_characters(text.strip()):
            problems[field] = "Remove characters that are invisible or change the text direction."
    return problems
