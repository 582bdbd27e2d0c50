"""The items that need attention, and the tasks that they are for a person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from app.domain import alerts
from app.domain.changes.warned_releases import WarnedRelease
from app.domain.rollouts import evidence
from app.domain.vulnerabilities import known
from app.domain.vulnerabilities.known import KnownVulnerability, VulnerableComponent
from app.models.alerts import Alert
from app.models.audit import Verification
from app.models.auto_update_rules import AutoUpdateRule
from app.models.changes import Change
from app.models.client_reports import SentReport
from app.models.file_checks import SiteFileCheck
from app.models.fleet import FleetSite
from app.models.provenance import CLOSED, HOST, OpenChange
from app.models.rollouts import Rollout
from app.models.site_pages import PageQuestion
from app.models.sites import Site
from app.models.uptime import DOWN
from app.models.webhooks import WebhookEndpoint

# Severities, the most urgent first.
CRITICAL = "critical"
CHECK = "check"
WAITING = "waiting"
SOON = "soon"
SEVERITIES = (CRITICAL, CHECK, WAITING, SOON)

# What says that a site itself has a problem, and not only that something waits.
_ABOUT_A_SITE = (
    "alert",
    "connection",
    "change",
    "pages",
    "uptime",
    "certificate",
    "domain",
    "files",
)
# From how many sites on the same problem is one task. Fewer are named one by one.
MERGED_FROM = 3
# What is one task even if it is about fewer.
_ALWAYS_TOGETHER = ("approval", "php", "new", "pause", "vulnerability")
# Severity of each change of a source that is more than one to check.
_SOURCES = {HOST: CRITICAL, CLOSED: CRITICAL}
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

# What an item can be about.
Row = (
    Alert
    | Change
    | Verification
    | SentReport
    | AutoUpdateRule
    | KnownVulnerability
    | OpenChange
    | Rollout
    | PageQuestion
    | WarnedRelease
)


@dataclass(frozen=True)
class Item:
    """One reason for attention.

    `about` is 'audit_log', 'alert', 'connection', 'uptime', 'certificate', 'domain', 'network',
    'change', 'pages', 'rollout', 'vulnerability', 'files', 'feed', 'provenance', 'approval',
    'release', 'report', 'rule', 'php', 'pause', 'new', 'old_feed' or 'webhook'. `word` is the
    connection, the problem, the state of the change or the report, the rating, the kind of the
    alert, what changed about a source, the worst warning of a release, the answer about pages, or
    why the rollout stopped or the webhook is off. `id` is the number of `row`, of the webhook, or
    of the change whose pages are asked about. `site` is
    None for what is about no site or about many, and for sites that were only counted.
    """

    about: str
    word: str
    severity: str
    id: int = 0
    name: str = ""
    since: datetime | None = None
    site: Site | FleetSite | None = None
    row: Row | None = None

    @property
    def key(self) -> str:
        """Return what stays the same as long as it is the same item, also if it gets worse."""
        if isinstance(self.row, WarnedRelease):
            return f"{self.about}:{self.row.key}"
        if self.id or self.site is None:
            return f"{self.about}:{self.id}"
        version = f":{self.name}" if self.about == "php" else ""
        # What digests mention first is sent again when it needs a person.
        later = "_later" if self.about == "domain" and self.severity == SOON else ""
        return f"{self.about}{later}:{self.site.id}{version}"

    @property
    def client_ids(self) -> frozenset[int | None] | None:
        """Return the clients whose sites it is about; None if it is about no site."""
        if isinstance(self.row, KnownVulnerability | OpenChange | WarnedRelease):
            return self.row.client_ids
        return None if self.site is None else frozenset({self.site.client_id})


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
    def vulnerable(self) -> VulnerableComponent:
        """Return what its vulnerabilities are in."""
        return known.component_of(one.row for one in self.items)

    @property
    def site_names(self) -> list[str]:
        """Return the names of its sites, each once."""
        return list(dict.fromkeys(one.site.name for one in self.items if one.site))


def item_of_alert(alert: Alert) -> Item:
    """Return the item for an open alert."""
    severity = CRITICAL if alerts.severity(alert.kind) == "critical" else CHECK
    site, since = alert.site, alert.raised_at
    return Item("alert", alert.kind, severity, alert.id, since=since, site=site, row=alert)


def item_of_change(change: Change) -> Item:
    """Return the item for an update that needs checking."""
    severity, since = CRITICAL if change.is_incident else CHECK, change.ended_at
    name, site, since = change.name, change.site, since or change.started_at
    return Item("change", change.state, severity, change.id, name, since, site, change)


def item_of_page_question(one: PageQuestion) -> Item:
    """Return what a person has to judge about pages of a site after an update."""
    return Item("pages", one.because, CHECK, one.change_id, one.name, one.asked_at, one.site, one)


def item_of_release(one: WarnedRelease) -> Item:
    """Return what a person has to decide about a release with warnings, no matter on how many."""
    return Item("release", one.warnings[0], WAITING, 0, one.name, one.since, row=one)


def item_of_rollout(rollout: Rollout) -> Item:
    """Return what stopped a rollout; it waits until a person decides."""
    severity = CRITICAL if rollout.reason == evidence.PACKAGE else CHECK
    word, since = rollout.reason, rollout.changed_at
    return Item("rollout", word, severity, rollout.id, rollout.name, since, rollout.site, rollout)


def item_of_source(one: OpenChange) -> Item:
    """Return what a person has to do about a change of a source."""
    change, severity = one.change, _SOURCES.get(one.change.what, CHECK)
    return Item(
        "provenance", change.what, severity, change.id, change.name, change.seen_at, row=one
    )


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
        is_one = len(members) >= MERGED_FROM or about in _ALWAYS_TOGETHER
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


def _likeness(item: Item) -> tuple[str, ...]:
    """Return what two items have in common that a person handles together."""
    if item.about == "approval":
        return (item.about,)
    if isinstance(item.row, WarnedRelease):
        return (item.about, item.row.key)
    if isinstance(item.row, KnownVulnerability):
        return (item.about, item.row.kind, item.row.slug)
    return (item.about, item.word, item.severity)


def _rank(task: Task) -> int:
    """Return a low number for what is broken now, which comes before what happened once.

    Of what waits, updates come before reports to clients.
    """
    item = task.first
    if item.about in ("audit_log", "network", "approval"):
        return 0
    if item.about in ("connection", "uptime"):
        return 1 if item.word in ("unreachable", DOWN) else 2
    return 3


def _age(item: Item) -> datetime:
    return item.since or _LONG_AGO


def item_of_file_check(one: SiteFileCheck) -> Item:
    """Return the item for files of a site that differ from their releases."""
    severity = CRITICAL if one.is_urgent else CHECK
    return Item("files", "differ", severity, 0, one.open_names, one.open_since, one.site)


def item_of_report(report: SentReport) -> Item:
    """Return what a person has to do about a report for a client."""
    word = report.problem or report.state
    severity = WAITING if word == "waiting" else CHECK
    since = report.sent_at or report.prepared_at or report.requested_at
    return Item("report", word, severity, report.id, report.client.name, since, row=report)


def item_of_webhook(endpoint: WebhookEndpoint) -> Item:
    """Return the item for a webhook that Aura turned off."""
    word, since = endpoint.off_because, endpoint.off_at
    return Item("webhook", word, CHECK, endpoint.id, endpoint.name, since)


def item_of_vulnerability(one: KnownVulnerability) -> Item:
    """Return the item for a known vulnerability, no matter on how many sites."""
    return Item("vulnerability", one.rating, CRITICAL, one.id, one.name, one.found_at, row=one)


def item_of_verification(broken: Verification) -> Item:
    """Return the item for an audit log that did not verify."""
    return Item("audit_log", broken.state, CRITICAL, broken.id, "", broken.ended_at, row=broken)
