"""Pair a site with a one-time token (docs/PROTOCOL.md section 2).

Aura calls the site until the token is pasted there or expires. The messages are in handshake.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app import queue
from app.config import Config
from app.domain import audit, dashboard_identity, permissions
from app.domain.actor import Actor
from app.domain.audit.events import (
    PairingAttemptFailed,
    PairingCancelled,
    PairingCompleted,
    PairingExpired,
    PairingFailed,
    PairingTokenIssued,
)
from app.domain.connection import calls, handshake
from app.domain.connection.calls import KEYS_UNREADABLE, Call
from app.domain.connection.handshake import HandshakeResult, HandshakeStep
from app.domain.errors import AlreadyPaired, Conflict, StaleState
from app.http import site_client
from app.http.site_client import ErrorCode
from app.keys import KeyRing, SealBroken, Token, new_token, pairing_keys, pairing_keys_of
from app.models.base import transaction, utcnow
from app.models.reports import Sync
from app.models.sites import (
    ACTIVE,
    CANCELLED,
    EXPIRED,
    FAILED,
    MAY_PAIR,
    PAIRING,
    USED,
    WAITING,
    Pairing,
    Site,
)
from app.protocol import b64u, from_b64u

# Longer than the slowest attempt: two confirmations and two hellos of 20 s each.
LEASE = timedelta(seconds=100)
# How long after the expiry Aura asks for the confirmation of a site that agreed.
GRACE = timedelta(minutes=10)
# After this delay a job counts as lost.
OVERDUE = timedelta(seconds=60)

# Errors that a retry cannot fix.
_FINAL = frozenset({ErrorCode.wrong_site, ErrorCode.pairing_closed})


def issue_token(site: Site, *, by: Actor, config: Config, now: datetime) -> tuple[Pairing, str]:
    """Create the only token that can pair this site, and start calling the site.

    Return its text, which cannot be read again. An open token is cancelled.

    Raises: Forbidden, AlreadyPaired, or StaleState.
    """
    permissions.require(by, "pair")
    token = new_token(config.origin, site.url, int(now.timestamp()))
    with permissions.user_transaction(by, "pair", site) as (tx, by):
        _take_site(site, by, now)
        pairing = _create(site, token, by, config, now)
        event = PairingTokenIssued(
            site_id=site.id, pairing_id=pairing.id, expires_at=pairing.expires_at.isoformat()
        )
        audit.record(event, by, now=now)
        tx.after_commit(queue.enqueue, "pair_site", pairing.id)
    return pairing, token.text()


def _take_site(site: Site, by: Actor, now: datetime) -> None:
    """Set the site to *pairing* from any state that allows it."""
    site.refresh()
    waiting = site.waiting_token()
    if waiting is not None:
        _withdraw(waiting, by, now)
        site.refresh()
    if site.state not in MAY_PAIR:
        raise AlreadyPaired("This site is paired. Revoke access first.")
    if not site.move(to=PAIRING, when=(site.state,), state_before_pairing=site.state):
        raise StaleState("Another user has just changed this site. Reload the page.")


def _create(site: Site, token: Token, by: Actor, config: Config, now: datetime) -> Pairing:
    keys = pairing_keys(token.secret, token.pid)
    ring = KeyRing(config.sealing_keys)
    pid = b64u(token.pid)
    return Pairing.create(
        site=site,
        pid=pid,
        auth_sealed=ring.seal(keys.auth, _context(pid, "auth")),
        note_sealed=ring.seal(keys.note, _context(pid, "note")),
        issued_by=by.id,
        issued_at=now,
        expires_at=datetime.fromtimestamp(token.expires_at, UTC),
        next_attempt_at=now,
    )


def cancel_pairing(pairing: Pairing, *, by: Actor, now: datetime | None = None) -> None:
    """Cancel an unused token.

    Raises Forbidden, StaleState if it is closed already, or Conflict if the site has accepted it
    and only its last answer is missing.
    """
    with permissions.user_transaction(by, "pair", pairing.site) as (_, by):
        _withdraw(pairing, by, now or utcnow())


def _withdraw(pairing: Pairing, by: Actor, now: datetime) -> None:
    if not pairing.close(CANCELLED, now, unless_exchanged=True):
        if pairing.state == WAITING:
            raise Conflict(
                "The site has accepted the token and is being asked to confirm. "
                "Wait a moment, then revoke the connection."
            )
        raise StaleState("This token is no longer valid.")
    _release_site(pairing)
    event = PairingCancelled(site_id=pairing.site_id, pairing_id=pairing.id)
    audit.record(event, by, now=now)


def _release_site(pairing: Pairing) -> None:
    """Return the site to its state before the token."""
    pairing.site.move(to=pairing.site.state_before_pairing, when=(PAIRING,))


def retry_pairing_now(pairing: Pairing, *, by: Actor, now: datetime | None = None) -> None:
    """Call the site at once, because the token has been pasted. Raises Forbidden or StaleState."""
    with permissions.user_transaction(by, "pair", pairing.site):
        if not _schedule_now(pairing, now or utcnow()):
            raise StaleState("This token is no longer valid.")


def receive_ready(pairing: Pairing, *, now: datetime) -> str:
    """Handle the notice that the site's administrator agreed, and return the token's state.

    'waiting' (the site is asked at once), 'used', 'expired', 'cancelled' or 'failed'.
    """
    if pairing.state == WAITING and _is_over(pairing, now):
        _expire(pairing, now)
    _schedule_now(pairing, now)
    return pairing.state


def _schedule_now(pairing: Pairing, now: datetime) -> bool:
    with transaction() as tx:
        if not pairing.note(next_attempt_at=now):
            return False
        tx.after_commit(queue.enqueue, "pair_site", pairing.id)
    return True


def recover_pairings(now: datetime) -> int:
    """Queue lost attempts again; return their number."""
    lost = Pairing.overdue((WAITING,), now - OVERDUE)
    return queue.enqueue_rows("pair_site", (pairing.id for pairing in lost))


def attempt_pairing(
    pairing_id: int,
    *,
    config: Config,
    call: Call = site_client.call,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Ask the site whether it has the token, and continue as far as possible.

    It queues itself again while the token is open. Safe to run twice at once and again after a
    crash. Returns the token's state, or 'busy' if another attempt is running or this one is too
    early.
    """
    pairing = Pairing.get_or_none(Pairing.id == pairing_id)
    if pairing is None:
        return "gone"
    began = now()
    if pairing.state == WAITING and _is_over(pairing, began):
        _expire(pairing, began)
    if pairing.state != WAITING:
        return pairing.state
    if not pairing.lease((WAITING,), began, began + LEASE, last_attempt_at=began):
        return "busy"
    trial = _Attempt(pairing, pairing.site, config, call, now)
    try:
        return trial.run()
    except SealBroken as broken:
        return trial.settle(
            HandshakeStep((), error_code=KEYS_UNREADABLE, evidence={"why": str(broken)[:300]})
        )


