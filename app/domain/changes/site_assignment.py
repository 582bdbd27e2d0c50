"""Change the client and the tags of a site, and with them which auto-update rules cover it.

A site that comes under a rule is approved in advance. So the user who assigns it needs the
permission to approve and a recent password, and has to have seen each such rule. A site that
leaves a rule loses the changes that the rule approved and that have not begun.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import ClientsMerged, SiteEdited, TagsChanged
from app.domain.changes import maintenance_windows, rule_coverage
from app.domain.errors import Conflict, Invalid
from app.domain.sites import sites, tag_names
from app.models.accounts import User
from app.models.auto_update_rules import AutoUpdateRule
from app.models.clients import Client
from app.models.email import NotificationPreference
from app.models.freezes import Freeze
from app.models.sites import STATES, Site
from app.models.tags import SiteTag
from app.models.webhooks import WebhookEndpoint


def set_tags(
    site: Site,
    text: str,
    *,
    by: Actor,
    confirmed_at: datetime,
    agreed: Collection[int] = (),
    now: datetime,
) -> None:
    """Give the site the tags of a comma-separated text, and no others.

    `agreed` are the ids of the rules that were shown. Raises Forbidden, Invalid, Conflict,
    ReauthenticationRequired, or TagsJoinRules naming the rules that have to be agreed to.
    """
    permissions.require(by, "pair")
    wanted = tag_names.read(text)
    with permissions.user_transaction(by, "pair", site) as (_, by):
        site.refresh()
        if site.forgotten_at:
            raise Conflict("This site was removed from Aura.")
        had = SiteTag.of_site(site)
        if had == wanted:
            return
        brings = rule_coverage.rules_joined(AutoUpdateRule.in_force(now), site, had, wanted)
        actor = (
            rule_coverage.require_agreement(by, brings, confirmed_at, agreed, now) if brings else by
        )
        give_tags(site, had, wanted, brings, actor, now)


def give_tags(
    site: Site,
    had: dict[str, str],
    wanted: dict[str, str],
    brings: list[AutoUpdateRule],
    by: Actor,
    now: datetime,
) -> None:
    """Replace the tags `had` of a site, and cancel what no rule covers any more.

    `brings` are the rules that cover the site only with the tags `wanted`. Runs inside the caller's
    transaction, which has checked `by` and their agreement to these rules.
    """
    SiteTag.replace_all(site, wanted)
    event = TagsChanged(
        site_id=site.id,
        added=tag_names.difference(wanted, had),
        removed=tag_names.difference(had, wanted),
        brings=rule_coverage.names_of(brings),
    )
    audit.record(event, by, now=now)
    rule_coverage.cancel_uncovered(site, wanted, by, now)


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
    """Change a site's name and client; an empty client name means no client.

    Another client sees the site and its history from then on, and may approve its changes
    differently. That takes a recent password and, where it changes who approves, the permission
    to decide so. Raises Forbidden, Invalid, Conflict, ReauthenticationRequired, or TagsJoinRules
    naming the rules that have to be agreed to.
    """
    name, client_name = name.strip(), client_name.strip()
    sites.check_names(name=name, client=client_name)
    if not name:
        raise Invalid("name", "Enter a name.")
    with permissions.user_transaction(by, "pair", site) as (_, present):
        site.refresh()
        if site.forgotten_at:
            raise Conflict("This site was removed from Aura.")
        had_name, had = site.name, site.client
        is_same = had is not None and had.name == client_name
        client = had if is_same else sites.client_named(client_name, present)
        if (had_name, had) == (name, client):
            return
        brings: list[AutoUpdateRule] = []
        if client != had:
            present, brings = _assign_client(site, client, present, confirmed_at, agreed, now)
        site.note(when=STATES, name=name, client=client)
        rule_coverage.cancel_uncovered(site, SiteTag.of_site(site), present, now)
        event = SiteEdited(
            site_id=site.id,
            name_before=had_name,
            name=name,
            client_before=had.name if had else "",
            client=client.name if client else "",
            brings=rule_coverage.names_of(brings),
        )
        audit.record(event, present, now=now)


def _assign_client(
    site: Site,
    client: Client | None,
    by: Actor,
    confirmed_at: datetime,
    agreed: Collection[int],
    now: datetime,
) -> tuple[Actor, list[AutoUpdateRule]]:
    """Check that `by` may give the site to this client; return them and the rules it joins."""
    permissions.require_recent_authentication(confirmed_at, now)
    approvals = site.approvals
    brings = _rules_joined(site, client, now)
    if site.approvals != approvals:
        by = permissions.recheck(by, "auto_update_rules")
    if brings:
        by = rule_coverage.require_agreement(by, brings, confirmed_at, agreed, now)
    return by, brings


def merge_clients(
    client: Client,
    into: Client,
    *,
    by: Actor,
    confirmed_at: datetime,
    agreed: Collection[int] = (),
    now: datetime,
) -> None:
    """Give the sites, users and ended rules of `client` to `into`, and delete `client`.

    Raises Forbidden, ReauthenticationRequired, Conflict while rules for `client` are in force, or
    TagsJoinRules naming the rules that would cover its sites from then on.
    """
    permissions.require_recent_authentication(confirmed_at, now)
    with permissions.user_transaction(by, "auto_update_rules", client, into) as (_, present):
        if client == into:
            raise Conflict("Choose another client to merge this one into.")
        if any(rule.client_id == client.id for rule in AutoUpdateRule.in_force(now)):
            raise Conflict(f"End the auto-update rules of {client.name} first.")
        moved = list(Site.select().where(Site.client == client, Site.forgotten_at.is_null()))
        brings = {rule for site in moved for rule in _rules_joined(site, into, now)}
        ordered = sorted(brings, key=lambda rule: int(rule.id))
        if ordered:
            present = rule_coverage.require_agreement(present, ordered, confirmed_at, agreed, now)
        maintenance_windows.hand_over(client, moved)
        people = _hand_over(client, into)
        event = ClientsMerged(
            client_id=into.id,
            merged=client.name,
            client=into.name,
            sites=", ".join(site.name for site in moved),
            people=people,
            brings=rule_coverage.names_of(ordered),
        )
        audit.record(event, present, now=now)


def _rules_joined(site: Site, client: Client | None, now: datetime) -> list[AutoUpdateRule]:
    """Set the client on the unsaved row; return the rules that cover the site only since then."""
    tagged = SiteTag.of_site(site)
    before = rule_coverage.rules_for(site, tagged, now)
    site.client = client
    return [rule for rule in rule_coverage.rules_for(site, tagged, now) if rule not in before]


def _hand_over(client: Client, into: Client) -> int:
    """Move everything to `into` and delete `client`; return how many users were moved."""
    Freeze.update(client=into).where(Freeze.client == client).execute()
    Site.update(client=into).where(Site.client == client).execute()
    AutoUpdateRule.update(client=into).where(AutoUpdateRule.client == client).execute()
    people = User.replace_client(client.id, into.id)
    NotificationPreference.replace_client(client.id, into.id)
    WebhookEndpoint.replace_client(client.id, into.id)
    Client.delete().where(Client.id == client.id).execute()
    return people
