"""Alerts about contradictions between Aura and a site, open until a person explains them.

An alert stops nothing. Changes are stopped by the site, which refuses an audit log that contradicts
its records, and by the quarantine of a site whose log does.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from app.domain import audit, permissions
from app.domain.actor import SYSTEM, Actor
from app.domain.audit.events import AlertClosed, AlertRaised
from app.domain.errors import Invalid, NotFound, StaleState
from app.domain.text import check_reason
from app.models.alerts import AUDIT_LOG_LOST as AUDIT_LOG_LOST
from app.models.alerts import Alert
from app.models.base import transaction
from app.models.checkpoints import SiteCheckpoint
from app.models.packages import KnownPackage
from app.models.site_log import SiteLog
from app.models.sites import Site

# A site refuses this audit log.
AUDIT_LOG_REFUSED = "audit_log_refused"
# A site says something of this audit log without showing what Aura signed: about the site alone.
CLAIM_UNPROVEN = "claim_unproven"
# The site's own log, as it was read: altered, or cut.
LOG_BROKEN = "log_broken"
# A connection that had ended was there again.
REVOKED_ANSWERED = "revoked_answered"
# It sends more of its log than Aura keeps.
LOG_EXCESSIVE = "log_excessive"
# What only one side knows, and what the two tell differently.
CALL_UNKNOWN = "call_unknown"
CALL_MISSING = "call_missing"
CHANGE_UNKNOWN = "change_unknown"
CHANGE_MISSING = "change_missing"
CHANGE_DIFFERS = "change_differs"
KEYS_UNKNOWN = "keys_unknown"
PAIRING_UNKNOWN = "pairing_unknown"
# A site was given another package of a version than Aura or another site.
PACKAGE_DIFFERS = "package_differs"
# A package cannot be inspected, or has what no update needs, for longer than a mistake lasts.
PACKAGE_REFUSED = "package_refused"

KINDS = (
    AUDIT_LOG_LOST,
    AUDIT_LOG_REFUSED,
    CLAIM_UNPROVEN,
    LOG_BROKEN,
    LOG_EXCESSIVE,
    REVOKED_ANSWERED,
    CALL_UNKNOWN,
    CALL_MISSING,
    CHANGE_UNKNOWN,
    CHANGE_MISSING,
    CHANGE_DIFFERS,
    KEYS_UNKNOWN,
    PAIRING_UNKNOWN,
    PACKAGE_DIFFERS,
    PACKAGE_REFUSED,
)
# About Aura itself, whichever site said so.
ABOUT_AUDIT_LOG = (AUDIT_LOG_LOST, AUDIT_LOG_REFUSED)
# Someone may hold keys or has rewritten a log, so these are critical. The rest is a warning.
_WARNINGS = (CALL_MISSING, CHANGE_MISSING, CHANGE_DIFFERS, PACKAGE_REFUSED)
# A caller with stolen keys must not fill the list.
MAX_OPEN = 25
_KEY_CHARS = 32


def raise_alert(
    site: Site, kind: str, key: str, evidence: dict[str, Any], by: Actor, now: datetime
) -> bool:
    """Raise an alert once, inside the caller's transaction.

    Return False if it was raised before, or if too many alerts of its kind are open.
    """
    if Alert.exists_for(site, kind, key) or Alert.open_of(site, kind) >= MAX_OPEN:
        return False
    alert = Alert.create(site=site, kind=kind, key=key[:100], evidence=evidence, raised_at=now)
    event = AlertRaised(site_id=site.id, alert_id=alert.id, about=kind, evidence=evidence)
    audit.record(event, by, now=now)
    return True


def close_over(alert: Alert, note: str, now: datetime) -> bool:
    """Close an alert because what it warns of is over; False if it was closed before.

    Opens its own transaction unless the caller has one.
    """
    with transaction():
        if not alert.close(by=SYSTEM.name, note=note, now=now):
            return False
        event = AlertClosed(site_id=alert.site_id, alert_id=alert.id, about=alert.kind, note=note)
        audit.record(event, SYSTEM, now=now)
    return True


def severity(kind: str) -> str:
    """Return 'critical' or 'warning'; an unclassified kind is critical."""
    return "warning" if kind in _WARNINGS else "critical"


def get_alert(alert_id: int, by: Actor) -> Alert:
    """Return the alert with this id. Raises NotFound, also for a user who may not see its site."""
    alert = Alert.known(alert_id)
    if alert is None or not permissions.can_see_site(by, alert.site):
        raise NotFound("This alert does not exist.")
    return alert


def similar_alerts(alert: Alert, by: Actor) -> list[Alert]:
    """Return the open alerts that likely have the same cause.

    They are of the same kind, and about the same site or, for the audit log, about any site that
    this user sees.
    """
    visible = permissions.visibility_of(by)
    return Alert.similar(alert, everywhere=alert.kind in ABOUT_AUDIT_LOG, visible=visible)


def close_alert(
    alert: Alert, *, by: Actor, note: str, with_others: bool, confirmed_at: datetime, now: datetime
) -> int:
    """Close the alert with an explanation, and return how many were closed.

    Raises Forbidden, ReauthenticationRequired, Invalid, or StaleState if it was closed before.
    """
    permissions.require(by, "approve")
    permissions.require_recent_authentication(confirmed_at, now)
    check_reason(note)
    if not note.strip():
        raise Invalid("note", "Describe what you found. It is recorded in the audit log.")
    with permissions.user_transaction(by, "approve", alert.site) as (_, by):
        closed = [
            candidate
            for candidate in [alert, *(similar_alerts(alert, by) if with_others else [])]
            if candidate.close(by=by.name[:120], note=note.strip(), now=now)
        ]
        if alert not in closed:
            raise StaleState("This alert is already resolved.")
        for each in closed:
            event = AlertClosed(
                site_id=each.site_id,
                alert_id=each.id,
                about=each.kind,
                note=note.strip(),
            )
            audit.record(event, by, now=now)
        for each in closed:
            if each.kind == PACKAGE_DIFFERS:
                # It lets the version be updated on every site again.
                permissions.require_everything(by, "approve")
                _settle_package(each)
        for site in {each.site for each in closed if each.kind == LOG_BROKEN}:
            _restart_log_reading(site)
    return len(closed)


def _settle_package(alert: Alert) -> None:
    """Let the version of a package be updated again, once no alert about it is open.

    What was seen of it is forgotten: the next pre-check begins again.
    """
    seen = alert.evidence["aura"]
    about = seen["kind"], seen["id"], seen["version"]
    if not Alert.others_open(alert, package_key(*about)):
        KnownPackage.settle_version(*about)


def package_key(kind: str, ident: str, version: str) -> str:
    """Return how the keys of all alerts about one version of a plugin or theme begin."""
    return hashlib.sha256("\n".join((kind, ident, version)).encode()).hexdigest()[:_KEY_CHARS]


def _restart_log_reading(site: Site) -> None:
    """Continue reading the log, as a new branch, from the head that the site signed last.

    The broken entries stay as they were found.
    """
    read, checkpoint = SiteLog.get_or_create_for(site), SiteCheckpoint.newest(site)
    n, digest = (checkpoint.n, checkpoint.hash) if checkpoint else (0, "")
    log = checkpoint.log if checkpoint else ""
    fresh = {"branch": read.branch + 1, "log": log, "n": n, "hash": digest, "reconciled_n": n}
    read.advance(**fresh)