@dataclass(frozen=True)
class _Attempt:
    """One run of the handshake, with the lease of its pairing."""

    pairing: Pairing
    site: Site
    config: Config
    call: Call
    now: Callable[[], datetime]

    @property
    def actor(self) -> Actor:
        return Actor.of(self.pairing.issued_by)

    def run(self) -> str:
        if self.pairing.exchange_sealed:
            known = HandshakeResult.from_bytes(_open(self.pairing, "exchange", self.config))
            step = self._confirm(known)
            if step.error_code != ErrorCode.unauthorized:
                return self.settle(step)
            # The site knows nothing of that exchange: begin again, and keep it until
            # a new one replaces it. A stranger may have answered in the site's place.
            self._record(step)
        step = self._hello()
        if step.opened is None:
            return self.settle(step)
        if not self._keep(step, step.opened):
            return self.pairing.state
        return self.settle(self._confirm(step.opened))

    def _hello(self) -> HandshakeStep:
        return handshake.send_hello(
            self.site,
            from_b64u(self.pairing.pid),
            pairing_keys_of(_open(self.pairing, "auth", self.config)),
            dashboard_identity.load_dashboard(self.config),
            by=self.actor.name[:120],
            config=self.config,
            call=self.call,
            now=self.now,
        )

    def _confirm(self, opened: HandshakeResult) -> HandshakeStep:
        return handshake.send_confirm(
            self.site,
            opened,
            by=self.actor.name[:120],
            config=self.config,
            call=self.call,
            now=self.now,
        )

    def _keep(self, step: HandshakeStep, opened: HandshakeResult) -> bool:
        """Store the exchange before it is confirmed.

        Return False if the token was closed meanwhile.
        """
        ring = KeyRing(self.config.sealing_keys)
        sealed = ring.seal(opened.to_bytes(), _context(self.pairing.pid, "exchange"))
        with transaction():
            self._record(step)
            return self.pairing.note(exchange_sealed=sealed)

    def _record(self, step: HandshakeStep) -> None:
        with transaction():
            for outcome in step.outcomes:
                calls.record(outcome, self.site.id, by=self.actor, now=self.now())

    def settle(self, step: HandshakeStep) -> str:
        """Record the result of a run; return the token's state."""
        with transaction() as tx:
            self._record(step)
            if step.opened is not None:
                sync = self._complete(step.opened)
                if sync is not None:
                    tx.after_commit(queue.enqueue, "sync_site", sync.id)
            elif step.error_code in _FINAL:
                self._give_up(step)
            else:
                delay_s = self._wait(step)
                tx.after_commit(queue.enqueue, "pair_site", self.pairing.id, delay_s=delay_s)
        return self.pairing.state

    def _complete(self, opened: HandshakeResult) -> Sync | None:
        """Store the keys of the connection, and request the first sync."""
        now = self.now()
        if not self.pairing.close(USED, now):
            return None
        generation = self.site.generation + 1
        won = self.site.move(
            to=ACTIVE,
            when=(PAIRING,),
            **handshake.connection_columns(self.site, opened, generation, self.config, now),
        )
        if not won:
            raise StaleState("A site left *pairing* while its token was waiting.")
        event = PairingCompleted(
            site_id=self.site.id,
            pairing_id=self.pairing.id,
            fingerprint=opened.fingerprint,
            endpoint=opened.endpoint,
            kid=opened.kid,
        )
        audit.record(event, self.actor, now=now)
        # One may be left over from a connection that ended.
        return Sync.open_for(self.site) or Sync.ask(
            self.site, requested_by=self.actor.name, now=now
        )

    def _give_up(self, step: HandshakeStep) -> None:
        now, evidence = self.now(), step.evidence or {}
        if self.pairing.close(FAILED, now, error_code=step.error_code, error_evidence=evidence):
            _release_site(self.pairing)
            event = PairingFailed(
                site_id=self.site.id,
                pairing_id=self.pairing.id,
                error_code=step.error_code,
                evidence=evidence,
            )
            audit.record(event, self.actor, now=now)

    def _wait(self, step: HandshakeStep) -> int:
        """Record the error and the next attempt; return the seconds until then."""
        now, evidence = self.now(), step.evidence or {}
        # "Unauthorized" is what a site without the token says: nothing is wrong yet.
        error_code = "" if step.error_code == ErrorCode.unauthorized else step.error_code
        is_news = error_code != "" and error_code != self.pairing.error_code
        delay_s = _delay_s(self.pairing.attempts)
        self.pairing.note(
            error_code=error_code,
            error_evidence=evidence if error_code else {},
            next_attempt_at=now + timedelta(seconds=delay_s),
            leased_until=None,
        )
        if is_news:
            event = PairingAttemptFailed(
                site_id=self.site.id,
                pairing_id=self.pairing.id,
                error_code=error_code,
                evidence=evidence,
            )
            audit.record(event, self.actor, now=now)
        return delay_s


