"""Translate a site's signed answer into the outcome of a change. Pure functions.

Nothing is rounded: a claim without supporting evidence is unknown.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain.changes.change_plan import PlannedUpdate
from app.http.errors import CallError, Trait
from app.models.changes import (
    FAILED,
    NEVER_ARRIVED,
    OUTCOMES,
    REFUSED,
    ROLLED_BACK,
    SUCCEEDED,
    UNKNOWN,
    WAITING,
)
from app.protocol import canonical

# Results of a probe, from best to worst.
OK = "ok"
COULD_NOT_TELL = "could_not_tell"
FATAL = "fatal"
PROBES = (OK, COULD_NOT_TELL, FATAL)

# The states of the component in the evidence; `during`, with the new version, is there only where
# that was rolled back, and older SiteAgents do not send it.
PLACES = ("before", "during", "after")

# Aura's own reasons, in addition to those of the protocol.
NO_EVIDENCE = "no_evidence"
PACKAGE_CHANGED = "package_changed"
STILL_WATCHED = "still_watched"
BROKE_OUTSIDE = "broke_outside"
BROKE_LATER = "broke_later"
UNPROVEN = "unproven"
# A page that must still work is broken; also the site's reason when it has reverted the update.
PAGE_BROKEN = "page_broken"
# The job had no time left to look at the pages.
PAGES_LATER = "pages_later"
CONNECTION_ENDED = "connection_ended"

MAX_MESSAGES = 20
_MAX_CHARS = 300
_WORD = re.compile(r"[a-z0-9_]{1,40}")
_UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Signed refusals that the site makes before it looks at the plan at all.
_NOTHING_DONE = frozenset(
    {
        "unknown_operation",
        "invalid_arguments",
        "not_permitted",
        "wrong_site",
        "identity_changed",
        "clock_skew",
        "audit_log_forked",
        "expired",
        "nonce_store_unavailable",
    }
)
_ABOUT_TIME = frozenset({"outside_window", "clock_skew", "expired"})
# What the site's owner set since the last sync. The same plan may be sent again.
OWNER_WAITS = frozenset({"paused_by_owner", "outside_owner_window"})
_OWNER_RULES = frozenset(
    {"excluded_by_owner", "not_a_patch_release", "release_unclear", "release_too_new"}
)
_SAYS_WAITING = "waiting"
# A refusal that says nothing about the plan: the same one may be sent again.
BUSY = "busy"


@dataclass(frozen=True)
class Outcome:
    """The state a change goes to, the reason, and the evidence."""

    state: str
    reason: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)


def digest_of(evidence: dict[str, Any]) -> str:
    """Return the digest of all evidence, to compare the stored evidence with the audit log."""
    return hashlib.sha256(canonical(evidence)).hexdigest()


def main_facts(evidence: dict[str, Any]) -> dict[str, str | int | bool]:
    """Return the parts of the evidence for the audit log: the states and the package."""
    facts: dict[str, str | int | bool] = {}
    for place in PLACES:
        for name, value in evidence.get(place, {}).items():
            if name != "error":
                facts[f"{place}_{name}"] = value
    kept = ("package_sha256", "tree_sha256", "package_host", "took_ms", "kept_copy")
    return facts | {name: evidence[name] for name in kept if name in evidence}


def from_answer(document: dict[str, Any], item: PlannedUpdate, site_time: datetime) -> Outcome:
    """Return the outcome in the answer to `change.run`, or in `change.status`.

    `site_time` is the present time by the site's clock, by which it ends its own checks.
    """
    outcome, reason = document.get("outcome"), code_or_empty(document.get("reason"))
    evidence = _evidence(document.get("evidence"))
    if outcome == _SAYS_WAITING or (outcome == REFUSED and reason in {BUSY, *OWNER_WAITS}):
        return Outcome(WAITING, reason, evidence)
    if outcome == SUCCEEDED and evidence.get("watched_until", 0) > site_time.timestamp():
        # The site could not check itself, and may still roll back.
        return Outcome(UNKNOWN, STILL_WATCHED, evidence)
    if outcome not in OUTCOMES:
        return Outcome(UNKNOWN, NO_EVIDENCE, evidence)
    result = Outcome(str(outcome), reason, evidence)
    if not _is_supported(result, item):
        return Outcome(UNKNOWN, NO_EVIDENCE, evidence)
    return Outcome(SUCCEEDED, UNPROVEN, evidence) if _is_unproven(result) else result


def from_error(error: CallError) -> Outcome | None:
    """Return the outcome of an error which proves that nothing was done, else None.

    Proofs are a connection that was never made, and a signed refusal of the request.
    """
    if Trait.NOTHING_SENT in error.error_code.traits:
        return Outcome(FAILED, NEVER_ARRIVED)
    code = str(error.evidence.get("code", "")) or str(error.error_code)
    is_signed = Trait.SIGNED in error.error_code.traits
    # About the op_id, a site complains also while it is doing the very same plan.
    if not is_signed or code not in _NOTHING_DONE or error.evidence.get("argument") == "op_id":
        return None
    return Outcome(REFUSED, code)


def is_about_time(outcome: Outcome) -> bool:
    """Whether the site refused because of its clock alone; it touched nothing."""
    return outcome.state == REFUSED and outcome.reason in _ABOUT_TIME


def is_owners_decision(outcome: Outcome) -> bool:
    """Whether the site's owner has limited updates in a way that Aura did not know yet."""
    return outcome.reason in OWNER_WAITS | _OWNER_RULES


