"""Detect copies, restored backups and moves by the site's log and address.

See docs/PROTOCOL.md 5.1 to 5.3. A paused site is still synced. rotation.py (new keys, at the known
or the new address) or a revocation executes a person's decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain import audit
from app.domain.actor import Actor
from app.domain.audit import checkpoints
from app.domain.audit.checkpoints import Checkpoint, CheckpointInvalid
from app.domain.audit.events import QuarantineEnded, SiteQuarantined
from app.http.site_client import Reply
from app.models.checkpoints import SiteCheckpoint
from app.models.site_log import SiteLog
from app.models.sites import EXCESSIVE, FORKED, MAY_CALL, MOVED, Site

# How the present address became known: the site refused a call, or its administrator asked.
BY_ANSWER = "answer"
BY_NOTICE = "notice"


@dataclass(frozen=True)
class LogVerdict:
    """The result of comparing the checkpoint in an answer with the known one.

    Either the newest checkpoint, if it continues the known one, or why it is another log. Neither
    for an answer that a later one overtook.
    """

    checkpoint: Checkpoint | None = None
    forked: dict[str, str | int] | None = None

    @property
    def changes(self) -> dict[str, Any]:
        return (
            {"log_n": self.checkpoint.n, "log_hash": self.checkpoint.hash}
            if self.checkpoint
            else {}
        )


def known_head(site: Site) -> dict[str, Any]:
    """Return the newest head that was seen, for a request."""
    return {"log": {"n": site.log_n, "hash": site.log_hash}} if site.log_hash else {}


def judge_log(site: Site, reply: Reply) -> LogVerdict:
    """Compare the checkpoint in an answer with the known one.

    An answer without one, or with one that the site did not sign, counts as a fork, because no
    correct plugin sends it.
    """
    try:
        checkpoint = checkpoints.parse_checkpoint(reply.document.get("checkpoint"), site.sign_s)
    except CheckpointInvalid as why:
        return LogVerdict(forked={"why": str(why)})
    if not site.log_hash:
        return LogVerdict(checkpoint)
    seen, known = SiteCheckpoint.newest(site), reply.document.get("knows")
    goes_back = checkpoint.n < site.log_n
    is_other = _contradicts(site, checkpoint) or (seen is not None and seen.log != checkpoint.log)
    # Two calls at once may be answered in the other order; a log that was set back has a newer
    # entry under a smaller number.
    is_overtaken = goes_back and seen is not None and checkpoint.at <= seen.at
    if known is False or is_other or (goes_back and not is_overtaken):
        return LogVerdict(forked={"seen": site.log_n, "answered": checkpoint.n})
    return LogVerdict(None if goes_back else checkpoint)


def _contradicts(site: Site, checkpoint: Checkpoint) -> bool:
    """Whether another hash was seen under the same number."""
    if checkpoint.n == site.log_n:
        return checkpoint.hash != site.log_hash
    known = SiteCheckpoint.between(site, checkpoint.log, checkpoint.n, checkpoint.n)
    return any(earlier.hash != checkpoint.hash for earlier in known)


def apply_log_verdict(site: Site, verdict: LogVerdict, by: Actor, now: datetime) -> None:
    """Put a site with another log in quarantine, in the caller's transaction.

    An answer from the known address ends a quarantine that began with the site's own refusal
    to answer there, and no other. After an administrator asked to follow a move, the original
    and a copy may both be alive.
    """
    if verdict.forked is not None:
        _quarantine(site, FORKED, verdict.forked, by, now)
    elif site.quarantine == MOVED and site.quarantine_evidence.get("how") == BY_ANSWER:
        end_quarantine(site, "address", by, now)
    if verdict.checkpoint is not None:
        checkpoints.store_checkpoint(site, verdict.checkpoint, now)


def flag_move(
    site: Site,
    *,
    paired: str,
    present: str,
    how: str,
    endpoints: list[str],
    by: Actor,
    now: datetime,
) -> bool:
    """Record that the site moved from its paired address, in the caller's transaction."""
    evidence: dict[str, Any] = {"paired": paired, "now": present, "how": how}
    if endpoints:
        evidence["endpoints"] = endpoints
    return _quarantine(site, MOVED, evidence, by, now)


def note_excess(site: Site, evidence: dict[str, int], by: Actor, now: datetime) -> bool:
    """Record that the site sends more of its log than Aura keeps, in the caller's transaction."""
    return _quarantine(site, EXCESSIVE, evidence, by, now)


def _quarantine(site: Site, kind: str, evidence: dict[str, Any], by: Actor, now: datetime) -> bool:
    is_news = site.quarantine != kind or site.quarantine_evidence.get("now") != evidence.get("now")
    if not is_news:
        return False
    won = site.note(when=MAY_CALL, quarantine=kind, quarantine_at=now, quarantine_evidence=evidence)
    if won:
        shown = {name: value for name, value in evidence.items() if name != "endpoints"}
        audit.record(SiteQuarantined(site_id=site.id, kind=kind, evidence=shown), by, now=now)
    return won


def end_quarantine(site: Site, how: str, by: Actor, now: datetime) -> None:
    """End the quarantine, inside the caller's transaction."""
    kind = site.quarantine
    if kind and site.note(when=MAY_CALL, quarantine="", quarantine_at=None, quarantine_evidence={}):
        audit.record(QuarantineEnded(site_id=site.id, kind=kind, how=how), by, now=now)
        if kind == EXCESSIVE:
            # A person decided to go on: the day's share begins again.
            SiteLog.update(day_bytes=0).where(SiteLog.site == site).execute()
