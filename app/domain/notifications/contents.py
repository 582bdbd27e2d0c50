"""What a notification says: plain texts and paths, which are stored with the message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app import formats
from app.domain import attention
from app.domain.attention import CHECK, CRITICAL, SOON, WAITING, Item, Task
from app.domain.notifications.plans import Plan
from app.domain.text import one_line
from app.mail_format import describe_task
from app.models import fleet
from app.models.client_reports import SentReport
from app.models.email import CRITICAL as CRITICAL_MESSAGE
from app.models.email import NotifiedItem
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
    if item.about == "approval":
        return f"/changes/{item.id}" if is_one else "/updates/waiting"
    if item.about == "alert":
        return f"/alerts/{item.id}" if is_one else "/alerts"
    if item.about == "audit_log":
        return "/activity"
    if isinstance(item.row, SentReport):
        return f"/clients/{item.row.client_id}/reports/{item.id}" if is_one else "/clients"
    if item.about == "rule":
        return "/auto-update-rules"
    if item.about == "network":
        return "/sites"
    if item.about == "vulnerability":
        return "/vulnerabilities"
    if is_one and item.site is not None:
        tab = "/uptime" if item.about in ("uptime", "certificate") else ""
        return f"/sites/{item.site.id}{tab}"
    state = {"php": "old_php", "new": "unpaired"}.get(item.about, "attention")
    return f"/sites?state={state}"


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
    first = content["sections"][0]["entries"][0]
    count = sum(len(section["entries"]) + section["more"] for section in content["sections"])
    word = "Critical" if plan.fresh else "Resolved" if plan.resolved else "Still open"
    more = f", and {count - 1} more" if count > 1 else ""
    return f"{word}: {first['title']}{more}"


def _digest_words(plan: Plan) -> str:
    tasks = attention.tasks([*plan.fresh, *plan.still])
    urgent = sum(task.is_urgent for task in tasks)
    later = len(tasks) - urgent
    if urgent:
        return "1 thing needs you" if urgent == 1 else f"{urgent} things need you"
    return f"nothing needs you, {later} can wait" if later else "nothing needs you"


def _section(heading: str, entries: Sequence[dict[str, str]]) -> dict[str, Any]:
    return {
        "heading": heading,
        "entries": list(entries[:MAX_ENTRIES]),
        "more": max(len(entries) - MAX_ENTRIES, 0),
    }


def _entries(items: Iterable[Item], zone: ZoneInfo) -> list[dict[str, str]]:
    """Return an entry for each task: the same problem on many sites is one."""
    return [_entry(task, zone) for task in attention.tasks(items)]


def _entry(task: Task, zone: ZoneInfo) -> dict[str, str]:
    title, why = describe_task(task, zone)
    label, tone = _LABELS[task.severity]
    return {
        "label": label,
        "tone": tone,
        "title": one_line(title, MAX_TITLE_CHARS),
        "why": one_line(why, MAX_REASON_CHARS),
        "path": path_of(task),
    }


def _resolved_entries(
    rows: Sequence[NotifiedItem], zone: ZoneInfo, now: datetime
) -> list[dict[str, str]]:
    site_ids = [row.site_id for row in rows if row.site_id is not None]
    connections = fleet.connections_of(site_ids) if site_ids else {}
    # No more is said than what is known: a site that was unreachable may have been removed.
    back = [row for row in rows if _is_connected(row, connections)]
    if len(back) < attention.MERGED_FROM:
        return [_resolved_entry(row, connections, zone, now) for row in rows]
    names = [connections[row.site_id or 0][0] for row in back]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    together = _resolved(
        f"{len(names)} sites are connected again", f"{', '.join(names[:_NAMED])}{more}.", "/sites"
    )
    others = [row for row in rows if row not in back]
    return [together, *(_resolved_entry(row, connections, zone, now) for row in others)]


def _is_connected(row: NotifiedItem, connections: dict[int, tuple[str, str]]) -> bool:
    """Whether this was about a connection that works again."""
    is_connection = row.key.startswith("connection:")
    return is_connection and connections.get(row.site_id or 0, ("", ""))[1] == _HEALTHY


def _resolved_entry(
    row: NotifiedItem, connections: dict[int, tuple[str, str]], zone: ZoneInfo, now: datetime
) -> dict[str, str]:
    name, _ = connections.get(row.site_id or 0, ("", ""))
    title, ended_at = f"No longer open: {row.title}", row.gone_at or now
    path = f"/sites/{row.site_id}" if name else "/"
    if _is_connected(row, connections):
        title = f"{name} is connected again"
    if row.key.startswith("vulnerability:"):
        title, path = f"No site has it any more: {row.title}", "/vulnerabilities"
    began_at = row.seen_at
    is_about_outage = row.key.startswith("uptime:") and row.severity == CRITICAL
    outage = Outage.last_recovered(row.site_id or 0, row.seen_at) if is_about_outage else None
    if outage is not None:
        title = f"{name} is up again after {formats.duration(outage.counted_s)}"
        began_at, ended_at = outage.began_at, outage.ended_at or ended_at
    span = f"{_clock(began_at, zone)} to {_clock(ended_at, zone)}"
    return _resolved(title, f"{row.title}: {span}.", path)


def _resolved(title: str, why: str, path: str) -> dict[str, str]:
    label, tone = _RESOLVED_LABEL
    return {
        "label": label,
        "tone": tone,
        "title": one_line(title, MAX_TITLE_CHARS),
        "why": one_line(why, MAX_REASON_CHARS),
        "path": path,
    }


def _clock(at: datetime, zone: ZoneInfo) -> str:
    at = at.astimezone(zone)
    return f"{at.day} {at:%b, %H:%M %Z}"
