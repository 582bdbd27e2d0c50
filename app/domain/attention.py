"""What needs attention: the one definition for the overview, the counters and a site's page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from app.domain import alerts, permissions
from app.domain.actor import Actor
from app.domain.changes import approvals, rule_coverage
from app.domain.inventory import php_eol
from app.models import fleet
from app.models.alerts import Alert
from app.models.audit import Verification
from app.models.auto_update_rules import AutoUpdateRule
from app.models.changes import PROPOSED, Change
from app.models.client_reports import SentReport
from app.models.clients import SECOND, SELF
from app.models.fleet import FleetSite, SiteCount
from app.models.open_matters import OpenMatters
from app.models.sites import NEW, Site
from app.models.uptime import DOWN, ENDS_NOW, ENDS_SOON, OWN_NETWORK
from app.models.visibility import EVERYTHING

# Severities, the most urgent first.
CRITICAL = "critical"
CHECK = "check"
WAITING = "waiting"
SOON = "soon"
SEVERITIES = (CRITICAL, CHECK, WAITING, SOON)

# Severity of each value of Site.connection that needs attention.
CONNECTIONS = {
    "unreachable": CRITICAL,
    "blocked": CRITICAL,
    "quarantined": CRITICAL,
    "degraded": CHECK,
    "revoked_unproven": CHECK,
    "revoked_unreached": CHECK,
    "disconnected": CHECK,
    "disconnected_unconfirmed": CHECK,
}
# What says that a site itself has a problem, and not only that something waits.
_ABOUT_A_SITE = ("alert", "connection", "change", "uptime", "certificate")
# Severity of each value of SiteWatch.certificate_problem.
_CERTIFICATES = {ENDS_SOON: CHECK, ENDS_NOW: CRITICAL}
# From how many sites on the same problem is one task. Fewer are named one by one.
MERGED_FROM = 3
# How long before its end an auto-update rule is mentioned.
_RULE_ENDS_SOON = timedelta(days=14)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Item:
    """One reason for attention.

    `about` is 'audit_log', 'alert', 'connection', 'uptime', 'certificate', 'network', 'change',
    'approval', 'report', 'rule', 'php' or 'new'. `word` is the connection, the problem, the state
    of the change or the report, or the kind of the alert. `id` is the number of `row`, which is the
    alert, change, verification, report or rule itself. `site` is None for what is about no site,
    and for sites that were only counted.
    """

    about: str
    word: str
    severity: str
    id: int = 0
    name: str = ""
    since: datetime | None = None
    site: Site | FleetSite | None = None
    row: Alert | Change | Verification | SentReport | AutoUpdateRule | None = None

    @property
    def key(self) -> str:
        """Return what stays the same as long as it is the same item, also if it gets worse."""
        if self.id or self.site is None:
            return f"{self.about}:{self.id}"
        version = f":{self.name}" if self.about == "php" else ""
        return f"{self.about}:{self.site.id}{version}"


@dataclass(frozen=True)
class Task:
    """What a person does next: about one item, or about several that are alike."""

    items: tuple[Item, ...]

    @property
    def first(self) -> Item:
        return self.items[0]

    @property
    def severity(self) -> str:
        return self.first.severity

    @property
    def is_urgent(self) -> bool:
        """Whether it counts as something that needs a person now."""
        return self.severity != SOON

    @property
    def names(self) -> list[str]:
        """Return the names of what its items are about, each once."""
        return list(dict.fromkeys(one.name for one in self.items))

    @property
    def site_names(self) -> list[str]:
        """Return the names of its sites, each once."""
        return list(dict.fromkeys(one.site.name for one in self.items if one.site))


def urgent(actor: Actor, sites: Iterable[FleetSite]) -> list[Item]:
    """Return what needs attention now, as far as this actor may see it.

    `sites` are the sites that they may see.
    """
    sites = list(sites)
    problems = [*_own_network(sites), *(item for site in sites for item in _of_site(site))]
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
        item for alike in counts for item in _unnamed_problems(alike) for _ in range(alike.sites)
    ]
    problems = [*_own_network(counts), *unnamed]
    changes = Change.awaiting_people(visible, site)
    return Brief(_urgent(actor, problems, changes), sum(one.sites for one in counts), changes)


@dataclass(frozen=True)
class Findings:
    """What needs anyone's attention, read once for many people."""

    sites: list[FleetSite]
    changes: list[Change]
    open_alerts: list[Alert]
    broken: Verification | None
    reports: list[SentReport]

    def keys(self) -> set[str]:
        """Return the keys of all items, no matter who may see them."""
        return {
            *(item.key for site in self.sites for item in _of_site(site)),
            # What an outage explains is not over, so it is not told as resolved.
            *(_of_connection(site).key for site in self.sites if site.is_explained),
            *(_of_change(change).key for change in self.changes if change.needs_checking),
            *(_of_approval(change).key for change in self.changes if change.state == PROPOSED),
            *(_of_alert(alert).key for alert in self.open_alerts),
            *([_of_verification(self.broken).key] if self.broken else []),
            *(_of_report(report).key for report in self.reports),
            *(item.key for item in _own_network(self.sites)),
        }


