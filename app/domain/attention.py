"""What needs attention: the one definition for the overview, the counters and a site's page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain import permissions
from app.domain.actor import Actor
from app.domain.attention_items import (
    CHECK,
    CRITICAL,
    MERGED_FROM,
    SEVERITIES,
    SOON,
    WAITING,
    Item,
    Task,
    grouped_by_site,
    item_of_alert,
    item_of_change,
    item_of_file_check,
    item_of_page_question,
    item_of_release,
    item_of_report,
    item_of_rollout,
    item_of_source,
    item_of_verification,
    item_of_vulnerability,
    item_of_webhook,
    most_important,
    tasks,
)
from app.domain.attention_sites import (
    CONNECTIONS,
    item_of_connection,
    later_of,
    own_network,
    problems_of,
    unnamed_problems,
)
from app.domain.changes import approvals, rule_coverage
from app.domain.changes.warned_releases import warned_releases
from app.domain.inventory import php_eol
from app.domain.vulnerabilities import known
from app.domain.vulnerabilities.known import KnownVulnerability
from app.models import fleet
from app.models.auto_update_rules import AutoUpdateRule
from app.models.changes import PROPOSED, Change
from app.models.clients import FOUR_EYES, SELF_APPROVAL
from app.models.fleet import FleetSite
from app.models.open_matters import OpenMatters
from app.models.sites import NEW, Site
from app.models.visibility import EVERYTHING
from app.models.vulnerabilities import VulnerabilityFeed

__all__ = [
    "CHECK",
    "CONNECTIONS",
    "CRITICAL",
    "MERGED_FROM",
    "SEVERITIES",
    "SOON",
    "WAITING",
    "Brief",
    "Findings",
    "Item",
    "Task",
    "grouped_by_site",
    "most_important",
    "read_findings",
    "tasks",
    "upcoming",
    "urgent",
    "urgent_from",
    "urgent_in_brief",
]

# After this time, an imported file lacks too many known vulnerabilities.
_OLD_FEED = timedelta(days=30)
# How long before its end an auto-update rule is mentioned.
_RULE_ENDS_SOON = timedelta(days=14)


def urgent(actor: Actor, sites: Iterable[FleetSite]) -> list[Item]:
    """Return what needs attention now, as far as this actor may see it.

    `sites` are the sites that they may see.
    """
    sites = list(sites)
    problems = [*own_network(sites), *(item for site in sites for item in problems_of(site))]
    changes = Change.awaiting_people(permissions.visibility_of(actor))
    return _urgent(actor, problems, changes)


@dataclass(frozen=True)
class Brief:
    """What needs attention, for a page that does not list the sites.

    There is one item for each problem of a site, but it does not name its site.
    `sites` is how many sites there are, and `changes` are those that were read.
    """

    items: list[Item]
    sites: int
    changes: list[Change]


def urgent_in_brief(actor: Actor, site: Site | None = None) -> Brief:
    """Return what needs attention now, as far as this actor may see it.

    If the page is about one site, its open changes and incidents are among `changes`.
    """
    visible = permissions.visibility_of(actor)
    counts = fleet.count_alike(visible)
    unnamed = [
        item for alike in counts for item in unnamed_problems(alike) for _ in range(alike.sites)
    ]
    problems = [*own_network(counts), *unnamed]
    changes = Change.awaiting_people(visible, site)
    return Brief(_urgent(actor, problems, changes), sum(one.sites for one in counts), changes)


@dataclass(frozen=True)
class Findings:
    """What needs anyone's attention, read once for many people.

    `vulnerabilities` are those of `matters`, with what is known about each.
    """

    sites: list[FleetSite]
    changes: list[Change]
    matters: OpenMatters
    vulnerabilities: list[KnownVulnerability]

    def keys(self) -> set[str]:
        """Return the keys of all items, no matter who may see them."""
        matters = self.matters
        return {
            *(item.key for site in self.sites for item in problems_of(site)),
            # What an outage explains is not over, so it is not reported as resolved.
            *(item_of_connection(site).key for site in self.sites if site.is_explained),
            *(item_of_change(change).key for change in self.changes if change.needs_checking),
            *(_of_approval(change).key for change in self.changes if change.state == PROPOSED),
            *(item_of_alert(alert).key for alert in matters.alerts),
            *([item_of_verification(matters.broken).key] if matters.broken else []),
            *(item_of_report(report).key for report in matters.reports),
            *(item_of_webhook(endpoint).key for endpoint in matters.webhooks),
            *(item.key for item in own_network(self.sites)),
            *([_of_feed(matters.failing_feed).key] if matters.failing_feed else []),
            *(item_of_vulnerability(one).key for one in self.vulnerabilities),
            *(item_of_rollout(one).key for one in matters.rollouts),
            *(item_of_source(one).key for one in matters.provenance),
            *(item_of_file_check(one).key for one in matters.file_checks),
            *(item_of_page_question(one).key for one in matters.page_questions),
            *(item_of_release(one).key for one in warned_releases(self.changes, matters.warned)),
        }


def read_findings() -> Findings:
    """Read what needs anyone's attention now: three queries for any number of sites."""
    matters = OpenMatters.read(EVERYTHING)
    changes = Change.awaiting_people(EVERYTHING)
    vulnerabilities = known.as_known(matters.vulnerabilities)
    return Findings(fleet.sites_in(CONNECTIONS), changes, matters, vulnerabilities)


