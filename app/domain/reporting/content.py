"""What a client reads in a report: plain values for any language, made from a ClientReport."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from app.domain.reporting.client_report import (
    FORGOTTEN,
    ChangeHistory,
    ClientReport,
    Risk,
    SiteSection,
)
from app.models.audit import AuditEntry
from app.models.uptime import DEGRADED, DOWN, MAINTENANCE, UNKNOWN, UP
from app.protocol import canonical

# As much as a client reads at a glance. The details have the rest.
_MOST_DONE = 6
_MOST_LISTED = 10
_MOST_OUTAGES = 20
# What the agency works on, and what the client may decide about.
_WORKING = ("alert", "incident", "not_known", "connection", "no_report", "stale")
# The state of a day for several sites together: the first of these that any of them has.
_WORST_FIRST = (DOWN, UNKNOWN, "", DEGRADED, MAINTENANCE, UP)
_UNCERTAIN = (UNKNOWN, "")


def make_content(
    report: ClientReport, head: AuditEntry | None, agency: str, uptime_zone: str
) -> dict[str, Any]:
    """Return the content. `head` is the newest entry of the audit log.

    `uptime_zone` is the zone of the days of uptime, which is the agency's.
    """
    names = {section.site.id: section.site.name for section in report.sites}
    done = _done(report, names)
    return {
        "client": report.client,
        "agency": agency,
        "zone": report.period.zone.key,
        "uptime_zone": uptime_zone,
        "first_day": report.period.first_day.isoformat(),
        "last_day": report.period.last_day.isoformat(),
        "created_at": report.created_at.isoformat(),
        "sites": sum(section.site.connection != FORGOTTEN for section in report.sites),
        "uptime": _uptime(report.sites),
        "updates": report.outcomes.get("succeeded", 0),
        "done": done[:_MOST_DONE],
        "more_done": sum(one["count"] for one in done[_MOST_DONE:]),
        "restored": [
            _named(change, names) for change in report.changes if change.state == "rolled_back"
        ][:_MOST_LISTED],
        "looked_after": [_named(change, names) for change in report.changes if change.looked_after][
            :_MOST_LISTED
        ],
        "checks": {"made": report.made, "answered": report.answered},
        "working": _risks(report.risks, names, is_working=True),
        "recommended": _risks(report.risks, names, is_working=False),
        "details": [_details(section, report) for section in report.sites],
        "usual": [
            {
                "name": str(one.last.facts.get("name", "")),
                "version": str(one.last.facts.get("to_version", "")),
                "count": one.count,
                "sites": one.sites,
            }
            for one in report.usual_updates
        ],
        "digest": report.digest,
        "head": {"seq": head.seq, "hash": head.hash} if head else None,
    }


def digest_of(content: dict[str, Any]) -> str:
    """Return the SHA-256 of the content in canonical JSON."""
    return hashlib.sha256(canonical(content)).hexdigest()


def _uptime(sections: Sequence[SiteSection]) -> dict[str, Any]:
    """Return how visitors found all sites together.

    `hundredths` of a percent are rounded down, and None if no front page was checked. Days on which
    any checked site was not watched all the time are `uncertain_days`.
    """
    watched = [one.site.uptime for one in sections if one.site.uptime is not None]
    good_s = sum(one.good_s for one in watched)
    down_s = sum(one.down_s for one in watched)
    states = [
        min(states, key=_WORST_FIRST.index)
        for states in zip(*(one.states for one in watched), strict=True)
    ]
    uncertain = zip(*(one.states for one in watched), strict=True)
    unwatched = sum(
        one.site.uptime is None and one.site.connection != FORGOTTEN for one in sections
    )
    return {
        "hundredths": 10_000 * good_s // (good_s + down_s) if good_s + down_s else None,
        "down_s": down_s,
        "outages": sum(len(one.outages) for one in watched),
        "uncertain_days": sum(any(state in _UNCERTAIN for state in day) for day in uncertain),
        "unwatched_sites": unwatched if watched else 0,
        "states": states,
    }


def _done(report: ClientReport, names: dict[int, str]) -> list[dict[str, Any]]:
    """Return the updates that succeeded by component, those on most sites first."""
    found: dict[str, dict[str, Any]] = {}
    for usual in report.usual_updates:
        name = str(usual.last.facts.get("name", ""))
        version = str(usual.last.facts.get("to_version", ""))
        found[name] = {"name": name, "version": version, "count": usual.count, "sites": usual.sites}
    sites: dict[str, set[int | None]] = {}
    for change in reversed(report.changes):
        if change.state != "succeeded" or not _is_of_period(change, report):
            continue
        known = found.setdefault(change.name, {"name": change.name, "count": 0, "sites": 0})
        known["version"] = change.to_version
        known["count"] += 1
        sites.setdefault(change.name, set()).add(change.site_id)
    for name, ids in sites.items():
        found[name]["sites"] = max(found[name]["sites"], len(ids & names.keys()) or 1)
    return sorted(found.values(), key=lambda one: (-one["sites"], -one["count"], one["name"]))


def _is_of_period(change: ChangeHistory, report: ClientReport) -> bool:
    return change.ended is not None and report.period.holds(change.ended.at)


def _named(change: ChangeHistory, names: dict[int, str]) -> dict[str, str]:
    site = names.get(change.site_id or 0, "")
    return {"name": change.name, "version": change.to_version, "site": site}


def _risks(
    risks: Iterable[Risk], names: dict[int, str], *, is_working: bool
) -> list[dict[str, Any]]:
    """Return open items with their facts, without the agency's internal ones."""
    kept = ("name", "to", "php", "ends", "at", "count")
    return [
        {
            "code": risk.code,
            "site": names.get(risk.site_id or 0, ""),
            **{name: risk.facts[name] for name in kept if name in risk.facts},
        }
        for risk in risks
        if (risk.code in _WORKING) == is_working
    ][:_MOST_LISTED]


def _details(section: SiteSection, report: ClientReport) -> dict[str, Any]:
    site, checks = section.site, section.checks
    changes = [change for change in report.changes if change.site_id == site.id]
    uptime = site.uptime
    return {
        "name": site.name,
        "url": site.url,
        "is_removed": site.connection == FORGOTTEN,
        "wordpress": site.wordpress,
        "php": site.php,
        "components": site.components,
        "uptime": uptime.days.hundredths if uptime else None,
        "states": list(uptime.states) if uptime else [],
        "outages": [
            {
                "at": outage.began_at.isoformat(),
                "seconds": outage.counted_s,
                "is_over": outage.ended_at is not None,
            }
            for outage in (uptime.outages if uptime else ())[:_MOST_OUTAGES]
        ],
        "more_outages": max(len(uptime.outages) - _MOST_OUTAGES, 0) if uptime else 0,
        "updates": [_update(change) for change in reversed(changes)],
        "checks": {
            "made": checks.made,
            "answered": checks.answered,
            "not_made": checks.not_made,
        },
        "gaps": [{"from": gap.begins.isoformat(), "to": gap.ends.isoformat(), "why": gap.why}
                 for gap in checks.gaps][:_MOST_LISTED],
    }  # fmt: skip


def _update(change: ChangeHistory) -> dict[str, Any]:
    at = (change.ended or change.steps[-1]).at
    return {
        "at": at.isoformat(),
        "name": change.name,
        "from": change.from_version,
        "to": change.to_version,
        "state": change.state,
    }