def read_findings() -> Findings:
    """Read what needs anyone's attention now: four queries for any number of sites."""
    matters = OpenMatters.read()
    return Findings(
        sites=fleet.sites_in(CONNECTIONS),
        changes=Change.awaiting_people(EVERYTHING),
        open_alerts=Alert.open_ones(EVERYTHING),
        broken=matters.broken,
        reports=matters.reports,
    )


def urgent_from(findings: Findings, actor: Actor) -> list[Item]:
    """Return what of the findings `urgent` would return for this actor."""
    visible = permissions.visibility_of(actor)
    sites = [site for site in findings.sites if visible.has(site.client_id)]
    problems = [*_own_network(sites), *(item for site in sites for item in _of_site(site))]
    changes = [one for one in findings.changes if visible.has(one.site.client_id)]
    of_theirs = [one for one in findings.open_alerts if visible.has(one.site.client_id)]
    return _visible(actor, problems, changes, replace(findings, open_alerts=of_theirs))


def _urgent(actor: Actor, problems: list[Item], changes: list[Change]) -> list[Item]:
    is_reader = permissions.is_allowed(actor.role, "audit")
    visible = permissions.visibility_of(actor)
    matters = OpenMatters.read() if is_reader else OpenMatters()
    open_alerts = Alert.open_ones(visible) if is_reader else []
    read = Findings([], changes, open_alerts, matters.broken, matters.reports)
    return _visible(actor, problems, changes, read)


def _visible(
    actor: Actor, problems: list[Item], changes: list[Change], findings: Findings
) -> list[Item]:
    """Return the items that this actor may see; those about sites are theirs already."""
    is_reader = permissions.is_allowed(actor.role, "audit")
    is_sender = permissions.is_allowed(actor.role, "reports")
    visible = permissions.visibility_of(actor)
    broken = findings.broken if visible.is_everything else None
    return [
        *([_of_verification(broken)] if broken and is_reader else []),
        *(_of_alert(alert) for alert in findings.open_alerts if is_reader),
        *(_of_change(change) for change in changes if change.needs_checking),
        *(item for item in problems if item.about != "network" or is_reader),
        *_approvals(actor, [change for change in changes if change.state == PROPOSED]),
        *(_of_report(one) for one in findings.reports if is_sender and visible.has(one.client_id)),
    ]


def upcoming(actor: Actor, sites: Iterable[FleetSite], now: datetime) -> list[Item]:
    """Return what can wait a few days, as far as this actor may see it."""
    found, visible = [], permissions.visibility_of(actor)
    for site in sites:
        last_day = php_eol.ends_on(site.php) if site.php and site.is_paired else None
        if last_day is not None and last_day < now.date():
            found.append(Item("php", "ended", SOON, name=site.php, site=site))
        if site.state == NEW and permissions.is_allowed(actor.role, "pair"):
            found.append(Item("new", NEW, SOON, since=site.added_at, site=site))
    if permissions.is_allowed(actor.role, "overview"):
        found += [
            Item("rule", "ends", SOON, rule.id, rule.name, rule.expires_at, row=rule)
            for rule in rule_coverage.visible_rules(AutoUpdateRule.in_force(now), visible)
            if rule.expires_at - now < _RULE_ENDS_SOON
        ]
    return found


def tasks(items: Iterable[Item]) -> list[Task]:
    """Return the items as tasks: the most urgent first, of equal ones what is broken now.

    Approvals are one task, and so is the same problem on many sites.
    """
    groups: dict[tuple[str, ...], list[Item]] = {}
    for item in items:
        groups.setdefault(_likeness(item), []).append(item)
    found = []
    for (about, *_), members in groups.items():
        ordered = tuple(sorted(members, key=_age, reverse=True))
        is_one = len(members) >= MERGED_FROM or about in ("approval", "php", "new")
        found += [Task(ordered)] if is_one else [Task((one,)) for one in ordered]
    found.sort(key=lambda task: _age(task.first), reverse=True)
    return sorted(found, key=lambda task: (SEVERITIES.index(task.severity), _rank(task)))


