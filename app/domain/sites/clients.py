"""Whose site it is: a site's name and client after it was added, and clients that are one."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import ClientRenamed, ClientsMerged, SiteEdited
from app.domain.changes import auto_update_rules
from app.domain.errors import Conflict, Invalid
from app.domain.sites import sites, tags
from app.models.accounts import Member
from app.models.auto_update_rules import Policy
from app.models.clients import Client
from app.models.sites import STATES, Site
from app.models.tags import SiteTag


def edit_site(
    site: Site,
    *,
    name: str,
    client_name: str,
    by: Actor,
    confirmed_at: datetime,
    agreed: Collection[int] = (),
    now: datetime,
) -> None:
    """Change a site's name and whose site it is; an empty client name means no client.

    Another client sees the site and its history from then on, and may approve its changes
    otherwise: that takes a recent password, and where it changes who approves, the right to decide
    that. Raises Forbidden, Invalid, Conflict, NotConfirmed, or BringsUnderPolicies naming the
    standing approvals that have to be agreed to.
    """
    name, client_name = name.strip(), client_name.strip()
    sites.require_short(name=name, client=client_name)
    if not name:
        raise Invalid("name", "Enter a name.")
    with permissions.member_transaction(by, "pair") as (_, present):
        site.refresh()
        if site.forgotten_at:
            raise Conflict("This site is not in the list any more.")
        had_name, had = site.name, site.client
        client = Client.named(client_name) if client_name else None
        if (had_name, had) == (name, client):
            return
        brings: list[Policy] = []
        if client != had:
            present, brings = _move(site, client, present, confirmed_at, agreed, now)
        site.note(when=STATES, name=name, client=client)
        tags.call_off_uncovered(site, SiteTag.of_site(site), present, now)
        event = SiteEdited(
            site_id=site.id,
            name_before=had_name,
            name=name,
            client_before=had.name if had else "",
            client=client.name if client else "",
            brings=tags.in_words(brings),
        )
        audit.record(event, present, now=now)


def _move(
    site: Site,
    client: Client | None,
    by: Actor,
    confirmed_at: datetime,
    agreed: Collection[int],
    now: datetime,
) -> tuple[Actor, list[Policy]]:
    """Who may give the site to this client, and what then covers it."""
    permissions.require_recent_authentication(confirmed_at, now)
    approvals, before = site.approvals, _reaching(site, now)
    site.client = client
    if site.approvals != approvals:
        by = permissions.recheck(by, "policies")
    brings = [one for one in _reaching(site, now) if one not in before]
    if brings:
        by = tags.require_agreement(by, brings, confirmed_at, agreed, now)
    return by, brings


def _reaching(site: Site, now: datetime) -> list[Policy]:
    tagged = SiteTag.of_site(site)
    return [
        one for one in Policy.in_force(now) if auto_update_rules.matches_site(one, site, tagged)
    ]


def rename(client: Client, name: str, *, by: Actor, now: datetime) -> None:
    """Write a client's name differently. Raises Forbidden or Invalid."""
    name = name.strip()
    sites.require_short(name=name)
    if not name:
        raise Invalid("name", "Enter a name.")
    with permissions.member_transaction(by, "pair") as (_, present):
        client.refresh()
        other = Client.find(name)
        if other is not None and other != client:
            raise Invalid("name", f"{other.name} is a client already. Merge the two below.")
        if client.name == name:
            return
        before = client.name
        client.rename(name)
        event = ClientRenamed(client_id=client.id, name_before=before, name=name)
        audit.record(event, present, now=now)


def merge(
    client: Client,
    into: Client,
    *,
    by: Actor,
    confirmed_at: datetime,
    agreed: Collection[int] = (),
    now: datetime,
) -> None:
    """Give everything of `client` to `into`, and delete it: its sites, its people, and the standing
    approvals for it that have ended.

    Raises Forbidden, NotConfirmed, Conflict while standing approvals for it are in force, or
    BringsUnderPolicies naming those that would cover its sites from then on.
    """
    permissions.require_recent_authentication(confirmed_at, now)
    with permissions.member_transaction(by, "policies") as (_, present):
        if client == into:
            raise Conflict("Choose another client to merge this one into.")
        if any(one.client_id == client.id for one in Policy.in_force(now)):
            raise Conflict(f"End the standing approvals made for {client.name} first.")
        moved = list(Site.select().where(Site.client == client, Site.forgotten_at.is_null()))
        brings = {one for site in moved for one in _brought(site, into, now)}
        ordered = sorted(brings, key=lambda one: int(one.id))
        if ordered:
            present = tags.require_agreement(present, ordered, confirmed_at, agreed, now)
        people = _hand_over(client, into)
        event = ClientsMerged(
            client_id=into.id,
            merged=client.name,
            client=into.name,
            sites=", ".join(site.name for site in moved),
            people=people,
            brings=tags.in_words(ordered),
        )
        audit.record(event, present, now=now)


def _hand_over(client: Client, into: Client) -> int:
    """Give sites, people and ended standing approvals to `into`; returns how many people."""
    Site.update(client=into).where(Site.client == client).execute()
    Policy.update(client=into).where(Policy.client == client).execute()
    of_client = Member.client_id == client.id
    people: int = Member.update(client_id=into.id).where(of_client).execute()
    Client.delete().where(Client.id == client.id).execute()
    return people


def _brought(site: Site, into: Client, now: datetime) -> list[Policy]:
    before = _reaching(site, now)
    site.client = into
    return [one for one in _reaching(site, now) if one not in before]
