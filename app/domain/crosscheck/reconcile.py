"""Find contradictions between a site's log and Aura's audit log. Pure functions.

Only what has no innocent explanation is a finding: entries that are too new, calls without an
answer and trimmed entries are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.domain import alerts
from app.domain.changes import outcomes
from app.models.call_log import SiteCall
from app.models.changes import FAILED, NEVER_ARRIVED

# The other side's entry of the same event may not have arrived yet.
GRACE_PERIOD = timedelta(minutes=10)
# Rotation confirmation is retried for 7 days (rotation.py); pairing for 30 minutes.
ROTATION_GRACE_PERIOD = timedelta(days=7)
PAIRING_GRACE_PERIOD = timedelta(hours=1)
# An answer names the newest entry of its time; its own entry is shortly before that.
HEAD_TOLERANCE = 50
CLOCKS_DIFFER = timedelta(minutes=10)

_FINAL = frozenset({"succeeded", "failed", "rolled_back", "refused"})
_TOUCHED = frozenset({"succeeded", "failed", "rolled_back"})


@dataclass(frozen=True)
class LogRecord:
    """An entry of either log; `at` of the site's entries is converted to Aura's clock."""

    seq: int
    at: datetime
    event: str
    facts: dict[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return a fact as text; '' if it is missing or of another type, since a site wrote it."""
        value = self.facts.get(name)
        return value if isinstance(value, str) else ""


@dataclass(frozen=True)
class Finding:
    """A contradiction: its kind, a key to recognize it, and the evidence of each side."""

    kind: str
    key: str
    evidence: dict[str, Any]


@dataclass(frozen=True)
class LogPair:
    """What is compared: the site's log with Aura's audit log and call log.

    `calls` are those with a signed answer. `nonces` are those of the site's entries that Aura used.
    Calls before `calls_since` are no longer known; None if all are.
    """

    site: Sequence[LogRecord]
    aura: Sequence[LogRecord]
    calls: Sequence[SiteCall]
    nonces: frozenset[str]
    calls_since: datetime | None = None


def compare_logs(sides: LogPair, *, now: datetime) -> list[Finding]:
    """Return all contradictions between the two logs, in the order of the site's log."""
    return [
        *_calls_unknown(sides),
        *_calls_missing(sides),
        *_changes(sides, now),
        *_changes_missing(sides, now),
        *_keys(sides, now),
        *_pairings(sides, now),
    ]


def of(entries: Iterable[LogRecord], *events: str) -> list[LogRecord]:
    """Return the entries of these events."""
    return [entry for entry in entries if entry.event in events]


# ---- calls ----


def _calls_unknown(sides: LogPair) -> Iterable[Finding]:
    """Find calls with the keys of the connection that Aura did not make."""
    for entry in of(sides.site, "answered", "refused"):
        nonce = entry.text("nonce")
        is_forgotten = sides.calls_since is not None and entry.at < sides.calls_since
        if nonce and nonce not in sides.nonces and not is_forgotten:
            yield Finding(alerts.CALL_UNKNOWN, nonce, _evidence(entry, None))


def _calls_missing(sides: LogPair) -> Iterable[Finding]:
    """Find calls with a signed answer that are missing in the site's log."""
    there = {entry.text("nonce") for entry in of(sides.site, "answered")}
    reach = _reach(sides.site)
    for call in sides.calls:
        if call.head_n > 0 and call.nonce not in there and _is_covered(call.head_n, reach):
            facts = {"op": call.op, "outcome": call.outcome, "nonce": call.nonce}
            about = {"call": str(call.id), "at": call.at.isoformat(), **facts}
            aura = {**about, "head_n": str(call.head_n)}
            yield Finding(alerts.CALL_MISSING, call.nonce, {"site": {}, "aura": aura})


def _reach(entries: Sequence[LogRecord]) -> list[tuple[int, int, bool]]:
    """Return the stretches of the site's log without a gap, as (first, last, is_start).

    `is_start` is True if the connection begins with the first entry.
    """
    stretches: list[tuple[int, int, bool]] = []
    for entry in entries:
        if stretches and stretches[-1][1] + 1 == entry.seq:
            first, _, begins = stretches[-1]
            stretches[-1] = (first, entry.seq, begins)
        else:
            stretches.append((entry.seq, entry.seq, entry.event == "connected"))
    return stretches


def _is_covered(head: int, reach: list[tuple[int, int, bool]]) -> bool:
    """Whether everything shortly before entry `head` is known."""
    return any(
        first <= head <= last and (begins or first <= max(1, head - HEAD_TOLERANCE))
        for first, last, begins in reach
    )


# ---- changes ----