def urgent_from(findings: Findings, actor: Actor) -> list[Item]:
    """Return what of the findings `urgent` would return for this actor."""
    visible = permissions.visibility_of(actor)
    sites = [site for site in findings.sites if visible.has(site.client_id)]
    problems = [*own_network(sites), *(item for site in sites for item in problems_of(site))]
    changes = [one for one in findings.changes if visible.has(one.site.client_id)]
    matters = findings.matters
    of_theirs = replace(
        matters,
        alerts=[one for one in matters.alerts if visible.has(one.site.client_id)],
        rollouts=[one for one in matters.rollouts if one.site and visible.has(one.site.client_id)],
        file_checks=[one for one in matters.file_checks if visible.has(one.site.client_id)],
        page_questions=[one for one in matters.page_questions if visible.has(one.site.client_id)],
        provenance=[mine for one in matters.provenance if (mine := one.within(visible))],
    )
    # They are counted over all clients, so those of some are counted again.
    vulnerabilities = (
        findings.vulnerabilities if visible.is_everything else known.urgent_vulnerabilities(visible)
    )
    return _visible(actor, problems, changes, of_theirs, vulnerabilities)


def _urgent(actor: Actor, problems: list[Item], changes: list[Change]) -> list[Item]:
    is_reader = permissions.is_allowed(actor.role, "audit")
    visible = permissions.visibility_of(actor)
    matters = OpenMatters.read(visible) if is_reader else OpenMatters()
    return _visible(actor, problems, changes, matters, known.as_known(matters.vulnerabilities))


def _visible(
    actor: Actor,
    problems: list[Item],
    changes: list[Change],
    matters: OpenMatters,
    vulnerabilities: list[KnownVulnerability],
) -> list[Item]:
    """Return the items that this actor may see; those about sites are theirs already."""
    is_reader = permissions.is_allowed(actor.role, "audit")
    is_sender = permissions.is_allowed(actor.role, "reports")
    visible = permissions.visibility_of(actor)
    broken = matters.broken if visible.is_everything else None
    is_owner = permissions.is_allowed(actor.role, "webhooks")
    feed = matters.failing_feed if _keeps_feed(actor) else None
    # Clients approve their updates one by one, and see no release of the agency.
    decides = is_reader and permissions.is_allowed(actor.role, "approve")
    warned = matters.warned if decides else {}
    return [
        *([item_of_verification(broken)] if broken and is_reader else []),
        *(item_of_alert(alert) for alert in matters.alerts if is_reader),
        *(item_of_change(change) for change in changes if change.needs_checking),
        *(item_of_page_question(one) for one in matters.page_questions if is_reader),
        *(item_of_rollout(one) for one in matters.rollouts if is_reader),
        *(item for item in problems if item.about != "network" or is_reader),
        *(item_of_vulnerability(one) for one in vulnerabilities if is_reader),
        *(item_of_source(one) for one in matters.provenance if is_reader),
        *(item_of_file_check(one) for one in matters.file_checks if is_reader),
        *(item_of_release(one) for one in warned_releases(changes, warned)),
        *_approvals(
            actor, [one for one in changes if one.state == PROPOSED and one.id not in warned]
        ),
        *(
            item_of_report(one)
            for one in matters.reports
            if is_sender and visible.has(one.client_id)
        ),
        *(item_of_webhook(one) for one in matters.webhooks if is_owner),
        *([_of_feed(feed)] if feed else []),
    ]


def upcoming(actor: Actor, sites: Iterable[FleetSite], now: datetime) -> list[Item]:
    """Return what can wait a few days, as far as this actor may see it."""
    found, visible = [], permissions.visibility_of(actor)
    for site in sites:
        found += later_of(site, now)
        last_day = php_eol.ends_on(site.php) if site.php and site.is_paired else None
        if last_day is not None and last_day < now.date():
            found.append(Item("php", "ended", SOON, name=site.php, site=site))
        if site.state == NEW and permissions.is_allowed(actor.role, "pair"):
            found.append(Item("new", NEW, SOON, since=site.added_at, site=site))
    if permissions.is_allowed(actor.role, "overview"):
        ending = [
            one for one in AutoUpdateRule.in_force(now) if one.expires_at - now < _RULE_ENDS_SOON
        ]
        found += [
            Item("rule", "ends", SOON, rule.id, rule.name, rule.expires_at, row=rule)
            for rule in rule_coverage.visible_rules(ending, visible)
        ]
    if _keeps_feed(actor):
        found += _old_file(VulnerabilityFeed.read(), now)
    return found


def _old_file(feed: VulnerabilityFeed, now: datetime) -> list[Item]:
    """Return that an imported file is old; a feed with a key renews itself, or is failing."""
    at = feed.checked_at
    if feed.key_sealed or not feed.has_data or at is None or now - at < _OLD_FEED:
        return []
    return [Item("old_feed", "old", SOON, since=at)]


def _keeps_feed(actor: Actor) -> bool:
    return permissions.is_allowed(actor.role, "vulnerability_feed")


def _of_feed(feed: VulnerabilityFeed) -> Item:
    return Item("feed", feed.problem, CHECK, since=feed.problem_since)


def _approvals(actor: Actor, proposed: Iterable[Change]) -> list[Item]:
    """Return which of these proposals wait for the approval of this user."""
    if not permissions.is_allowed(actor.role, "decide"):
        return []
    return [_of_approval(one) for one in proposed if _is_theirs(one, actor)]


def _of_approval(change: Change) -> Item:
    since = change.requested_at or change.proposed_at
    name, site = change.name, change.site
    return Item("approval", PROPOSED, WAITING, change.id, name, since, site, change)


def _is_theirs(change: Change, actor: Actor) -> bool:
    if change.requested_at is None and change.site.approvals != SELF_APPROVAL:
        return False
    if change.site.approvals == FOUR_EYES and change.proposed_by_id == actor.id:
        return False
    return approvals.can_decide(actor, change.site)
