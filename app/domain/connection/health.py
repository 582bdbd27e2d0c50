"""Record the result of a call as the health of the connection, in the caller's transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app.domain import audit
from app.domain.actor import Actor
from app.domain.audit.events import (
    EndpointChanged,
    SiteDisconnected,
    SiteReconnected,
    SiteRecovered,
)
from app.domain.connection import peer_view, quarantine
from app.domain.connection.calls import CallResult
from app.http.errors import ErrorCode, Trait
from app.keys import proves
from app.models.sites import (
    ACTIVE,
    DISCONNECTED,
    DISCONNECTED_UNCONFIRMED,
    MAY_CALL,
    Site,
)
from app.protocol import ProtocolError, from_b64u

# A single 401 proves nothing. After this many of the plugin's own in a row, Aura checks.
UNCONFIRMED_AFTER = 3

_SIGNED = ErrorCode.having(Trait.SIGNED)


def record_success(
    site: Site, outcome: CallResult, by: Actor, now: datetime, *, endpoint: str = ""
) -> bool:
    """Record a verified answer from `endpoint`, which clears the error.

    Return False, and record nothing, if the connection has ended meanwhile.
    """
    # As it was before the call, a later answer may have come in between.
    site.refresh()
    columns: dict[str, Any] = {}
    verdict = quarantine.LogVerdict()
    if outcome.reply is not None:
        verdict = quarantine.judge_log(site, outcome.reply)
        columns = {
            "clock_offset_s": outcome.reply.clock_offset_s,
            "server_address": outcome.reply.address or site.server_address,
            **verdict.changes,
        }
    if not _mark_active(site, endpoint or site.endpoint, columns, by, now):
        return False
    quarantine.apply_log_verdict(site, verdict, by, now)
    if outcome.claim is not None:
        peer_view.record_peer_view(site, outcome.claim, by, now)
    return True


def _mark_active(
    site: Site, endpoint: str, columns: dict[str, Any], by: Actor, now: datetime
) -> bool:
    """Store that the site answered at `endpoint`; return False if the connection has ended."""
    was_unconfirmed = site.state == DISCONNECTED_UNCONFIRMED
    is_elsewhere = endpoint != site.endpoint
    failures, last_error = site.consecutive_failures, site.error_code
    won = site.move(
        to=ACTIVE,
        when=MAY_CALL,
        endpoint=endpoint,
        last_contact_at=now,
        last_success_at=now,
        error_code="",
        error_evidence={},
        error_at=None,
        consecutive_failures=0,
        next_sync_at=None,
        **columns,
    )
    if won and failures:
        recovered = SiteRecovered(site_id=site.id, failures=failures, error_code=last_error)
        audit.record(recovered, by, now=now)
    if won and was_unconfirmed:
        audit.record(SiteReconnected(site_id=site.id, kid=site.key_id), by, now=now)
    if won and is_elsewhere:
        audit.record(EndpointChanged(site_id=site.id, endpoint=endpoint), by, now=now)
    return won


def record_failure(
    site: Site, error_code: str, evidence: dict[str, str | int], by: Actor, now: datetime
) -> bool:
    """Record a failed call, in the caller's transaction; the site data stays.

    Return False, and record nothing, if the connection has ended meanwhile. The caller decides
    about a connection test, see `diagnostics.runs.record_failed_call`.
    """
    contact = {"last_contact_at": now} if error_code in _SIGNED else {}
    won = site.note(
        when=MAY_CALL,
        error_code=error_code,
        error_evidence=evidence,
        error_at=now,
        consecutive_failures=Site.consecutive_failures + 1,
        **contact,
    )
    if won and error_code == ErrorCode.identity_changed:
        quarantine.flag_move(
            site,
            paired=str(evidence.get("paired", "")),
            present=str(evidence.get("now", "")),
            how=quarantine.BY_ANSWER,
            endpoints=[],
            by=by,
            now=now,
        )
    if won and error_code == ErrorCode.disconnected:
        proven = proves_disconnect(site, evidence.get("g"))
        mark_disconnected(site, confirmed=proven, how="answer", by=by, now=now)
    elif (
        won
        and error_code == ErrorCode.unauthorized
        and site.consecutive_failures >= UNCONFIRMED_AFTER
    ):
        mark_disconnected(site, confirmed=False, how="refusals", by=by, now=now)
    return won


def proves_disconnect(site: Site, g: object) -> bool:
    """Whether `g` is the secret that only this site's former connection has."""
    try:
        return bool(site.disconnect_hash) and proves(from_b64u(g), site.disconnect_hash)
    except ProtocolError:
        return False


def mark_disconnected(site: Site, *, confirmed: bool, how: str, by: Actor, now: datetime) -> bool:
    """Record that the site disconnected, inside the caller's transaction.

    Keys are destroyed only with proof. A thief with a full copy of a site can prove a disconnection
    that the site never sent. So the one secret that can only disconnect is kept and presented to
    the site itself (revocation.py).
    """
    if confirmed:
        kept = {name: key for name, key in site.keys_sealed.items() if name == "revoke"}
        won = site.move(
            to=DISCONNECTED,
            when=MAY_CALL,
            keys_sealed=kept,
            revoked_at=now,
            revoke_next_at=now,
            revoke_evidence={
                "by": "Aura",
                "ack": "no",
                "probe": "",
                "attempts": 0,
                "left": how,
                "left_at": now.isoformat(),
            },
        )
    else:
        won = site.move(to=DISCONNECTED_UNCONFIRMED, when=(ACTIVE,))
    if won:
        event = SiteDisconnected(site_id=site.id, kid=site.key_id, confirmed=confirmed, how=how)
        audit.record(event, by, now=now)
    return won