def _changes(sides: LogPair, now: datetime) -> Iterable[Finding]:
    """Find changes that the site executed and Aura never sent, or that ended differently."""
    sent = {record.text("op_id") for record in of(sides.aura, "change_started", "change_ended")}
    ended = {record.text("op_id"): record for record in of(sides.aura, "change_ended")}
    for op_id, entry in _last_words(sides.site).items():
        if now - entry.at < GRACE_PERIOD:
            continue
        if op_id not in sent:
            yield Finding(alerts.CHANGE_UNKNOWN, op_id, _evidence(entry, None))
            continue
        end = ended.get(op_id)
        if (
            end is None
            or now - end.at < GRACE_PERIOD
            or end.facts["how"] not in ("answer", "status")
        ):
            continue
        # A success after which Aura, but not the site, found the website broken.
        is_ours = end.facts["reason"] in (outcomes.BROKE_OUTSIDE, outcomes.PAGE_BROKEN)
        is_ours &= end.facts["outcome"] == FAILED
        if end.facts["outcome"] != entry.facts["outcome"] and not is_ours:
            key = f"{op_id}:{entry.facts['outcome']}"
            yield Finding(alerts.CHANGE_DIFFERS, key, _evidence(entry, end))


def _last_words(entries: Sequence[LogRecord]) -> dict[str, LogRecord]:
    """Return the last final outcome in the site's log, by op_id."""
    words: dict[str, LogRecord] = {}
    for entry in of(entries, "update_answered", "update_settled"):
        is_final = entry.text("outcome") in _FINAL and entry.text("reason") != outcomes.BUSY
        if entry.text("op_id") and is_final:
            words[entry.text("op_id")] = entry
    return words


def _changes_missing(sides: LogPair, now: datetime) -> Iterable[Finding]:
    """Find changes with a known result that are missing in the site's log."""
    there = {record.text("op_id") for record in of(sides.site, "update_answered", "update_settled")}
    for end in of(sides.aura, "change_ended"):
        op_id, outcome = end.text("op_id"), end.text("outcome")
        is_reported = op_id and end.facts["how"] in ("answer", "status") and outcome in _TOUCHED
        never = end.facts.get("reason") == NEVER_ARRIVED
        if not is_reported or never or op_id in there or now - end.at < GRACE_PERIOD:
            continue
        began = [
            record.at
            for record in of(sides.aura, "change_started")
            if record.facts.get("op_id") == op_id
        ]
        if began and _spans(sides.site, min(began) - CLOCKS_DIFFER, end.at + CLOCKS_DIFFER):
            yield Finding(alerts.CHANGE_MISSING, op_id, _evidence(None, end))


def _spans(entries: Sequence[LogRecord], since: datetime, until: datetime) -> bool:
    """Whether one gapless stretch covers the whole time."""
    at = {entry.seq: entry.at for entry in entries}
    return any(at[first] <= since and at[last] >= until for first, last, _ in _reach(entries))


# ---- keys and pairings ----


def _keys(sides: LogPair, now: datetime) -> Iterable[Finding]:
    """Find key rotations that Aura never agreed on."""
    ours = {str(record.facts["generation"]) for record in of(sides.aura, "keys_rotated")}
    for entry in of(sides.site, "keys_rotated"):
        generation = str(entry.facts.get("generation", ""))
        under_way = any(
            timedelta(0) <= entry.at + CLOCKS_DIFFER - rotation.at < ROTATION_GRACE_PERIOD
            for rotation in of(sides.aura, "key_rotation_requested")
        )
        if generation not in ours and not under_way and now - entry.at >= GRACE_PERIOD:
            key = f"{generation}:{entry.seq}"
            yield Finding(alerts.KEYS_UNKNOWN, key, _evidence(entry, None))


def _pairings(sides: LogPair, now: datetime) -> Iterable[Finding]:
    """Find connections under a fingerprint that Aura never saw."""
    ours = {record.facts.get("fingerprint") for record in of(sides.aura, "pairing_completed")}
    for entry in of(sides.site, "connected"):
        fingerprint = entry.text("fingerprint")
        if fingerprint not in ours and now - entry.at >= PAIRING_GRACE_PERIOD:
            yield Finding(
                alerts.PAIRING_UNKNOWN, f"{fingerprint}:{entry.seq}", _evidence(entry, None)
            )


# ---- evidence ----

_SHOWN = (
    *("op", "operation", "outcome", "reason", "by", "nonce", "kind", "id", "from", "to"),
    *("name", "to_version", "op_id", "generation", "fingerprint", "head_n"),
)


def _evidence(site: LogRecord | None, aura: LogRecord | None) -> dict[str, Any]:
    """Return the evidence of each side in short plain values; empty if there is none."""
    return {"site": _facts(site), "aura": _facts(aura)}


def _facts(record: LogRecord | None) -> dict[str, Any]:
    if record is None:
        return {}
    facts = {name: record.facts[name] for name in _SHOWN if name in record.facts}
    short = {name: str(value)[:200] for name, value in facts.items() if value is not None}
    return {"entry": record.seq, "at": record.at.isoformat(), "event": record.event, **short}
