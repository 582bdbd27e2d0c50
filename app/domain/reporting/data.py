"""Load the data of a client report, and record its creation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from app.config import Config
from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.documents import entry_document
from app.domain.audit.events import ClientReportIssued
from app.domain.changes import auto_update_rules, candidates, rule_hours
from app.domain.changes.candidates import Candidate
from app.domain.errors import NotFound
from app.domain.inventory.checks import longest_pause
from app.domain.inventory.eligibility import PERMISSIONS
from app.domain.inventory.versions import RELEASE_TYPES
from app.domain.reporting.client_report import (
    FORGOTTEN,
    AvailableUpdate,
    ClientReport,
    HoldSummary,
    Period,
    Rights,
    RuleSummary,
    SiteSnapshot,
    UsualUpdates,
)
from app.domain.reporting.computation import (
    AGREEMENTS,
    SITE_EVENTS,
    STORY_EVENTS,
    compute_report,
)
from app.domain.reporting.site_uptime import summarize_uptime
from app.domain.reporting.stored_sites import StoredSite, stream_sites
from app.domain.reporting.sync_stats import ErrorSpan, ReportEntry, SiteHistory
from app.models.accounts import CLIENT, User
from app.models.audit import NAMES, AuditEntry, Tally
from app.models.auto_update_rules import AutoUpdateRule, UpdateHold
from app.models.clients import CLIENT_APPROVAL, Client
from app.models.daily_checks import CheckedDays
from app.models.reports import Report
from app.models.site_data import SiteData
from app.models.sites import Site
from app.models.update_stories import UpdateStory, read_stories, stories_column

# A report of more updates than this adds up those that went as usual.
MOST_TOLD = 60
# Databases limit the parameters of a statement.
_MOST_NUMBERS = 10_000
_FAILED, _RECEIVED = "sync_failed", "report_received"
# Of which entries a report names the numbers, so that people at the client may open them.
NAMED_EVENTS = SITE_EVENTS | STORY_EVENTS | {_FAILED, _RECEIVED, ClientReportIssued.event_name()}


def compute_for(
    client: Client, period: Period, *, by: Actor, config: Config, now: datetime
) -> ClientReport:
    """Compute the report as of now, for reading.

    Raises NotFound for those who may not see this client.
    """
    permissions.require(by, "see")
    if not permissions.can_see_client(by, client.id):
        raise NotFound("This client does not exist.")
    return compute(client, period, config=config, now=now)


def compute(client: Client, period: Period, *, config: Config, now: datetime) -> ClientReport:
    """Compute the report as of now, for Aura itself."""
    every = timedelta(minutes=config.sync_every_minutes)
    facts = _client_facts(client, period, now)
    longest = longest_pause(every, is_failing=False)
    sites = _read_sites(stream_sites(client, period, longest), facts.rules, period, now)
    listed, usual = _split_updates(facts.updates)
    lines = _lines(client, period, listed, usual)
    ends = {group[0].success for group in usual} | {group[-1].success for group in usual}
    return compute_report(
        client.name,
        period,
        sorted(sites.snapshots, key=lambda site: (site.name.casefold(), site.id)),
        [line for seq, line in sorted(lines.items()) if seq not in ends],
        _histories(client, period, sites.checks),
        _approval_rights(client, facts, sites),
        usual_updates=[_usual_updates(group, lines) for group in usual],
        every=every,
        now=now,
    )


def issue_report(
    client: Client, period: Period, *, form: str, by: Actor, config: Config, now: datetime
) -> tuple[ClientReport, AuditEntry]:
    """Compute the report as a document, recorded in the audit log, and return it with its entry.

    `form` names the kind of document. The entry becomes the head of the log. Raises NotFound.
    """
    report = compute_for(client, period, by=by, config=config, now=now)
    event = ClientReportIssued(
        client_id=client.id,
        client=client.name,
        first_day=period.first_day.isoformat(),
        last_day=period.last_day.isoformat(),
        form=form,
        digest=report.digest,
    )
    with permissions.user_transaction(by, "see", client) as (_, by):
        return report, audit.record(event, by, now=now)


def _split_updates(
    updates: Sequence[UpdateStory],
) -> tuple[list[UpdateStory], list[list[UpdateStory]]]:
    """Return the updates that are listed one by one, and the others by component, oldest first.

    In a long report the usual ones are added up: hundreds that went well would hide the others.
    """
    if len(updates) <= MOST_TOLD:
        return list(updates), []
    usual: dict[tuple[str, str], list[UpdateStory]] = {}
    for update in sorted(updates, key=lambda one: one.success or 0):
        if update.success is not None:
            usual.setdefault((update.kind, update.component), []).append(update)
    return [update for update in updates if update.success is None], list(usual.values())


def _lines(
    client: Client,
    period: Period,
    listed: Iterable[UpdateStory],
    usual: Iterable[Sequence[UpdateStory]],
) -> dict[int, ReportEntry]:
    """Return the entries that the report names, by number.

    Of updates that are added up, those are the first and the last success.
    """
    about = AuditEntry.site_id.in_(_site_ids(client)) & AuditEntry.event.in_(SITE_EVENTS)
    agreed = AuditEntry.event.in_(AGREEMENTS) & (AuditEntry.client_id == client.id)
    seqs = {seq for update in listed for seq in update.seqs}
    seqs |= {end.success for group in usual for end in (group[0], group[-1]) if end.success}
    in_order = sorted(seqs)
    parts = [
        in_order[begin : begin + _MOST_NUMBERS]
        for begin in range(0, max(len(in_order), 1), _MOST_NUMBERS)
    ]
    found = [about | agreed | AuditEntry.seq.in_(parts[0])]
    found += [AuditEntry.seq.in_(part) for part in parts[1:]]
    return {
        entry.seq: _line(entry)
        for condition in found
        for entry in AuditEntry.stream_with_details(condition, AuditEntry.at < period.ends)
    }


def _usual_updates(group: Sequence[UpdateStory], lines: Mapping[int, ReportEntry]) -> UsualUpdates:
    first, last = (lines[one.success] for one in (group[0], group[-1]) if one.success)
    return UsualUpdates(len(group), len({one.site_id for one in group}), first, last)


def _histories(
    client: Client, period: Period, checks: Mapping[int, Sequence[CheckedDays]]
) -> dict[int, SiteHistory]:
    """Return the checks of each site of the client in the period, by site id."""
    tallies = AuditEntry.tally(
        AuditEntry.site_id.in_(_site_ids(client)),
        AuditEntry.event.in_((_FAILED, _RECEIVED)),
        AuditEntry.at >= period.begins,
        AuditEntry.at < period.ends,
    )
    by_site: dict[int, list[Tally]] = {}
    for tally in tallies:
        by_site.setdefault(tally.site_id or 0, []).append(tally)
    return {site_id: _history(days, by_site.get(site_id, [])) for site_id, days in checks.items()}


def _history(days: Sequence[CheckedDays], tallies: Sequence[Tally]) -> SiteHistory:
    errors = tuple(
        ErrorSpan(
            found.error_code, found.count, _system_line(found.first), _system_line(found.last)
        )
        for found in tallies
        if found.event == _FAILED
    )
    reports = next((found for found in tallies if found.event == _RECEIVED), None)
    if reports is None:
        return SiteHistory(tuple(days), errors)
    first, last = _system_line(reports.first), _system_line(reports.last)
    return SiteHistory(tuple(days), errors, reports.count, first, last)


def _system_line(entry: AuditEntry) -> ReportEntry:
    """Return an entry of Aura itself, which has no private details."""
    body = json.loads(entry.body)
    who = NAMES.get(body["actor"]["kind"], "")
    return ReportEntry(entry.seq, entry.at, entry.event, entry.site_id, who, body["facts"])


def _site_ids(client: Client) -> Any:
    """Return the query for the ids of a client's sites."""
    return Site.select(Site.id).where(Site.client == client)


