"""Evaluate what a site has seen of Aura's audit log (docs/PROTOCOL.md 5.3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.config import Config
from app.domain import alerts, dashboard_identity
from app.domain.actor import Actor
from app.domain.audit.checkpoints import Checkpoint, CheckpointInvalid, parse_checkpoint
from app.keys import SealBroken
from app.models.audit import AuditEntry
from app.models.checkpoints import AuditAnchor
from app.models.sites import Site
from app.protocol import b64u


@dataclass(frozen=True)
class Claim:
    """What a site says it has seen of the audit log.

    `checkpoint` is the checkpoint that Aura signed; None without one, and `why` says what is
    missing.
    """

    checkpoint: Checkpoint | None
    is_refusing: bool
    why: str = ""


def claim_in(document: dict[str, Any], config: Config) -> Claim | None:
    """Return what an answer says about the audit log.

    Return None if it says nothing, or if Aura's own key does not open, so that nothing can be
    judged.
    """
    seen, is_refusing = document.get("seen"), document.get("checkpoint_refused") is True
    if seen is None and not is_refusing:
        return None
    try:
        keys = dashboard_identity.load_dashboard(config).public_keys
    except SealBroken:
        return None
    why = ""
    for public in keys:
        try:
            return Claim(parse_checkpoint(seen, b64u(public), "Aura's"), is_refusing)
        except CheckpointInvalid as invalid:
            why = str(invalid)
    return Claim(None, is_refusing, why)


def record_peer_view(site: Site, claim: Claim, by: Actor, now: datetime) -> None:
    """Judge what a site reports about the audit log, inside the caller's transaction.

    A checkpoint that Aura signed and that does not fit proves that the log was cut, rewritten or
    restored. Without Aura's signature it is only the site's claim, which raises an alert about that
    site and says nothing about the log.
    """
    checkpoint = claim.checkpoint
    if checkpoint is None:
        _raise_unproven(site, {"why": claim.why, "refuses": claim.is_refusing}, by, now)
        return
    if checkpoint.n < 1:
        return
    AuditAnchor.keep(site, checkpoint.n, checkpoint.hash, now)
    digest = AuditEntry.hash_of(checkpoint.n)
    if digest == checkpoint.hash and not claim.is_refusing:
        return
    key = f"{checkpoint.n}:{checkpoint.hash}"
    seen = {"entry": checkpoint.n, "hash": checkpoint.hash}
    evidence = {
        "site": seen,
        "aura": {"newest_entry": AuditEntry.last_seq(), "hash_there": digest},
    }
    if digest != checkpoint.hash:
        alerts.raise_alert(site, alerts.AUDIT_LOG_LOST, key, evidence, by, now)
        if claim.is_refusing:
            alerts.raise_alert(site, alerts.AUDIT_LOG_REFUSED, key, evidence, by, now)
    else:
        why = "the site rejects the audit log although it contains all that the site has seen"
        _raise_unproven(site, {**seen, "why": why, "refuses": True}, by, now)


def _raise_unproven(site: Site, claim: dict[str, Any], by: Actor, now: datetime) -> None:
    """Raise an alert at most once a day, so that a site cannot fill the list."""
    key = f"{now:%Y-%m-%d}"
    alerts.raise_alert(site, alerts.CLAIM_UNPROVEN, key, {"site": claim}, by, now)