def most_important(found: list[Task], count: int) -> list[Task]:
    """Return the first `count` tasks; what waits for approval is always among them."""
    shown = found[:count]
    waiting = next((task for task in found[count:] if task.severity == WAITING), None)
    if waiting is not None and all(task.severity != WAITING for task in shown):
        shown = [*shown[:-1], waiting]
    return shown


def grouped_by_site(items: Iterable[Item]) -> dict[int, list[Item]]:
    """Return the items that are about a site itself by site id, critical ones first."""
    found: dict[int, list[Item]] = {}
    for item in items:
        if item.site and item.about in _ABOUT_A_SITE:
            found.setdefault(item.site.id, []).append(item)
    for about_site in found.values():
        about_site.sort(key=lambda item: item.severity != CRITICAL)
    return found


def _of_site(site: FleetSite) -> list[Item]:
    """Return the problems of a site; failed calls to a site that is down are not another one."""
    found = []
    if site.connection in CONNECTIONS and not site.is_explained:
        found.append(_of_connection(site))
    word = site.uptime_problem
    if word and word != OWN_NETWORK:
        severity = _severity_of_uptime(word)
        found.append(Item("uptime", word, severity, since=site.uptime_since, site=site))
    if word := site.certificate_problem:
        ends_at, severity = site.certificate_ends_at, _CERTIFICATES[word]
        found.append(Item("certificate", word, severity, since=ends_at, site=site))
    return found


def _of_connection(site: FleetSite) -> Item:
    severity = CONNECTIONS[site.connection]
    since = site.error_at or site.revoked_at or site.quarantine_at
    return Item("connection", site.connection, severity, since=since, site=site)


def _unnamed_problems(alike: SiteCount) -> list[Item]:
    """Return the same for sites that were only counted."""
    found = []
    if alike.connection in CONNECTIONS and not alike.is_explained:
        found.append(Item("connection", alike.connection, CONNECTIONS[alike.connection]))
    word = alike.uptime_problem
    if word and word != OWN_NETWORK:
        found.append(Item("uptime", word, _severity_of_uptime(word)))
    if word := alike.certificate_problem:
        found.append(Item("certificate", word, _CERTIFICATES[word]))
    return found


def _severity_of_uptime(word: str) -> str:
    return CRITICAL if word == DOWN else CHECK


def _own_network(sites: Iterable[FleetSite | SiteCount]) -> list[Item]:
    """Return the one item for all sites that Aura cannot check because its own network is away."""
    away = [site for site in sites if site.uptime_problem == OWN_NETWORK]
    since = [site.uptime_since for site in away if isinstance(site, FleetSite)]
    return [Item("network", "away", CRITICAL, since=min(filter(None, since), default=None))][
        : len(away)
    ]


def _of_alert(alert: Alert) -> Item:
    severity = CRITICAL if alerts.severity(alert.kind) == "critical" else CHECK
    return Item(
        "alert", alert.kind, severity, alert.id, since=alert.raised_at, site=alert.site, row=alert
    )


def _of_change(change: Change) -> Item:
    return Item(
        "change",
        change.state,
        CRITICAL if change.is_incident else CHECK,
        change.id,
        change.name,
        since=change.ended_at or change.started_at,
        site=change.site,
        row=change,
    )


def _of_report(report: SentReport) -> Item:
    """Return what a person has to do about a report for a client."""
    word = report.problem or report.state
    severity = WAITING if word == "waiting" else CHECK
    since = report.sent_at or report.prepared_at or report.requested_at
    return Item("report", word, severity, report.id, report.client.name, since, row=report)


def _of_verification(broken: Verification) -> Item:
    return Item("audit_log", broken.state, CRITICAL, broken.id, "", broken.ended_at, row=broken)


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
    if change.requested_at is None and change.site.approvals != SELF:
        return False
    if change.site.approvals == SECOND and change.proposed_by_id == actor.id:
        return False
    return approvals.can_decide(actor, change.site)


def _likeness(item: Item) -> tuple[str, ...]:
    """Return what two items have in common that a person handles together."""
    if item.about == "approval":
        return (item.about,)
    return (item.about, item.word, item.severity)


def _rank(task: Task) -> int:
    """Return a low number for what is broken now, which comes before what happened once."""
    item = task.first
    if item.about in ("audit_log", "network"):
        return 0
    if item.about in ("connection", "uptime"):
        return 1 if item.word in ("unreachable", DOWN) else 2
    return 3


def _age(item: Item) -> datetime:
    return item.since or _LONG_AGO
