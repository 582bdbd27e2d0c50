"""Check for one year that an ended connection is not restored from a backup.

A site whose database is restored from before its revocation accepts the old keys again. So Aura
keeps the one secret that can only disconnect, and sends it at growing intervals. It raises an alert
if that ended a connection (docs/PROTOCOL.md 4).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from app import queue
from app.config import Config
from app.domain import alerts, audit
from app.domain.actor import SYSTEM
from app.domain.audit.events import RevocationChecksEnded
from app.domain.connection import calls
from app.domain.connection.calls import BearerCall, CallResult
from app.http import site_client
from app.keys import SealBroken, proves
from app.models.base import transaction, utcnow
from app.models.sites import Site
from app.protocol import ProtocolError, b64u, from_b64u
from app.retry import backoff

FIRST = timedelta(days=1)
LONGEST = timedelta(days=30)
FOR = timedelta(days=365)
LEASE = timedelta(seconds=100)


def columns(site: Site, now: datetime) -> dict[str, Any]:
    """Return the columns of a site whose connection has ended for certain.

    All keys except the one that can only disconnect are destroyed, and the first check is planned.
    """
    kept = {name: key for name, key in site.keys_sealed.items() if name == "revoke"}
    return {"keys_sealed": kept, "recheck_at": now + FIRST if kept else None}


def request_due(now: datetime) -> list[int]:
    """Queue the checks that are due; return the site ids."""
    ids = [site.id for site in Site.select(Site.id).where(Site.recheck_at <= now)]
    queue.enqueue_rows("recheck_site", ids)
    return ids


def run(
    site_id: int,
    *,
    config: Config,
    call_bearer: BearerCall = site_client.call_bearer,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Send the secret once more; return the result. Safe to run twice at once."""
    site = Site.get_or_none(Site.id == site_id)
    if site is None or not site.claim_recheck(now(), now() + LEASE):
        return "not due"
    if now() - site.revoked_at >= FOR:
        with transaction():
            if site.plan_recheck(None, keys_sealed={}):
                ended = RevocationChecksEnded(site_id=site.id, kid=site.key_id)
                audit.record(ended, SYSTEM, now=now())
        return "over"
    try:
        outcome = show_secret(site, SYSTEM.name, config, call_bearer)
    except SealBroken:
        # Without the sealing key the secret cannot be sent; the key may come back.
        site.plan_recheck(now() + LONGEST)
        return "keys unreadable"
    return _write_down(site, outcome, now())


def show_secret(site: Site, by: str, config: Config, call_bearer: BearerCall) -> CallResult:
    """Send the site the secret that can only disconnect it, without a signature.

    Raises: SealBroken.
    """
    secret = calls.open_key(site, "revoke", config)
    return calls.call_unsigned(
        site.endpoint,
        {"op": "revoke", "by": by, "kid": site.key_id, "r": b64u(secret)},
        server_login=calls.server_login(site, config),
        config=config,
        call_bearer=call_bearer,
    )


def _write_down(site: Site, outcome: CallResult, now: datetime) -> str:
    count = site.revoke_evidence.get("rechecks", 0) + 1
    # For 90 days a site repeats its acknowledgement; then `ended` is false.
    had_come_back = is_acknowledged(site, outcome) and (outcome.document or {}).get("ended") is True
    progress = {**site.revoke_evidence, "rechecks": count, "rechecked_at": now.isoformat()}
    if had_come_back:
        progress["came_back_at"] = now.isoformat()
        # The site may be restored from the same backup again.
        progress["rechecks"] = count = 0
    with transaction():
        calls.record(outcome, site.id, now=now)
        next_at = now + backoff(count, FIRST, LONGEST)
        if not site.plan_recheck(next_at, progress):
            return "paired again"
        if had_come_back:
            ended = site.revoked_at.isoformat() if site.revoked_at else ""
            evidence = {"site": {"accepted": "the old keys"}, "aura": {"ended_at": ended}}
            key = now.isoformat()
            alerts.raise_alert(site, alerts.REVOKED_ANSWERED, key, evidence, SYSTEM, now)
    return "had come back" if had_come_back else "still ended"


def is_acknowledged(site: Site, outcome: CallResult) -> bool:
    """Whether the answer contains the secret that only the site knows."""
    try:
        return proves(from_b64u((outcome.document or {}).get("a")), site.ack_hash)
    except ProtocolError:
        return False
