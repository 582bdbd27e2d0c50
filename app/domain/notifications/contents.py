"""What a notification says: plain texts and paths, which are stored with the message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from app import formats
from app.domain import attention
from app.domain.attention import CHECK, CRITICAL, SOON, WAITING, Item, Task
from app.domain.changes.warned_releases import WarnedRelease
from app.domain.notifications.plans import Plan
from app.domain.text import one_line
from app.mail_format import describe_task
from app.models import fleet
from app.models.client_reports import SentReport
from app.models.email import CRITICAL as CRITICAL_MESSAGE
from app.models.provenance import OpenChange, ProvenanceChange
from app.models.rollouts import Rollout
from app.models.told_items import ToldItem
from app.models.uptime import Outage

MAX_TITLE_CHARS = 200
MAX_REASON_CHARS = 400
# More would not be read. The overview has them all.
MAX_ENTRIES = 15
# The headings of the sections.
NEEDS_YOU, NEW, RESOLVED, STILL_OPEN = "Needs you now", "New", "Resolved", "Still open"
_LABELS = {
    CRITICAL: ("Critical", "critical"),
    CHECK: ("Check", "warn"),
    WAITING: ("Waiting", "wait"),
    SOON: ("Soon", "quiet"),
}
_RESOLVED_LABEL = (RESOLVED, "good")
_HEALTHY = "healthy"
# How items end, as the words after "is" and "are".
_UP, _CONNECTED = "up again", "connected again"
_MANY_ENDED = (_UP, _CONNECTED)
# Programs match what began with what ended by these. No fleet needs more.
_MAX_KEYS = 1000
_SOURCES = "/plugins/sources"
# The filter of the list of sites for several of a kind.
_SITES = {"files": "changed_files", "new": "unpaired", "php": "old_php"}
# Where the only page about an item is, by what it is about.
_PATHS = {
    "audit_log": "/activity",
    "feed": "/settings/vulnerabilities",
    "network": "/sites",
    "old_feed": "/settings/vulnerabilities",
    "rule": "/auto-update-rules",
    "vulnerability": "/vulnerabilities",
}
# As many sites are named as the overview names.
_NAMED = 3


def title_of(item: Item, zone: ZoneInfo) -> str:
    """Return the title of one item, as it is stored."""
    return one_line(describe_task(Task((item,)), zone)[0], MAX_TITLE_CHARS)


def path_of(task: Task) -> str:
    """Return the path of the page where the task is done. Each needs a signed-in person."""
    item, is_one = task.first, len(task.items) == 1
    if item.about == "change":
        return f"/changes/{item.id}" if is_one else "/updates/done#to-check"
    if item.about == "pages":
        return f"/changes/{item.id}#pages" if is_one else "/updates/done#pages"
    if item.about == "approval":
        return f"/changes/{item.id}" if is_one else "/updates/waiting"
    if item.about == "alert":
        return f"/alerts/{item.id}" if is_one else "/alerts"
    if isinstance(item.row, WarnedRelease):
        return item.row.path if is_one else "/updates/waiting"
    if item.about in _PATHS:
        return _PATHS[item.about]
    if isinstance(item.row, SentReport):
        return f"/clients/{item.row.client_id}/reports/{item.id}" if is_one else "/clients"
    if isinstance(item.row, Rollout):
        return f"/updates/{item.row.batch}" if is_one else "/updates/running"
    if item.about == "webhook":
        return f"/settings/webhooks/{item.id}" if is_one else "/settings/webhooks"
    if isinstance(item.row, OpenChange):
        return _path_of_source(item.row.change) if is_one else _SOURCES
    if is_one and item.site is not None:
        tab = "/uptime" if item.about in ("uptime", "certificate", "domain") else ""
        tab = "/health" if item.about == "files" else tab
        return f"/sites/{item.site.id}{tab}"
    return f"/sites?state={_SITES.get(item.about, 'attention')}"


def _path_of_source(change: ProvenanceChange) -> str:
    return f"/plugins/{change.kind}?{urlencode({'ident': change.ident})}"


def content_of(plan: Plan, zone: ZoneInfo, now: datetime) -> dict[str, Any]:
    """Return the sections of a message; each entry is ready to be shown in any format."""
    is_critical = plan.kind == CRITICAL_MESSAGE
    sections = [
        _section(NEEDS_YOU if is_critical else NEW, _entries(plan.fresh, zone)),
        _section(RESOLVED, _resolved_entries(plan.resolved, zone, now)),
        _section(STILL_OPEN, _entries(plan.still, zone)),
    ]
    return {"sections": [section for section in sections if section["entries"]]}


def subject_of(plan: Plan, content: dict[str, Any], digest: str) -> str:
    """Return the subject: the first thing that is new, or how many need the person."""
    if plan.kind != CRITICAL_MESSAGE:
        return f"{digest.capitalize()} digest: {_digest_words(plan)}"
    return subject_of_sections(content["sections"])


def subject_of_sections(sections: Sequence[dict[str, Any]]) -> str:
    """Return the first entry with the word of its section, and how many there are besides."""
    first = sections[0]["entries"][0]
    count = sum(len(section["entries"]) + section["more"] for section in sections)
    heading = sections[0]["heading"]
    word = first["label"] if heading == NEEDS_YOU else heading
    more = f", and {count - 1} more" if count > 1 else ""
    return f"{word}: {first['title']}{more}"


def _digest_words(plan: Plan) -> str:
    tasks = attention.tasks([*plan.fresh, *plan.still])
    urgent = sum(task.is_urgent for task in tasks)
    later = len(tasks) - urgent
    if urgent:
        return "1 thing needs you" if urgent == 1 else f"{urgent} things need you"
    return f"nothing needs you, {later} can wait" if later else "nothing needs you"


def _section(heading: str, entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "heading": heading,
        "entries": list(entries[:MAX_ENTRIES]),
        "more": max(len(entries) - MAX_ENTRIES, 0),
    }


def _entries(items: Iterable[Item], zone: ZoneInfo) -> list[dict[str, Any]]:
    """Return an entry for each task: the same problem on many sites is one."""
    return [_entry(task, zone) for task in attention.tasks(items)]


def _entry(task: Task, zone: ZoneInfo) -> dict[str, Any]:
    title, why = describe_task(task, zone)
    label, tone = _LABELS[task.severity]
    return {
        "keys": [item.key for item in task.items[:_MAX_KEYS]],
        "severity": task.severity,
        "label": label,
        "tone": tone,
        "title": one_line(title, MAX_TITLE_CHARS),
        "why": one_line(why, MAX_REASON_CHARS),
        "path": path_of(task),
    }


def _resolved_entries(
    rows: Sequence[ToldItem], zone: ZoneInfo, now: datetime
) -> list[dict[str, Any]]:
    """Return an entry for each item that is over, or one for all that ended in the same way."""
    site_ids = [row.site_id for row in rows if row.site_id is not None]
    connections = fleet.connections_of(site_ids) if site_ids else {}
    ends = [_end_of(row, connections, now) for row in rows]
    found = []
    for words in _MANY_ENDED:
        alike = [end for end in ends if end.words == words]
        if len(alike) >= attention.MERGED_FROM:
            found.append(_together(words, alike, zone))
            ends = [end for end in ends if end.words != words]
    return [*found, *(_resolved_entry(end, zone) for end in ends)]


@dataclass(frozen=True)
class _End:
    """How an item ended. `words` is empty if no more is known than that it is over."""

    row: ToldItem
    site: str
    words: str
    began_at: datetime
    ended_at: datetime
    length: str = ""


def _end_of(row: ToldItem, connections: dict[int, tuple[str, str]], now: datetime) -> _End:
    """Say no more than what is known: a site that was unreachable may have been removed."""
    site, connection = connections.get(row.site_id or 0, ("", ""))
    ended_at = row.gone_at or now
    is_about_outage = row.key.startswith("uptime:") and row.severity == CRITICAL
    outage = Outage.last_recovered(row.site_id or 0, row.seen_at) if is_about_outage else None
    if outage is not None:
        length = f" after {formats.duration(outage.counted_s)}"
        return _End(row, site, _UP, outage.began_at, outage.ended_at or ended_at, length)
    is_connected = row.key.startswith("connection:") and connection == _HEALTHY
    return _End(row, site, _CONNECTED if is_connected else "", row.seen_at, ended_at)


def _together(words: str, ends: Sequence[_End], zone: ZoneInfo) -> dict[str, Any]:
    names = [end.site for end in ends]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    began_at, ended_at = min(end.began_at for end in ends), max(end.ended_at for end in ends)
    why = f"{', '.join(names[:_NAMED])}{more}. {_span(began_at, ended_at, zone)}."
    return _resolved(f"{len(names)} sites are {words}", why, "/sites", ends)


def _resolved_entry(end: _End, zone: ZoneInfo) -> dict[str, Any]:
    row = end.row
    title, path = f"No longer open: {row.title}", f"/sites/{row.site_id}" if end.site else "/"
    if end.words:
        title = f"{end.site} is {end.words}{end.length}"
    if row.key.startswith("vulnerability:"):
        title, path = f"No site has it any more: {row.title}", "/vulnerabilities"
    if row.key.startswith("provenance:"):
        path = _SOURCES
    why = f"{row.title}: {_span(end.began_at, end.ended_at, zone)}."
    return _resolved(title, why, path, [end])


def _resolved(title: str, why: str, path: str, ends: Sequence[_End]) -> dict[str, Any]:
    label, tone = _RESOLVED_LABEL
    severities = [end.row.severity for end in ends]
    return {
        "keys": [end.row.key for end in ends[:_MAX_KEYS]],
        "severity": min(severities, key=attention.SEVERITIES.index),
        "label": label,
        "tone": tone,
        "title": one_line(title, MAX_TITLE_CHARS),
        "why": one_line(why, MAX_REASON_CHARS),
        "path": path,
    }


def _span(began_at: datetime, ended_at: datetime, zone: ZoneInfo) -> str:
    return f"{_clock(began_at, zone)} to {_clock(ended_at, zone)}"


def _clock(at: datetime, zone: ZoneInfo) -> str:
    at = at.astimezone(zone)
    return f"{at.day} {at:%b, %H:%M %Z}"
