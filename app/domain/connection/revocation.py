"""End a connection and prove it (docs/PROTOCOL.md section 4).

"Confirmed by the site" needs two proofs: the acknowledgement that only the site can give, and its
refusal of a correctly signed call with the old key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app import queue
from app.config import Config
from app.domain import audit, permissions
from app.domain.actor import SYSTEM, Actor
from app.domain.audit.events import (
    DisconnectProofForged,
    Event,
    RevocationAbandoned,
    RevocationConfirmed,
    RevocationStarted,
    RevocationUndelivered,
    RevocationUnproven,
    SiteDisconnected,
)
from app.domain.connection import calls, health, revocation_checks
from app.domain.connection.calls import KEYS_UNREADABLE, BearerCall, Call, CallResult
from app.domain.errors import NotPaired
from app.http import site_client
from app.http.errors import ErrorCode, Trait
from app.keys import SealBroken
from app.models.base import transaction, utcnow
from app.models.reports import FAILED as SYNC_FAILED
from app.models.reports import OPEN, Sync
from app.models.sites import (
    DISCONNECTED,
    MAY_CALL,
    REVOKED,
    REVOKED_UNPROVEN,
    REVOKED_UNREACHED,
    REVOKING,
    Site,
)
from app.protocol import b64u
from app.retry import backoff

LEASE = timedelta(seconds=100)
FIRST_RETRY = timedelta(minutes=5)
LONGEST_RETRY = timedelta(hours=24)
GIVE_UP_AFTER = timedelta(days=90)
# A failed check of the old key is repeated while Aura still has the key.
PROBE_TRIES = 4
PROBE_RETRY = timedelta(seconds=15)

_ENDING = (REVOKING, REVOKED_UNREACHED, REVOKED_UNPROVEN, DISCONNECTED)
_NOBODY_ANSWERED = ErrorCode.having(Trait.UNANSWERED)


def revoke_access(site: Site, *, by: Actor, reason: str = "", now: datetime | None = None) -> None:
    """End the connection: accept nothing from the site, and send it a revocation.

    Raises: Forbidden, or NotPaired if there is no connection.
    """
    now = now or utcnow()
    with permissions.user_transaction(by, "revoke", site) as (tx, by):
        won = site.move(
            to=REVOKING,
            when=MAY_CALL,
            revoked_at=now,
            revoke_reason=reason.strip()[:300],
            revoke_evidence={"by": by.name, "ack": "no", "probe": "", "attempts": 0},
            revoke_next_at=now,
        )
        if not won:
            raise NotPaired("This site is not connected, so there is no access to revoke.")
        waiting = Sync.open_for(site)
        if waiting is not None:
            why = {"why": "the connection was revoked"}
            waiting.move(to=SYNC_FAILED, when=OPEN, ended_at=now, evidence=why)
        started = RevocationStarted(site_id=site.id, kid=site.key_id, reason=site.revoke_reason)
        audit.record(started, by, now=now)
        tx.after_commit(queue.enqueue, "deliver_revocation", site.id)


def retry_due_revocations(now: datetime) -> list[int]:
    """Queue the disconnect notices that are due, and return the site ids; for the schedule."""
    due = Site.select(Site.id).where(Site.state.in_(_ENDING), Site.revoke_next_at <= now)
    ids = [site.id for site in due]
    queue.enqueue_rows("deliver_revocation", ids)
    return ids


def receive_disconnect(kid: str, g: object, *, ip: str = "", now: datetime) -> bool:
    """Handle a signed notice of disconnection; believe it only with the proof.

    Return True if it was accepted.
    """
    site = Site.get_or_none(Site.kid == kid)
    if site is None or not health.proves_disconnect(site, g):
        return False
    by = Actor.site(site, ip)
    with transaction():
        return health.mark_disconnected(site, confirmed=True, how="notice", by=by, now=now)


def deliver_revocation(
    site_id: int,
    *,
    config: Config,
    call: Call = site_client.call,
    call_bearer: BearerCall = site_client.call_bearer,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Send the revocation again, record what is proven, and return the state.

    Safe to run twice at once and again after a crash.
    """
    site = Site.get_or_none(Site.id == site_id)
    if site is None or site.state not in _ENDING:
        return "gone" if site is None else site.state
    began = now()
    if not site.claim_revocation(_ENDING, began, began + LEASE):
        return "busy" if site.revoke_next_at else site.state
    disconnect = _RevocationAttempt(site, config, call, call_bearer, now)
    try:
        if site.state == REVOKING:
            disconnect.signed()
        else:
            disconnect.unsigned()
    except SealBroken:
        disconnect.record_unreadable_keys()
    return site.state