def note_key(pairing: Pairing, config: Config) -> bytes:
    """Return the key that signs notices about this token; raise SealBroken."""
    return _open(pairing, "note", config)


def _open(pairing: Pairing, name: str, config: Config) -> bytes:
    sealed = getattr(pairing, f"{name}_sealed")
    if sealed is None:
        raise SealBroken(f"the token's {name} is destroyed")
    return KeyRing(config.sealing_keys).open(sealed, _context(pairing.pid, name))


def _is_over(pairing: Pairing, now: datetime) -> bool:
    grace = GRACE if pairing.exchange_sealed else timedelta()
    return bool(now >= pairing.expires_at + grace)


def _expire(pairing: Pairing, now: datetime) -> None:
    """Close an expired token.

    A token that the site accepted without ever confirming it has *failed*: the site may believe
    that it is paired.
    """
    by = Actor.of(pairing.issued_by)
    failed = pairing.exchange_sealed is not None
    with transaction():
        if not pairing.close(FAILED if failed else EXPIRED, now):
            return
        _release_site(pairing)
        if failed:
            evidence = dict(pairing.error_evidence)
            event = PairingFailed(
                site_id=pairing.site_id,
                pairing_id=pairing.id,
                error_code=pairing.error_code,
                evidence=evidence,
            )
            audit.record(event, by, now=now)
        else:
            expired = PairingExpired(site_id=pairing.site_id, pairing_id=pairing.id)
            audit.record(expired, by, now=now)


def _delay_s(attempts: int) -> int:
    """Return the delay until the next attempt: short at first, longer with time."""
    if attempts < 24:
        return 5
    return 10 if attempts < 60 else 30


def _context(pid: str, name: str) -> str:
    return f"pairing:{pid}:{name}"
