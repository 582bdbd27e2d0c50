"""Agree on new keys with a site and confirm them (docs/PROTOCOL.md 3.2).

The new keys are stored before they are used, so after a crash one generation works: the old one
until the new one is confirmed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app import queue
from app.config import Config
from app.domain import audit, dashboard_identity
from app.domain.actor import SYSTEM
from app.domain.audit.events import (
    KeyRotationFailed,
    KeysRotated,
    ServerLoginChanged,
    SiteMoved,
)
from app.domain.connection import calls, health, quarantine
from app.domain.connection.calls import Call, CallResult
from app.http.site_client import Channel, ErrorCode, Reply
from app.keys import (
    Exchange,
    KeyRefused,
    KeyRing,
    SealBroken,
    SessionKeys,
    fingerprint,
    hash_of,
    next_key_id,
    rotation_transcript,
    session_keys,
    sign_plan,
)
from app.models.base import transaction
from app.models.rotations import AGREED, ASKING, DONE, FAILED, OPEN, Rotation
from app.models.sites import MAY_CALL, Site
from app.protocol import ProtocolError, b64u, canonical, from_b64u
from app.retry import backoff

FIRST_RETRY = timedelta(seconds=10)
LONGEST_RETRY = timedelta(hours=1)
# Before new keys are agreed on, giving up is safe: the old keys work.
MOST_ATTEMPTS = 5
# Afterwards the site may hold either generation, and both are kept this long.
KEPT_FOR = timedelta(days=7)

OPERATION = "keys.rotate"


@dataclass(frozen=True, repr=False)
class _NextKeys:
    """The next generation of keys, agreed on but not confirmed."""

    kid: str
    th: str
    endpoint: str
    d2s: str
    s2d: str
    revoke: str
    ack_hash: str
    disconnect_hash: str

    @classmethod
    def of(cls, kid: str, th: bytes, endpoint: str, session: SessionKeys) -> _NextKeys:
        return cls(
            kid=kid,
            th=th.hex(),
            endpoint=endpoint,
            d2s=b64u(session.d2s),
            s2d=b64u(session.s2d),
            revoke=b64u(session.revoke),
            ack_hash=hash_of(session.revoke_ack),
            disconnect_hash=hash_of(session.disconnect),
        )


@dataclass(frozen=True)
class RotationAttempt:
    """One run, with the lease of its rotation."""

    rotation: Rotation
    site: Site
    config: Config
    call: Call
    now: Callable[[], datetime]

    def run(self) -> str:
        if not self.site.is_paired:
            return self.fail("", {"why": "the connection has ended"})
        if self.rotation.state == ASKING and not self._agree():
            return self.rotation.state
        return self._confirm()

    # ---- agreeing ----

    def _agree(self) -> bool:
        """Exchange keys and store the result; return False if that ended this attempt."""
        outcomes, channel = self._exchange()
        outcome = calls.effective_result(outcomes)
        self._write_down(outcomes)
        if outcome.reply is None:
            gives_up = self.rotation.attempts >= MOST_ATTEMPTS or (
                outcome.error is not None and outcome.error.permanent
            )
            (self.fail if gives_up else self.wait)(outcome.error_code, outcome.evidence)
            return False
        try:
            agreed = self._derive(outcome.reply, channel)
        except (ProtocolError, KeyRefused) as why:
            self.fail(ErrorCode.malformed_reply.value, {"why": str(why)[:300]})
            return False
        sealed = seal(self.config, canonical(asdict(agreed)), self.rotation.op_id, "next")
        return self.rotation.move(to=AGREED, when=(ASKING,), next_sealed=sealed)

    def _exchange(self) -> tuple[list[CallResult], Channel]:
        channel = calls.channel_to(self.site, self.config)
        question = {
            "op_id": self.rotation.op_id,
            "plan": self.rotation.plan,
            "sig": self.rotation.signature,
            "sig_next": self._next_signature(),
        }
        if not self.rotation.endpoints:
            return calls.call_with_fallback(
                self.site,
                channel,
                OPERATION,
                question,
                by=self.rotation.requested_by,
                config=self.config,
                call=self.call,
                now=self.now,
            )
        outcomes: list[CallResult] = []
        for endpoint in self.rotation.endpoints:
            there = _at(channel, endpoint)
            outcomes.append(self._ask(there, OPERATION, question))
            if outcomes[-1].reply or outcomes[-1].error_code not in calls.FALLBACK_ERRORS:
                return outcomes, there
        return outcomes, channel

    def _next_signature(self) -> str | None:
        """Return the signature with the next key, if the plan names one."""
        plan, sign_d = from_b64u(self.rotation.plan), self._planned_key()
        if sign_d is None:
            return None
        return b64u(sign_plan(dashboard_identity.load_dashboard(self.config).key_for(sign_d), plan))

    def _planned_key(self) -> str | None:
        sign_d = json.loads(from_b64u(self.rotation.plan)).get("sign_d")
        return None if sign_d is None else str(sign_d)

    def _derive(self, reply: Reply, channel: Channel) -> _NextKeys:
        e_s = from_b64u(reply.document.get("e_s"), 32)
        plan = from_b64u(self.rotation.plan)
        th = rotation_transcript(plan, e_s)
        private = _open(self.config, self.rotation.exchange_sealed, self.rotation.op_id, "exchange")
        old = channel.send_key + channel.receive_key
        session = session_keys(Exchange(private), e_s, old, th)
        kid = next_key_id(channel.keyid, generation_of(channel.keyid) + 1)
        return _NextKeys.of(kid, th, channel.endpoint, session)

    # ---- confirming ----

    def _confirm(self) -> str:
        """Send a message with the new keys; an answer makes them the connection's keys."""
        raw = _open(self.config, self.rotation.next_sealed, self.rotation.op_id, "next")
        agreed = _NextKeys(**json.loads(raw))
        channel = Channel(
            self.site.id,
            agreed.endpoint,
            agreed.kid,
            from_b64u(agreed.d2s),
            from_b64u(agreed.s2d),
            calls.server_login_at(self.site, agreed.endpoint, self.config),
            self._planned_key() or self.site.sign_d,
        )
        outcome = self._ask(channel, "ping", {})
        self._write_down([outcome])
        if outcome.reply is not None:
            return self._commit(agreed, outcome)
        if outcome.error_code == ErrorCode.unauthorized and self._old_keys_work():
            return self.fail(outcome.error_code, outcome.evidence)
        if self.now() - self.rotation.requested_at >= KEPT_FOR:
            return self.fail(outcome.error_code, outcome.evidence)
        return self.wait(outcome.error_code, outcome.evidence)

    def _old_keys_work(self) -> bool:
        """Whether the site proves that it does not have the new keys."""
        outcome = self._ask(calls.channel_to(self.site, self.config), "ping", {})
        self._write_down([outcome])
        return outcome.reply is not None

    def _commit(self, agreed: _NextKeys, outcome: CallResult) -> str:
        now, site = self.now(), self.site
        generation = site.generation + 1
        ring = KeyRing(self.config.sealing_keys)
        keys_sealed = {
            name: ring.seal(
                from_b64u(getattr(agreed, name)),
                calls.key_context(site.id, name, generation),
            )
            for name in ("d2s", "s2d", "revoke")
        }
        with transaction():
            if not self.rotation.move(to=DONE, when=(AGREED,), ended_at=now, **_FORGOTTEN):
                return self.rotation.state
            site.refresh()
            # The known head of the log belongs to the old keys.
            site.note(
                when=MAY_CALL,
                generation=generation,
                keys_sealed=keys_sealed,
                kid=agreed.kid,
                fingerprint=fingerprint(bytes.fromhex(agreed.th)),
                ack_hash=agreed.ack_hash,
                disconnect_hash=agreed.disconnect_hash,
                sign_d=self._planned_key() or site.sign_d,
                log_n=0,
                log_hash="",
                **self._move(agreed),
            )
            health.record_success(site, outcome, SYSTEM, now, endpoint=agreed.endpoint)
            event = KeysRotated(
                site_id=site.id,
                rotation_id=self.rotation.id,
                kid=agreed.kid,
                generation=generation_of(agreed.kid),
            )
            audit.record(event, SYSTEM, now=now)
            quarantine.end_quarantine(
                site, "followed" if self.rotation.home else "rotated", SYSTEM, now
            )
        return self.rotation.state

    def _move(self, agreed: _NextKeys) -> dict[str, object]:
        """Record a new address, and return its columns; empty if the site stays."""
        home = self.rotation.home
        if not home:
            return {}
        event = SiteMoved(site_id=self.site.id, from_url=self.site.url, to_url=home)
        audit.record(event, SYSTEM, now=self.now())
        return {
            "url": home,
            "home": home,
            "endpoint": agreed.endpoint,
            "endpoints": self.rotation.endpoints,
            **self._forget_server_login(agreed),
        }

    def _forget_server_login(self, agreed: _NextKeys) -> dict[str, object]:
        """Return the columns that delete the password of the server that the site left."""
        stays = calls.is_same_server(self.site.endpoint, agreed.endpoint)
        if stays or not self.site.server_login_sealed:
            return {}
        event = ServerLoginChanged(site_id=self.site.id, is_kept=False)
        audit.record(event, SYSTEM, now=self.now())
        return {"server_login_sealed": None}

    # ---- what is written down ----

    def _ask(self, channel: Channel, op: str, arguments: dict[str, Any]) -> CallResult:
        return calls.call_site(
            channel,
            op,
            arguments,
            by=self.rotation.requested_by,
            config=self.config,
            call=self.call,
            now=self.now,
        )

    def _write_down(self, outcomes: list[CallResult]) -> None:
        with transaction():
            for outcome in outcomes:
                calls.record(outcome, self.site.id, now=self.now())

    def wait(self, error_code: str, evidence: dict[str, str | int]) -> str:
        """Record the error and plan the next attempt."""
        now = self.now()
        delay = backoff(self.rotation.attempts, FIRST_RETRY, LONGEST_RETRY)
        with transaction() as tx:
            self.rotation.move(
                to=self.rotation.state,
                when=OPEN,
                error_code=error_code,
                evidence=evidence,
                next_attempt_at=now + delay,
                leased_until=None,
            )
            delay_s = int(delay.total_seconds())
            tx.after_commit(queue.enqueue, "rotate_keys", self.rotation.id, delay_s=delay_s)
        return self.rotation.state

    def fail(self, error_code: str, evidence: dict[str, str | int]) -> str:
        """Keep the current keys, and discard what was agreed on."""
        now = self.now()
        with transaction():
            ended = {"ended_at": now, "error_code": error_code, "evidence": evidence, **_FORGOTTEN}
            if self.rotation.move(to=FAILED, when=OPEN, **ended):
                event = KeyRotationFailed(
                    site_id=self.site.id, rotation_id=self.rotation.id, error_code=error_code
                )
                audit.record(event, SYSTEM, now=now)
        return self.rotation.state


_FORGOTTEN: dict[str, object] = {
    "exchange_sealed": None,
    "next_sealed": None,
    "leased_until": None,
}


def generation_of(keyid: str) -> int:
    """Return the number of the generation that a key id ends with."""
    return int(keyid.rpartition(".")[2])


def _at(channel: Channel, endpoint: str) -> Channel:
    """Return the channel at another address; the web server's password stays with its server."""
    login = channel.server_login if calls.is_same_server(channel.endpoint, endpoint) else ""
    return replace(channel, endpoint=endpoint, server_login=login)


def seal(config: Config, raw: bytes, op_id: str, name: str) -> str:
    """Seal a key of a rotation, so that it opens in no other one."""
    return KeyRing(config.sealing_keys).seal(raw, f"rotation:{op_id}:{name}")


def _open(config: Config, sealed: str | None, op_id: str, name: str) -> bytes:
    if sealed is None:
        raise SealBroken(f"the rotation's {name} is destroyed")
    return KeyRing(config.sealing_keys).open(sealed, f"rotation:{op_id}:{name}")
