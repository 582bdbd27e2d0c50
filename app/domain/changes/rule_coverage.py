"""Decide which auto-update rules cover a site, and act when that changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from app.domain import permissions
from app.domain.actor import Actor
from app.domain.changes import proposals
from app.domain.errors import TagsJoinRules
from app.domain.sites import tag_names
from app.models.auto_update_rules import AutoUpdateRule
from app.models.changes import MAY_CANCEL, Change
from app.models.site_outlines import SiteOutline
from app.models.sites import Site
from app.models.tags import SiteTag
from app.models.visibility import Visibility

NOT_COVERED = "not_covered"


def matches_site(rule: AutoUpdateRule, site: Site | SiteOutline, tagged: Collection[str]) -> bool:
    """Whether a rule covers a site that has these tags (folded, as `tag_names.fold` returns)."""
    if rule.client_id is not None and site.client_id != rule.client_id:
        return False
    if rule.site_ids and site.id not in rule.site_ids:
        return False
    return not rule.tags or any(tag_names.fold(tag) in tagged for tag in rule.tags)


def is_first(rule: AutoUpdateRule, tagged: Collection[str]) -> bool:
    """Whether a rule installs releases first on a site with these tags (folded)."""
    return bool(rule.canary_tag) and tag_names.fold(rule.canary_tag) in tagged


def count_first(
    rule: AutoUpdateRule, sites: Iterable[SiteOutline], tags: Mapping[int, Collection[str]]
) -> int | None:
    """Return on how many of these sites the rule installs releases first; None if it has no order.

    `tags` are the folded tags by site id.
    """
    if not rule.canary_tag:
        return None
    return count_sites(rule, [one for one in sites if is_first(rule, tags.get(one.id, ()))], tags)


def rules_joined(
    rules: Iterable[AutoUpdateRule], site: Site, had: Collection[str], wanted: Collection[str]
) -> list[AutoUpdateRule]:
    """Return the rules that cover a site only with its new tags, or then in another order."""
    return [
        rule
        for rule in rules
        if matches_site(rule, site, wanted)
        and (not matches_site(rule, site, had) or is_first(rule, had) != is_first(rule, wanted))
    ]


def rules_for(site: Site, tagged: Collection[str], now: datetime) -> list[AutoUpdateRule]:
    """Return the rules in force that cover a site with these tags."""
    return [rule for rule in AutoUpdateRule.in_force(now) if matches_site(rule, site, tagged)]


def count_sites(
    rule: AutoUpdateRule, sites: Iterable[SiteOutline], tags: Mapping[int, Collection[str]]
) -> int:
    """Return how many of these sites the rule covers, ignoring other conditions.

    `tags` are the folded tags by site id.
    """
    return sum(matches_site(rule, site, tags.get(site.id, ())) for site in sites)


def visible_rules(rules: Sequence[AutoUpdateRule], visible: Visibility) -> list[AutoUpdateRule]:
    """Return the rules that are for a visible client, or cover a visible site, in one query."""
    is_decided = all(rule.client_id is not None for rule in rules)
    tagged = [] if is_decided or visible.is_everything else SiteTag.by_visible_site(visible)
    return [
        rule
        for rule in rules
        if (visible.has(rule.client_id) if rule.client_id is not None else visible.is_everything)
        or any(matches_site(rule, site, tags) for site, tags in tagged)
    ]


def reaches_beyond(client_id: int | None, site_ids: Collection[int], visible: Visibility) -> bool:
    """Whether a rule for this client and these sites can cover a site that is not visible."""
    if visible.is_everything:
        return False
    if client_id is not None:
        return not visible.has(client_id)
    return not site_ids or len(Site.names(site_ids, visible)) < len(set(site_ids))


def require_agreement(
    by: Actor,
    rules: list[AutoUpdateRule],
    confirmed_at: datetime,
    agreed: Collection[int],
    now: datetime,
) -> Actor:
    """Return `by` as they are now, if they may agree to these rules and have seen each of them.

    `agreed` are the ids of the rules that were shown. Raises Forbidden, ReauthenticationRequired,
    or TagsJoinRules naming all rules when one was not shown.
    """
    present = permissions.recheck(by, "approve")
    permissions.require_recent_authentication(confirmed_at, now)
    if any(rule.id not in agreed for rule in rules):
        raise TagsJoinRules(tuple(rule.id for rule in rules))
    return present


def names_of(rules: Iterable[AutoUpdateRule]) -> str:
    """Return the rules as an audit entry names them."""
    return ", ".join(f"{rule.id} “{rule.name}”" for rule in rules)


def cancel_uncovered(site: Site, tagged: Collection[str], by: Actor, now: datetime) -> None:
    """Cancel waiting changes whose rule no longer covers the site, in the caller's transaction."""
    waiting = Change.select().where(
        Change.site == site, Change.state.in_(MAY_CANCEL), Change.rule.is_null(False)
    )
    for change in list(waiting):
        if change.rule and not matches_site(change.rule, site, tagged):
            proposals.cancel_in_transaction(change, NOT_COVERED, by, now)
