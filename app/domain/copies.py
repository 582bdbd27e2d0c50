"""Whether it still is the same site: the head of its log, and its address.

docs/PROTOCOL.md 5.1 and 5.2. A quarantined site is still read. What a person decides is
carried out by rotation.py (new keys, at the known or the new address) or by revoking.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain import audit
from app.domain.actor import Actor
from app.domain.events import QuarantineEnded, SiteQuarantined
from app.models.sites import FORKED, MAY_CALL, MOVED, Site
from app.siteclient import Reply

_HASH = re.compile(r"[0-9a-f]{64}")
# How the present address became known: the site refused a call, or its administrator asked.
BY_ANSWER = "answer"
BY_NOTICE = "notice"


@dataclass(frozen=True)
class Judgement:
    """What an answer says of the site's log: columns to keep, or why it is another one."""

    changes: dict[str, Any] = field(default_factory=dict)
    forked: dict[str, str | int] | None = None


def head_of(site: Site) -> dict[str, Any]:
    """What a request says of the newest head that was seen."""
    return {"log": {"n": site.log_n, "hash": site.log_hash}} if site.log_hash else {}


def judge(site: Site, reply: Reply) -> Judgement:
    """Compare the head in an answer with the one seen before.

    An answer without one is an older plugin's and says nothing; one that no honest
    plugin would send counts as a fork.
    """
    said = reply.document.get("log")
    if said is None:
        return Judgement()
    head = said if isinstance(said, dict) else {}
    n, digest, knows = head.get("n"), head.get("hash"), head.get("knows")
    if type(n) is not int or n < 0 or not isinstance(digest, str) or not _HASH.fullmatch(digest):
        return Judgement(forked={"why": "the answer names no possible head"})
    if site.log_hash:
        same_place = n == site.log_n and digest != site.log_hash
        if knows is False or n < site.log_n or same_place:
            return Judgement(forked={"seen": site.log_n, "answered": n})
    return Judgement(changes={"log_n": n, "log_hash": digest})


def note_fork(site: Site, evidence: dict[str, str | int], by: Actor, now: datetime) -> bool:
    """Put the connection in quarantine, inside the caller's transaction; False if it was."""
    return _quarantine(site, FORKED, evidence, by, now)


def note_move(
    site: Site,
    *,
    paired: str,
    present: str,
    how: str,
    endpoints: list[str],
    by: Actor,
    now: datetime,
) -> bool:
    """The site lives elsewhere than where it was paired, inside the caller's transaction."""
    evidence: dict[str, Any] = {"paired": paired, "now": present, "how": how}
    if endpoints:
        evidence["endpoints"] = endpoints
    return _quarantine(site, MOVED, evidence, by, now)


def _quarantine(site: Site, kind: str, evidence: dict[str, Any], by: Actor, now: datetime) -> bool:
    is_news = site.quarantine != kind or site.quarantine_evidence.get("now") != evidence.get("now")
    if not is_news:
        return False
    won = site.note(when=MAY_CALL, quarantine=kind, quarantine_at=now, quarantine_evidence=evidence)
    if won:
        shown = {name: value for name, value in evidence.items() if name != "endpoints"}
        audit.record(SiteQuarantined(site_id=site.id, kind=kind, evidence=shown), by, now=now)
    return won


def back_home(site: Site, by: Actor, now: datetime) -> None:
    """The site answered under its known address, inside the caller's transaction.

    That ends a quarantine which began with the site's own refusal to do so, and no other:
    where an administrator asked to be followed, the original and a copy may both be alive.
    """
    if site.quarantine == MOVED and site.quarantine_evidence.get("how") == BY_ANSWER:
        release(site, "address", by, now)


def release(site: Site, how: str, by: Actor, now: datetime) -> None:
    """End the quarantine, inside the caller's transaction."""
    kind = site.quarantine
    if kind and site.note(when=MAY_CALL, quarantine="", quarantine_at=None, quarantine_evidence={}):
        audit.record(QuarantineEnded(site_id=site.id, kind=kind, how=how), by, now=now)
