"""Change the tags of several sites, and add several sites, each in one transaction.

As for one site, a tag that brings sites under auto-update rules is an approval: see
`site_assignment`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from app.domain import permissions
from app.domain.actor import Actor
from app.domain.changes import rule_coverage, site_assignment
from app.domain.errors import Conflict, Invalid
from app.domain.sites import sites, tag_names
from app.domain.sites.site_csv import SiteLine
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import DuplicateRow
from app.models.sites import Site
from app.models.tags import SiteTag


def change_tags(
    chosen: Sequence[Site],
    *,
    add: str,
    remove: str,
    by: Actor,
    confirmed_at: datetime,
    agreed: Collection[int] = (),
    now: datetime,
) -> int:
    """Add and remove the tags of two comma-separated texts; return how many sites changed.

    `agreed` are the ids of the rules that were shown. Raises Forbidden, Invalid('add' or
    'remove', …), Conflict, ReauthenticationRequired, or TagsJoinRules naming the rules that have
    to be agreed to.
    """
    permissions.require(by, "pair")
    added, removed = _read("add", add), _read("remove", remove)
    if not added and not removed:
        raise Invalid("add", "Enter a tag to add or to remove.")
    with permissions.user_transaction(by, "pair", *chosen) as (_, by):
        before = {site.id: SiteTag.of_site(site) for site in chosen}
        after = {
            site.id: _tags_after(site, before[site.id], added, removed)
            for site in chosen
            if _is_in_aura(site)
        }
        changed = [site for site in chosen if after[site.id] != before[site.id]]
        brings = _rules_joined(changed, before, after, now)
        actor = _agreed(by, brings, confirmed_at, agreed, now)
        for site in changed:
            site_assignment.give_tags(
                site, before[site.id], after[site.id], brings[site.id], actor, now
            )
        return len(changed)


def import_sites(
    lines: Sequence[SiteLine],
    *,
    by: Actor,
    confirmed_at: datetime,
    agreed: Collection[int] = (),
    now: datetime,
) -> list[Site]:
    """Add all sites of a checked file, with their clients and tags, or none of them.

    Raises Forbidden, Conflict if one was added meanwhile, ReauthenticationRequired, or
    TagsJoinRules naming the rules that have to be agreed to.
    """
    try:
        with permissions.user_transaction(by, "pair") as (_, by):
            clients = {name: sites.client_named(name, by) for name in {one.client for one in lines}}
            added = [
                sites.create_in_transaction(line.name, line.url, clients.get(line.client), by, now)
                for line in lines
            ]
            tags = {site.id: line.tags for site, line in zip(added, lines, strict=True)}
            brings = _rules_joined(added, {}, tags, now)
            actor = _agreed(by, brings, confirmed_at, agreed, now)
            for site in added:
                if tags[site.id]:
                    site_assignment.give_tags(site, {}, tags[site.id], brings[site.id], actor, now)
            return added
    except DuplicateRow as why:
        raise Conflict("One of these sites was added meanwhile. Check the file again.") from why


def _read(field: str, text: str) -> dict[str, str]:
    try:
        return tag_names.read(text)
    except Invalid as refusal:
        raise Invalid(field, refusal.message) from refusal


def _is_in_aura(site: Site) -> bool:
    site.refresh()
    if site.forgotten_at:
        raise Conflict(f"{site.name} was removed from Aura. Select the sites again.")
    return True


def _tags_after(
    site: Site, had: dict[str, str], added: dict[str, str], removed: dict[str, str]
) -> dict[str, str]:
    kept = {key: text for key, text in had.items() if key not in removed}
    wanted = dict(sorted({**added, **kept}.items()))
    if len(wanted) > tag_names.MAX_TAGS:
        raise Invalid("add", f"{site.name} would have more than {tag_names.MAX_TAGS} tags.")
    return wanted


def _rules_joined(
    chosen: Sequence[Site],
    before: dict[int, dict[str, str]],
    after: dict[int, dict[str, str]],
    now: datetime,
) -> dict[int, list[AutoUpdateRule]]:
    """Return, by site, the rules that cover it only with its new tags, or in another order."""
    rules = AutoUpdateRule.in_force(now)
    return {
        site.id: rule_coverage.rules_joined(rules, site, before.get(site.id, {}), after[site.id])
        for site in chosen
    }


def _agreed(
    by: Actor,
    brings: dict[int, list[AutoUpdateRule]],
    confirmed_at: datetime,
    agreed: Collection[int],
    now: datetime,
) -> Actor:
    """Return `by` as they are now, if they may agree to all these rules and have seen them."""
    rules = {int(rule.id): rule for found in brings.values() for rule in found}
    if not rules:
        return by
    ordered = [rules[number] for number in sorted(rules)]
    return rule_coverage.require_agreement(by, ordered, confirmed_at, agreed, now)