@dataclass(frozen=True)
class _RevocationAttempt:
    """One attempt, with the lease of its site."""

    site: Site
    config: Config
    call: Call
    call_bearer: BearerCall
    now: Callable[[], datetime]

    @property
    def has_ack(self) -> bool:
        return bool(self.site.revoke_evidence.get("ack") == "yes")

    @property
    def asker(self) -> str:
        """Return who revoked, for the site's own log."""
        return str(self.site.revoke_evidence["by"])

    def signed(self) -> None:
        """Revoke with the old keys, then check that the site refuses them."""
        if not self.has_ack:
            self._request_ack()
        if self.site.state == REVOKING and self.has_ack:
            self._probe()

    def unsigned(self) -> None:
        """Send the secret without a signature, after the old keys are destroyed."""
        if self.now() - self.site.revoked_at >= GIVE_UP_AFTER:
            self._give_up()
            return
        outcome = self._show_secret()
        if self.has_ack:
            if self.site.state == DISCONNECTED:
                self._note(left="forged")
                forged = DisconnectProofForged(site_id=self.site.id, kid=self.site.key_id)
                with transaction():
                    audit.record(forged, SYSTEM, now=self.now())
            self._settle(REVOKED_UNPROVEN)
        elif self._has_left(outcome):
            self._settle(DISCONNECTED)
        else:
            self._try_later(self.site.state, outcome.error_code)

    def record_unreadable_keys(self) -> None:
        """Record that the sealing key is missing, so nothing can be sent; it may come back."""
        tries = self.site.revoke_evidence.get("attempts", 0) + 1
        self._note(
            attempts=tries, last_error=KEYS_UNREADABLE, last_attempt_at=self.now().isoformat()
        )
        state = REVOKED_UNREACHED if self.site.state == REVOKING else self.site.state
        self._try_later(state, KEYS_UNREADABLE)

    def _request_ack(self) -> None:
        secret = calls.open_key(self.site, "revoke", self.config)
        arguments = {"kid": self.site.key_id, "r": b64u(secret)}
        signed = self._write_down(self._ask("revoke", arguments))
        if self.has_ack:
            return
        last = signed
        if signed.error_code not in _NOBODY_ANSWERED and not self._has_left(signed):
            # Something answered: perhaps only the signature was the problem.
            last = self._show_secret()
        if self.has_ack:
            return
        if self._has_left(signed) or self._has_left(last):
            self._settle(DISCONNECTED)
        elif signed.error_code == ErrorCode.unauthorized:
            # The old key is refused, but without the site's proof. The secret stays, for a site
            # that is restored from a backup.
            self._note(probe="refused", probe_at=self.now().isoformat())
            self._try_later(REVOKED_UNPROVEN, signed.error_code)
        else:
            self._try_later(REVOKED_UNREACHED, last.error_code)

    def _probe(self) -> None:
        outcome = self._write_down(self._ask("ping", {}))
        tries = self.site.revoke_evidence.get("probes", 0) + 1
        self._note(probes=tries)
        if outcome.error_code in _NOBODY_ANSWERED and tries < PROBE_TRIES:
            with transaction() as tx:
                if self.site.note(when=(REVOKING,), revoke_next_at=self.now() + PROBE_RETRY):
                    job = ("deliver_revocation", self.site.id)
                    tx.after_commit(queue.enqueue, *job, delay_s=int(PROBE_RETRY.total_seconds()))
            return
        proven = outcome.error_code == ErrorCode.unauthorized
        seen = "refused" if proven else outcome.error_code or "answered"
        self._note(probe=seen, probe_at=self.now().isoformat())
        self._settle(REVOKED if proven else REVOKED_UNPROVEN)

    # ---- calls ----

    def _ask(self, op: str, arguments: dict[str, Any]) -> CallResult:
        channel = calls.channel_to(self.site, self.config)
        return calls.call_site(
            channel, op, arguments, by=self.asker, config=self.config, call=self.call, now=self.now
        )

    def _show_secret(self) -> CallResult:
        return self._write_down(
            revocation_checks.show_secret(self.site, self.asker, self.config, self.call_bearer)
        )

    # ---- what is written down ----

    def _write_down(self, outcome: CallResult) -> CallResult:
        """Record the call, and the acknowledgement if the answer contains one."""
        now = self.now()
        with transaction():
            calls.record(outcome, self.site.id, now=now)
            facts: dict[str, Any] = {
                "last_attempt_at": now.isoformat(),
                "last_error": outcome.error_code,
            }
            if outcome.op == "revoke":
                facts["attempts"] = self.site.revoke_evidence.get("attempts", 0) + 1
                if revocation_checks.is_acknowledged(self.site, outcome):
                    facts |= {"ack": "yes", "ack_at": now.isoformat()}
            self._note(**facts)
        return outcome

    def _note(self, **facts: Any) -> None:
        self.site.note(when=_ENDING, revoke_evidence={**self.site.revoke_evidence, **facts})

    def _has_left(self, outcome: CallResult) -> bool:
        """Whether the answer proves that the site disconnected before."""
        return outcome.error_code == ErrorCode.disconnected and health.proves_disconnect(
            self.site, outcome.evidence.get("g")
        )

    def _settle(self, state: str) -> None:
        """Record the proven state; from now on Aura only checks that it stays so."""
        if state == DISCONNECTED and self.site.state != DISCONNECTED:
            self._note(left="answer to revocation", left_at=self.now().isoformat())
        evidence, kid, site_id = self.site.revoke_evidence, self.site.key_id, self.site.id
        event: Event
        if state == REVOKED:
            event = RevocationConfirmed(
                site_id=site_id,
                kid=kid,
                acknowledged_at=evidence["ack_at"],
                refused_at=evidence["probe_at"],
            )
        elif state == DISCONNECTED:
            event = SiteDisconnected(
                site_id=site_id, kid=kid, confirmed=True, how="answer to revocation"
            )
        else:
            event = RevocationUnproven(
                site_id=site_id,
                kid=kid,
                acknowledged=self.has_ack,
                probe=evidence.get("probe", ""),
            )
        with transaction():
            now = self.now()
            left = {"revoke_next_at": None, **revocation_checks.columns(self.site, now)}
            if self.site.move(to=state, when=_ENDING, **left):
                audit.record(event, SYSTEM, now=now)

    def _try_later(self, state: str, error_code: str) -> None:
        """Destroy the keys that can command the site; keep the secret that can only disconnect."""
        now, was = self.now(), self.site.state
        attempts = self.site.revoke_evidence.get("attempts", 1)
        next_at = now + backoff(attempts - 1, FIRST_RETRY, LONGEST_RETRY)
        kept = {"revoke": self.site.keys_sealed["revoke"]}
        with transaction():
            won = self.site.move(to=state, when=(was,), keys_sealed=kept, revoke_next_at=next_at)
            if won and state != was:
                audit.record(self._first_failure(state, error_code, next_at), SYSTEM, now=now)

    def _first_failure(self, state: str, error_code: str, next_at: datetime) -> Event:
        site_id, kid = self.site.id, self.site.key_id
        if state == REVOKED_UNPROVEN:
            return RevocationUnproven(site_id=site_id, kid=kid, acknowledged=False, probe="refused")
        return RevocationUndelivered(
            site_id=site_id, kid=kid, error_code=error_code, next_attempt_at=next_at.isoformat()
        )

    def _give_up(self) -> None:
        """Stop after ninety days without an acknowledgement; the state stays."""
        now = self.now()
        with transaction():
            self._note(gave_up_at=now.isoformat())
            if self.site.note(when=_ENDING, keys_sealed={}, revoke_next_at=None):
                event = RevocationAbandoned(site_id=self.site.id, kid=self.site.key_id)
                audit.record(event, SYSTEM, now=now)
