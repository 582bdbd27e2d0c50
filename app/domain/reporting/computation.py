"""Compute the client report of a period from the audit log and the current state of the sites.

Pure: every fact is an argument, and equal facts give an equal report. What happened is reported as
of the end of the period, open risks as of now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from app.domain.inventory import php_eol
from app.domain.reporting.client_report import (
    FORGOTTEN,
    ChangeHistory,
    ClientReport,
    Period,
    Rights,
    Risk,
    SiteSection,
    SiteSnapshot,
    UsualUpdates,
)
from app.domain.reporting.sync_stats import (
    Checks,
    ReportEntry,
    SiteHistory,
    connected,
    count_checks,
)

# How long before the end of PHP support the report mentions it.
PLAN_AHEAD = timedelta(days=180)
# Site data older than this is outdated.
STALE_AFTER = timedelta(days=2)

# The state of a change after each event.
_STATES = {
    "change_proposed": "checking",
    "change_checked": "proposed",
    "change_approved": "approved",
    "change_rejected": "rejected",
    "change_cancelled": "cancelled",
    "change_expired": "expired",
    "change_started": "running",
    "change_waiting": "waiting_for_site",
    "change_outcome_unknown": "unknown",
}
ENDED = "change_ended"
# Other events that the report lists.
_NOTABLE = frozenset(
    {
        "site_added", "site_removed", "pairing_completed", "keys_rotated", "site_moved",
        "site_quarantined", "quarantine_ended", "server_login_changed", "update_hold_created",
        "update_hold_ended", "revocation_started", "revocation_confirmed",
        "revocation_unproven", "revocation_undelivered", "revocation_abandoned",
        "site_disconnected", "site_reconnected", "disconnect_proof_forged", "report_refused",
        "alert_raised", "alert_closed",
    }
)  # fmt: skip
# Events about the agreement with the client.
AGREEMENTS = frozenset({"approval_mode_changed"})
BROKE_LATER = "change_broke_later"
STORY_EVENTS = frozenset(_STATES) | {
    ENDED,
    BROKE_LATER,
    "approval_requested",
    "incident_closed",
    "change_acknowledged",
}
# The events of a site's own history.
SITE_EVENTS = _NOTABLE | AGREEMENTS


def compute_report(
    client: str,
    period: Period,
    sites: Sequence[SiteSnapshot],
    lines: Sequence[ReportEntry],
    histories: Mapping[int, SiteHistory],
    rights: Rights,
    *,
    usual_updates: Sequence[UsualUpdates] = (),
    every: timedelta,
    now: datetime,
) -> ClientReport:
    """Compute the report over `lines`.

    `lines` are all entries about these sites and this client except those of checks and of
    `usual_updates`, oldest first and from the first one on, because an approval may be older than
    what it released. `histories` are the checks of each site in the period.
    """
    known = [line for line in lines if line.at < min(period.ends, now)]
    by_site: dict[int | None, list[ReportEntry]] = {}
    for line in known:
        by_site.setdefault(line.site_id, []).append(line)
    stories = _change_histories(known, period)
    ends = min(period.ends, now)
    sections = []
    for site in sites:
        about = by_site.get(site.id, [])
        history = histories.get(site.id, SiteHistory())
        spans = connected(about, ends)
        checks = count_checks(history, spans, period.begins, ends, every=every)
        sections.append(_site_section(site, about, period, history, checks))
    return ClientReport(
        client=client,
        period=period,
        created_at=now,
        sites=tuple(sections),
        changes=tuple(stories),
        usual_updates=tuple(usual_updates),
        agreements=tuple(
            line for line in known if line.event in AGREEMENTS and period.holds(line.at)
        ),
        risks=tuple(_risks(sections, stories, now)),
        rights=rights,
    )


def _site_section(
    site: SiteSnapshot,
    lines: Sequence[ReportEntry],
    period: Period,
    history: SiteHistory,
    checks: Checks,
) -> SiteSection:
    return SiteSection(
        site=site,
        checks=checks,
        reports=history.reports,
        first_report=history.first_report,
        last_report=history.last_report,
        notable=tuple(line for line in lines if line.event in _NOTABLE and period.holds(line.at)),
    )


def _change_histories(lines: Sequence[ReportEntry], period: Period) -> list[ChangeHistory]:
    """Return the changes with events in the period, the newest proposal first."""
    steps: dict[int, list[ReportEntry]] = {}
    for line in lines:
        number = line.facts.get("change_id")
        if isinstance(number, int):
            steps.setdefault(number, []).append(line)
    touched = [
        number
        for number, entries in steps.items()
        if any(period.holds(entry.at) for entry in entries)
    ]
    return [_change_history(number, steps[number]) for number in sorted(touched, reverse=True)]


def _change_history(number: int, steps: list[ReportEntry]) -> ChangeHistory:
    first, state, reason, ended, looked = steps[0], "checking", "", None, None
    broke = False
    for line in steps:
        if line.event == ENDED:
            state, reason, ended = str(line.facts["outcome"]), str(line.facts["reason"]), line
        elif line.event in _STATES:
            state = _STATES[line.event]
            is_end = state in ("rejected", "cancelled", "expired")
            reason = str(line.facts.get("reason", "")) if is_end else ""
            ended = line if is_end else None
        elif line.event == BROKE_LATER:
            broke = True
        elif line.event == "incident_closed":
            looked = line
    return ChangeHistory(
        change_id=number,
        site_id=first.site_id,
        name=str(first.facts.get("name", "")),
        from_version=str(first.facts.get("from_version", "")),
        to_version=str(first.facts.get("to_version", "")),
        state=state,
        reason=reason,
        steps=tuple(steps),
        ended=ended,
        looked_after=looked,
        is_open_incident=looked is None
        and (broke or (state == "failed" and reason != "never_arrived")),
    )


def _risks(
    sections: Sequence[SiteSection], stories: Sequence[ChangeHistory], now: datetime
) -> list[Risk]:
    """Return the open risks, worst first: what a person has to check before what waits."""
    found = []
    for story in stories:
        if story.is_open_incident or (story.state == "unknown" and story.looked_after is None):
            code = "incident" if story.is_open_incident else "not_known"
            facts = {"change": str(story.change_id), "name": story.name, "to": story.to_version}
            found.append(Risk(code, story.site_id, facts))
    for section in sections:
        found += _risks_of(section.site, now)
    return sorted(found, key=lambda risk: _ORDER.index(risk.code))


_ORDER = (
    "alert", "incident", "not_known", "connection", "no_report", "stale", "php_ended", "waiting",
    "barred", "php_ends", "held",
)  # fmt: skip


def _risks_of(site: SiteSnapshot, now: datetime) -> list[Risk]:
    found: list[Risk] = []
    if site.connection == FORGOTTEN:
        return found
    if site.connection != "healthy":
        facts = {"connection": site.connection, "error_code": site.error_code}
        found.append(Risk("connection", site.id, facts))
    if site.alerts:
        found.append(Risk("alert", site.id, {"count": str(site.alerts)}))
    if site.report_at is None:
        return [*found, Risk("no_report", site.id, {})]
    if now - site.report_at > STALE_AFTER:
        found.append(Risk("stale", site.id, {"at": site.report_at.isoformat()}))
    ends = php_eol.ends_on(site.php)
    if ends is not None and ends - now.date() < PLAN_AHEAD:
        code = "php_ended" if ends < now.date() else "php_ends"
        found.append(Risk(code, site.id, {"php": site.php, "ends": ends.isoformat()}))
    ready = {(update.kind, update.ident) for update in site.available_updates if not update.against}
    if ready:
        found.append(Risk("waiting", site.id, {"count": str(len(ready))}))
    held = {(hold.kind, hold.ident) for hold in site.holds}
    barred = {(update.kind, update.ident) for update in site.available_updates} - ready - held
    if barred:
        found.append(Risk("barred", site.id, {"count": str(len(barred))}))
    for hold in site.holds:
        until = hold.until.isoformat() if hold.until else ""
        facts = {"name": hold.name, "reason": hold.reason, "until": until, "by": hold.by}
        found.append(Risk("held", site.id, facts))
    return found