def seen_from_outside(outcome: Outcome, before: dict[str, Any], after: dict[str, Any]) -> Outcome:
    """Adjust the outcome to what visitors of the public website see."""
    broke = after.get("answer") == FATAL and before.get("answer") != FATAL
    if outcome.state == SUCCEEDED and broke:
        return Outcome(FAILED, BROKE_OUTSIDE, outcome.evidence)
    # Where old code may still answer, a page that Aura got shows nothing either.
    shows = after.get("answer") == OK and not outcome.evidence.get("stale_code")
    if outcome.reason == UNPROVEN and shows:
        return Outcome(outcome.state, "", outcome.evidence)
    return outcome


def code_or_empty(value: object) -> str:
    """Return a code in the protocol's spelling; an empty text for anything else."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""


def _is_supported(outcome: Outcome, item: PlannedUpdate) -> bool:
    before, after = outcome.evidence.get("before", {}), outcome.evidence.get("after", {})
    if outcome.state == SUCCEEDED:
        stayed = after.get("active") == before.get("active")
        # A page that was broken before proves nothing; the site then reports no result.
        is_new = after.get("version") == item.to_version
        is_approved = _is_approved_package(outcome.evidence, item)
        return bool(is_new and is_approved and stayed and after.get("probe") != FATAL)
    if outcome.state == ROLLED_BACK:
        return bool(after.get("version") == item.from_version and outcome.reason)
    return bool(outcome.reason)


def _is_approved_package(evidence: dict[str, Any], item: PlannedUpdate) -> bool:
    """Whether the site reports the very package and files that the plan names, if it names any."""
    pinned = {"package_sha256": item.package_sha256, "tree_sha256": item.tree_sha256}
    return all(evidence.get(name) == value for name, value in pinned.items() if value)


def _is_unproven(outcome: Outcome) -> bool:
    """Whether the new version was installed but never seen working."""
    after = outcome.evidence.get("after", {})
    return (
        outcome.state == SUCCEEDED
        and after.get("active") is True
        and after.get("probe") == COULD_NOT_TELL
    )


def _evidence(sent: object) -> dict[str, Any]:
    """Return the fields that the protocol names, each with its type, and drop the rest."""
    if not isinstance(sent, dict):
        return {}
    kept: dict[str, Any] = {}
    for place in PLACES:
        if isinstance(sent.get(place), dict):
            kept[place] = _state_of_component(sent[place])
    for name in ("package_sha256", "tree_sha256", "package_host"):
        if isinstance(sent.get(name), str):
            kept[name] = _text(sent[name])
    typed = {"took_ms": int, "watched_until": int, "kept_copy": bool, "stale_code": bool}
    for name, kind in typed.items():
        if type(sent.get(name)) is kind:
            kept[name] = sent[name]
    messages = sent.get("messages")
    if isinstance(messages, list):
        texts = [_text(message) for message in messages if isinstance(message, str)]
        kept["messages"] = texts[:MAX_MESSAGES]
    return kept


def _state_of_component(sent: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if isinstance(sent.get("version"), str):
        kept["version"] = _text(sent["version"])
    if type(sent.get("active")) is bool:
        kept["active"] = sent["active"]
    if sent.get("probe") in PROBES:
        kept["probe"] = sent["probe"]
    if isinstance(sent.get("error"), str) and _text(sent["error"]):
        kept["error"] = _text(sent["error"])
    return kept


def _text(text: str) -> str:
    return _UNREADABLE.sub(" ", text)[:_MAX_CHARS].strip()