def _line(entry: AuditEntry) -> ReportEntry:
    document = entry_document(entry)
    return ReportEntry(
        entry.seq,
        entry.at,
        entry.event,
        entry.site_id,
        document["actor"]["name"],
        document["facts"],
    )


@dataclass(frozen=True)
class _Sites:
    """What the report keeps of the sites. The sites of `names` were not removed.

    `checks` are by site id, and `rules` the ids of those that may release updates of any site.
    """

    snapshots: list[SiteSnapshot] = field(default_factory=list)
    checks: dict[int, Sequence[CheckedDays]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    rules: set[int] = field(default_factory=set)


def _read_sites(
    sites: Iterable[StoredSite], rules: Sequence[AutoUpdateRule], period: Period, now: datetime
) -> _Sites:
    """Return what the report keeps of each site; of a removed one hardly more than its name."""
    found = _Sites()
    for stored in sites:
        site = stored.site
        found.checks[site.id] = stored.checks
        if site.forgotten_at is not None:
            found.snapshots.append(SiteSnapshot(site.id, site.name, site.url, FORGOTTEN))
            continue
        days = (period.first_day, period.last_day)
        uptime = summarize_uptime(stored.days, stored.outages, *days)
        snapshot = _site_snapshot(site, stored.data, stored.alerts, now)
        found.snapshots.append(replace(snapshot, uptime=uptime))
        found.names[site.id] = site.name
        others = (rule for rule in rules if rule.id not in found.rules)
        found.rules.update(rule.id for rule in others if _touches(rule, stored))
    return found


def _site_snapshot(site: Site, stored: SiteData, alerts: int, now: datetime) -> SiteSnapshot:
    report = stored.report
    found = candidates.candidates_in(site, stored, now) if report else []
    names = {
        (candidate.target.kind, candidate.target.ident): candidate.target.name
        for candidate in found
    }
    return SiteSnapshot(
        id=site.id,
        name=site.name,
        url=site.url,
        connection=site.connection,
        error_code=site.error_code,
        report_at=report.received_at if report else None,
        wordpress=report.wordpress if report else "",
        php=report.php if report else "",
        components=len(stored.components),
        available_updates=tuple(_available_updates(found)),
        holds=tuple(_holds(stored.holds, names, now)),
        permissions=_permissions(report),
        alerts=alerts,
    )


def _available_updates(found: Iterable[Candidate]) -> Iterable[AvailableUpdate]:
    for candidate in found:
        target = candidate.target
        if target.available:
            yield AvailableUpdate(
                kind=target.kind,
                ident=target.ident,
                name=target.name,
                version=target.version,
                available=target.available,
                against=candidate.verdict.reasons,
                change_id=candidate.open_change.id if candidate.open_change else None,
            )


def _holds(
    holds: Iterable[UpdateHold], names: dict[tuple[str, str], str], now: datetime
) -> Iterable[HoldSummary]:
    for held in sorted(holds, key=lambda hold: (hold.kind, hold.ident)):
        if held.is_in_force(now):
            name = names.get((held.kind, held.ident), held.ident)
            yield HoldSummary(held.kind, held.ident, name, held.reason, held.created_by, held.until)


def _permissions(report: Report | None) -> tuple[str, ...]:
    """Return what the site's owner lets Aura change, as the site reports it."""
    granted = (
        (json.loads(report.body).get("agent") or {}).get("permissions") or {} if report else {}
    )
    return tuple(permission for permission in PERMISSIONS if granted.get(permission) is True)


def _approval_rights(client: Client, facts: _ClientFacts, sites: _Sites) -> Rights:
    """Return who may approve updates of this client's sites, with the auto-update rules."""
    users = [user for user in facts.users if not user.is_invited]
    return Rights(
        approvals=client.approvals,
        deciders=tuple(
            user.name
            for user in users
            if client.approvals != CLIENT_APPROVAL
            and permissions.is_allowed(user.role, "approve")
            and permissions.can_see_client(Actor.of(user), client.id)
        ),
        client_people=tuple(
            user.name for user in users if user.role == CLIENT and user.client_id == client.id
        ),
        standing=tuple(
            _rule_summaries((rule for rule in facts.rules if rule.id in sites.rules), sites.names)
        ),
    )


@dataclass(frozen=True)
class _ClientFacts:
    """What is small or added up about a client, read in one query.

    `users` are the active ones by name, `rules` those in force that may cover the client, and
    `updates` those of its sites that have entries in the period.
    """

    users: list[User]
    rules: list[AutoUpdateRule]
    updates: list[UpdateStory]


def _client_facts(client: Client, period: Period, now: datetime) -> _ClientFacts:
    """Read them in one query, because a page has at most twelve."""
    is_possible = AutoUpdateRule.client.is_null() | (AutoUpdateRule.client == client)
    is_about = AuditEntry.site_id.in_(_site_ids(client))
    updates = stories_column(
        is_about, period.begins, period.ends, STORY_EVENTS, most_whole=MOST_TOLD
    )
    row: Any = (
        Client.select(
            User.nested(User.disabled_at.is_null()).alias("users"),
            AutoUpdateRule.nested(AutoUpdateRule.is_current(now) & is_possible).alias("rules"),
            updates.alias("updates"),
        )
        .where(Client.id == client.id)
        .get()
    )
    rules = sorted(AutoUpdateRule.read_nested(row.rules), key=lambda rule: rule.id)
    for rule in rules:
        rule.client = client if rule.client_id else None
    users = sorted(User.read_nested(row.users), key=lambda user: user.name.lower())
    return _ClientFacts(users, rules, read_stories(row.updates))


def _rule_summaries(
    rules: Iterable[AutoUpdateRule], names: Mapping[int, str]
) -> Iterator[RuleSummary]:
    """Yield what the report says about these auto-update rules.

    A rule may name sites of several clients. Only the names of these sites are part of the report.
    """
    for rule in rules:
        yield RuleSummary(
            rule.name,
            auto_update_rules.covers_in_words(rule, names),
            rule_hours.in_words(rule),
            rule.expires_at,
        )


def _touches(rule: AutoUpdateRule, stored: StoredSite) -> bool:
    """Whether the rule may release an update of the site."""
    return any(
        auto_update_rules.applies_to(rule, stored.site, stored.tags, permission, release_type)
        for permission in PERMISSIONS
        for release_type in RELEASE_TYPES
    )
