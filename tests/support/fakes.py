"""Fakes that behave like what they replace.

`FakeSite` is a SiteAgent in this process: it verifies every signature, derives its own keys and
deletes the data that the plugin deletes. Only the network is missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app import protocol
from app.domain.inventory.received_report import digest_of
from app.http import site_client
from app.http.connection_trace import Trace
from app.http.errors import CallError, ErrorCode
from app.http.response import RawResponse
from app.http.site_client import Channel, ProbeResponse, Reply
from app.keys import (
    Exchange,
    PairingKeys,
    SessionKeys,
    Token,
    fingerprint,
    hash_of,
    key_id,
    new_signing_key,
    next_key_id,
    pairing_keys,
    plan_digest,
    proves,
    rotation_transcript,
    session_keys,
    signing_public,
    transcript,
    verify,
    verify_checkpoint,
)
from app.protocol import (
    NOTE_TAG,
    ProtocolError,
    b64u,
    canonical,
    from_b64u,
)
from tests.support.fake_changes import Changing, ProcessKilled, Refusal
from tests.support.fake_log import FakeLog, Logged

UNAUTHORIZED = (401, {"Content-Type": "application/json"}, b'{"siteagent":1,"code":"unauthorized"}')
MAX_HELLOS = 10


@dataclass
class RecordingQueue:
    """A queue that records jobs and does not run them; `down` simulates an unreachable Redis."""

    jobs: list[tuple[str, tuple[int, ...], int]] = field(default_factory=list)
    down: Exception | None = None

    def put(self, name: str, ids: tuple[int, ...], delay_s: int) -> None:
        if self.down is not None:
            raise self.down
        self.jobs.append((name, ids, delay_s))

    def names(self) -> list[str]:
        return [name for name, _, _ in self.jobs]


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **delta: float) -> datetime:
        from datetime import timedelta

        self.now += timedelta(**delta)
        return self.now


@dataclass
class _Paired:
    kid: str
    keys: SessionKeys
    th: bytes
    sign_d: bytes = b""


@dataclass
class FakeSite(FakeLog):
    """A WordPress with SiteAgent at `home`.

    A failure in `failing` makes a call fail before it arrives. The reply to an operation in
    `losing` is lost.
    """

    home: str
    clock: Clock
    report: dict[str, Any]
    pretty_permalinks: bool = True
    says_home: str = ""
    failing: list[ErrorCode] = field(default_factory=list)
    losing: set[str] = field(default_factory=set)
    address: str = ""
    refusing: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    token: Token | None = None
    hellos: int = 0
    paired: _Paired | None = None
    next: _Paired | None = None
    log: list[Logged] = field(default_factory=list)
    log_uuid: str = "5d2f9f5e-0000-4000-8000-00000000000a"
    batch: int = 500
    held: dict[str, Any] | None = None
    shown: object = None
    held_at: int = 0
    refused: bool = False
    clock_ahead_s: int = 0
    files_checked_at: object = 0
    closed_endpoints: set[str] = field(default_factory=set)
    during: Callable[[str], None] | None = None
    changes: Changing = field(default_factory=Changing)
    uuid: str = "6f1e3c1e-0000-4000-8000-000000000001"
    front_page: tuple[int, bytes] = (200, b"<!doctype html><title>Bakery</title>")
    # The pages at paths other than the front page.
    pages: dict[str, Callable[[], tuple[int, bytes]]] = field(default_factory=dict)
    _pending: _Paired | None = None
    _pairing_keys: PairingKeys | None = None
    _gone: dict[str, str] = field(default_factory=dict)
    _tombstones: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    _nonces: set[str] = field(default_factory=set)
    _signing_key: bytes = field(default_factory=new_signing_key)
    _rotations: dict[str, Exchange] = field(default_factory=dict)

    @property
    def endpoints(self) -> list[str]:
        both = [
            f"{self.home}/wp-json/siteagent/v1/rpc",
            f"{self.home}/?rest_route=/siteagent/v1/rpc",
        ]
        if self.says_home:
            both.append(f"{self.says_home}/wp-json/siteagent/v1/rpc")
        return both if self.pretty_permalinks else both[1:]

    # ---- actions of its administrator ----

    def paste(self, text: str) -> None:
        """Accept a token in wp-admin."""
        self.token = Token.read(text)
        self._pairing_keys = pairing_keys(self.token.secret, self.token.pid)
        self.hellos = 0

    def disconnect(self) -> None:
        """Press Disconnect in wp-admin."""
        assert self.paired is not None
        self._gone[self.paired.kid] = b64u(self.paired.keys.disconnect)
        self.paired = None

    def moved_notice(self, origin: str, home: str) -> protocol.SentRequest:
        """Press "Ask the dashboard to follow" in the wp-admin of `home`."""
        assert self.paired is not None
        document = {
            "v": 1,
            "op": "moved",
            "home": home,
            "endpoints": [f"{home}/wp-json/siteagent/v1/rpc"],
        }
        return self._notice(origin, document, self.paired.keys.s2d, self.paired.kid)

    def permissions_notice(self, origin: str) -> protocol.SentRequest:
        """Save other permissions under Settings → SiteAgent."""
        assert self.paired is not None
        document = {"v": 1, "op": "permissions_changed"}
        return self._notice(origin, document, self.paired.keys.s2d, self.paired.kid)

    def restore_backup(self, paired: _Paired) -> None:
        """Restore the keys of another day."""
        self.paired = paired
        self._gone.clear()
        self._tombstones.clear()

    def ready_notice(self, origin: str, token_text: str) -> protocol.SentRequest:
        token = Token.read(token_text)
        keys = pairing_keys(token.secret, token.pid)
        document = {"v": 1, "op": "pair.ready", "pid": b64u(token.pid), "home": self.home}
        return self._notice(origin, document, keys.note, token.keyid)

    def disconnect_notice(self, origin: str, g: bytes | None = None) -> protocol.SentRequest:
        assert self.paired is not None
        document = {"v": 1, "op": "disconnect", "g": b64u(g or self.paired.keys.disconnect)}
        return self._notice(origin, document, self.paired.keys.s2d, self.paired.kid)

    def _notice(
        self, origin: str, document: dict[str, Any], key: bytes, keyid: str
    ) -> protocol.SentRequest:
        return protocol.sign_request(
            f"{origin}/agent/notice",
            canonical(document),
            key=key,
            keyid=keyid,
            created=self._time(),
            nonce=protocol.new_nonce(),
            tag=NOTE_TAG,
        )

    # ---- calls ----

    def call(
        self,
        channel: Channel,
        op: str,
        arguments: dict[str, Any],
        *,
        by: str,
        noted_at: datetime | None = None,
        nonce: Callable[[], str] = protocol.new_nonce,
        **_: object,
    ) -> Reply:
        """Replace siteclient.call with a call of this site."""
        self.calls.append((op, channel.keyid, channel.endpoint))
        if self.during is not None:
            self.during(op)
        if self.failing:
            raise CallError(self.failing.pop(0), {"detail": "as the test wants it"})
        body = canonical({**arguments, "v": 1, "op": op, "by": by})
        request = protocol.sign_request(
            channel.endpoint,
            body,
            key=channel.send_key,
            keyid=channel.keyid,
            created=int(noted_at.timestamp()) if noted_at else self._time(),
            nonce=nonce(),
        )
        try:
            status, headers, answer = self.receive(request)
        except ProcessKilled as why:
            raise CallError(ErrorCode.broken_off, {"detail": "the process was killed"}) from why
        if op in self.losing:
            self.losing.discard(op)
            raise CallError(ErrorCode.broken_off, {"detail": "the reply was lost"})
        received = RawResponse(status, headers, answer, False, 2**21, "127.0.0.1", ())
        document, site_time = site_client._verified_document(
            request, received, channel.receive_key, op
        )
        now = self.clock()
        offset_s = site_time - int(now.timestamp())
        return Reply(status, document, answer, now, now, 7, request.body, offset_s, self.address)

    @property
    def heard(self) -> frozenset[str]:
        """Return the nonces of all correctly signed requests."""
        return frozenset(self._nonces)

    def look(self, url: str, **_: object) -> ProbeResponse:
        """Replace siteclient.look: request a page as a visitor."""
        draw = self.pages.get(url.removeprefix(self.home))
        status, body = draw() if draw else self.front_page
        is_asset = url.partition("?")[0].endswith((".js", ".css"))
        headers = {"Content-Type": "text/javascript" if is_asset else "text/html; charset=UTF-8"}
        received = RawResponse(status, headers, body, False, 2**18, "127.0.0.1", ())
        return ProbeResponse(url, Trace(), received=received)

    def call_bearer(
        self, endpoint: str, document: dict[str, Any], **_: object
    ) -> tuple[int, dict[str, Any] | None]:
        """Replace siteclient.call_bearer with a call of this site."""
        self.calls.append((document["op"], "", endpoint))
        if self.failing:
            raise CallError(self.failing.pop(0), {})
        answer = self._revoke(document) if document["op"] == "revoke" else None
        if answer is None and document["kid"] in self._gone:
            gone = {"siteagent": 1, "code": "disconnected", "g": self._gone[document["kid"]]}
            return 401, gone
        if answer is None:
            return 401, {"siteagent": 1, "code": "unauthorized"}
        return 200, {"v": 1, "ok": True, "op": "revoke", **answer}

    def receive(self, request: protocol.SentRequest) -> tuple[int, dict[str, str], bytes]:
        """Handle a request as the plugin does: verify it, execute it, and sign the reply."""
        if request.url not in self.endpoints or request.url in self.closed_endpoints:
            return 404, {"Content-Type": "text/html"}, b"<!doctype html><p>Not found</p>"
        try:
            verified = protocol.verify_request(
                method="POST",
                urls=self.endpoints,
                headers=request.headers,
                body=request.body,
                key_for=self._key_for,
                now=self._time(),
            )
        except ProtocolError:
            if request.keyid in self._gone:
                gone = {"siteagent": 1, "code": "disconnected", "g": self._gone[request.keyid]}
                return 401, {"Content-Type": "application/json"}, canonical(gone)
            document = protocol.parse_json(request.body)
            answer = self._revoke(document) if document["op"] == "revoke" else None
            if answer is None:
                return UNAUTHORIZED
            return (
                200,
                {"Content-Type": "application/json"},
                canonical({"v": 1, "ok": True, **answer}),
            )
        key = self._answer_key(verified.keyid)
        status, body = self._answer(request.body, verified)
        return (
            status,
            protocol.sign_response(
                verified, status, body, key=key, now=self._time() + self.clock_ahead_s
            ),
            body,
        )

    def _answer(self, body: bytes, request: protocol.VerifiedRequest) -> tuple[int, bytes]:
        document = protocol.parse_json(body)
        op, keyid = document["op"], request.keyid
        if request.nonce in self._nonces:
            self.write("refused", operation=op, reason="replayed", nonce=request.nonce)
            error = {"code": "replayed", "message": "as the protocol says"}
            return 401, canonical({"v": 1, "ok": False, "op": op, "error": error})
        self._nonces.add(request.nonce)
        if self.next is not None and keyid == self.next.kid:
            self.paired, self.next = self.next, None
            self.write("keys_rotated", generation=int(keyid.rpartition(".")[2]))
        if op in self.refusing:
            self.write("refused", operation=op, reason=self.refusing[op], nonce=request.nonce)
            error = {"code": self.refusing[op], "message": "as the test wants it"}
            return 403, canonical({"v": 1, "ok": False, "op": op, "error": error})
        is_theirs = self.paired is not None and keyid == self.paired.kid
        seen: dict[str, Any] = {}
        if is_theirs and op not in ("revoke", "pair.confirm"):
            seen = {"seen": self.shown, **self._look(document)}
            error = self._error_of_checkpoint(document)
            if error and op in ("change.run", "change.revert", "agent.update", "keys.rotate"):
                self.write("refused", operation=op, reason=error["code"], nonce=request.nonce)
                return 409, canonical({"v": 1, "ok": False, "op": op, "error": error})
            if op == "log":
                self._answered(document, request.nonce)
        handlers = {
            "pair.hello": self._hello,
            "pair.confirm": self._confirm,
            "ping": lambda _document, _body: {"time": self._time(), "plugin": "0.1.0"},
            "report": self._report,
            "log": self.entries_after,
            "keys.rotate": self._rotate,
            "change.check": lambda document, _body: self.changes.answer(self, document),
            "change.run": lambda document, _body: self.changes.answer(self, document),
            "agent.update": lambda document, _body: self.changes.answer(self, document),
            "change.status": lambda document, _body: self.changes.answer(self, document),
            "change.revert": lambda document, _body: self.changes.answer(self, document),
            "revoke": lambda document, _body: self._revoke(document),
        }
        try:
            answer = handlers[op](document, body)
        except Refusal as why:
            self.write("refused", operation=op, reason=why.code, nonce=request.nonce)
            error = {"code": why.code, "message": "as the protocol says", **why.facts}
            return 403, canonical({"v": 1, "ok": False, "op": op, "error": error})
        if answer is None:
            error = {"code": "pairing_closed", "message": "no"}
            return 403, canonical({"v": 1, "ok": False, "op": op, "error": error})
        if seen:
            if op != "log":
                self._answered(document, request.nonce)
            answer |= {
                "checkpoint": self.checkpoint(),
                "knows": self.knows(document),
                **seen,
            }
        reply = canonical({"v": 1, "ok": True, "op": op, **answer})
        if op == "pair.hello":
            self._derive(document, body, reply)
        return 200, reply

    def _error_of_checkpoint(self, document: dict[str, Any]) -> dict[str, str]:
        """Return why this request may change nothing; "" if it may."""
        if self.refused:
            return {"code": "audit_log_forked"}
        if "checkpoint" not in document:
            return {"code": "invalid_arguments", "argument": "checkpoint"}
        return {}

    def _hello(self, document: dict[str, Any], body: bytes) -> dict[str, Any] | None:
        self.hellos += 1
        if self.hellos > MAX_HELLOS:
            return None
        self._exchange = Exchange.new()
        return {
            "e_s": b64u(self._exchange.public),
            "sign_s": b64u(signing_public(self._signing_key)),
            "site": {
                "uuid": self.uuid,
                "home": self.says_home or self.home,
                "endpoints": self.endpoints,
                "wp": "6.8.1",
                "php": "8.2.36",
                "plugin": "0.1.0",
            },
            "time": self._time(),
        }

    def _derive(self, document: dict[str, Any], body: bytes, reply: bytes) -> None:
        th = transcript(body, reply)
        assert self._pairing_keys is not None
        keys = session_keys(self._exchange, from_b64u(document["e_d"]), self._pairing_keys.auth, th)
        self._pending = _Paired(key_id(th), keys, th, from_b64u(document["sign_d"]))

    def _confirm(self, document: dict[str, Any], body: bytes) -> dict[str, Any]:
        ours = self._pending or self.paired
        assert ours is not None
        assert document["th"] == ours.th.hex()
        if self._pending is not None:
            self.held, self.shown, self.refused = None, None, False
            self.write("connected", dashboard="", fingerprint=fingerprint(ours.th))
        self.paired, self._pending, self._pairing_keys = ours, None, None
        return {"fingerprint": fingerprint(ours.th)}

    def _answered(self, document: dict[str, Any], nonce: str) -> None:
        """Log a request, and before it the result of a change."""
        facts = {"operation": document["op"], "by": document["by"], "nonce": nonce}
        if "checkpoint" in document and not self.refused:
            checkpoint = protocol.parse_json(from_b64u(document["checkpoint"]["body"]))
            kept = {name: value for name, value in checkpoint.items() if name != "v"}
            facts["checkpoint"] = {**kept, "sig": document["checkpoint"]["sig"]}
        self.write("answered", **facts)

    def _look(self, document: dict[str, Any]) -> dict[str, Any]:
        """Check the dashboard's checkpoint as the plugin's checkpoint store does."""
        if "checkpoint" not in document or self.refused:
            return {"checkpoint_refused": True} if self.refused else {}
        assert self.paired is not None
        body = from_b64u(document["checkpoint"]["body"])
        assert verify_checkpoint(self.paired.sign_d, body, from_b64u(document["checkpoint"]["sig"]))
        checkpoint, held = protocol.parse_json(body), self.held
        if held is not None:
            goes_back = checkpoint["n"] < held["n"] and checkpoint["at"] > self.held_at
            if goes_back or (checkpoint["n"] == held["n"] and checkpoint["hash"] != held["hash"]):
                self.refused = True
                self.write("checkpoint_refused", n=checkpoint["n"], hash=checkpoint["hash"])
                return {"checkpoint_refused": True}
        if held is None or checkpoint["n"] >= held["n"]:
            self.held, self.held_at = (
                {"n": checkpoint["n"], "hash": checkpoint["hash"]},
                checkpoint["at"],
            )
            self.shown = document["checkpoint"]
        return {}

    def _rotate(self, document: dict[str, Any], body: bytes) -> dict[str, Any] | None:
        assert self.paired is not None
        raw = from_b64u(document["plan"])
        signed = b"siteagent/plan-sig/1\n" + plan_digest(raw)
        plan = protocol.parse_json(raw)
        if not verify(self.paired.sign_d, signed, from_b64u(document["sig"])):
            return None
        sign_d, sig_next = plan["sign_d"], document["sig_next"]
        if sign_d is not None and not verify(from_b64u(sign_d), signed, from_b64u(sig_next)):
            return None
        if plan["home"] not in (None, self.says_home or self.home):
            return None
        exchange = self._rotations.setdefault(plan["op_id"], Exchange.new())
        th = rotation_transcript(raw, exchange.public)
        old = self.paired.keys
        keys = session_keys(exchange, from_b64u(plan["e_d"]), old.d2s + old.s2d, th)
        kid = next_key_id(self.paired.kid, plan["gen"])
        self.next = _Paired(kid, keys, th, from_b64u(sign_d) if sign_d else self.paired.sign_d)
        return {"e_s": b64u(exchange.public)}

    def _report(self, document: dict[str, Any], body: bytes) -> dict[str, Any]:
        digest = digest_of(self.report)
        fields = {"digest": digest, "files_checked_at": self.files_checked_at}
        if document["have"] == digest:
            return {**fields, "unchanged": True}
        return {**fields, "report": {**self.report, "taken_at": self._time()}}

    def _revoke(self, document: dict[str, Any]) -> dict[str, Any] | None:
        is_there = self.paired is not None and self.paired.kid == document["kid"]
        shown, kid = from_b64u(document["r"]), document["kid"]
        if self.paired is not None and self.paired.kid == kid:
            if not proves(shown, hash_of(self.paired.keys.revoke)):
                return None
            keys = self.paired.keys
            self._tombstones[kid] = (hash_of(keys.revoke), keys.revoke_ack)
            self.paired = None
        kept = self._tombstones.get(kid)
        if kept is None or hashlib.sha256(shown).hexdigest() != kept[0]:
            return None
        return {"a": b64u(kept[1]), "ended": is_there}

    def _key_for(self, keyid: str) -> bytes | None:
        if self.token and self._pairing_keys and keyid == self.token.keyid:
            return self._pairing_keys.d2s
        return next((k.keys.d2s for k in self._channels() if k.kid == keyid), None)

    def _answer_key(self, keyid: str) -> bytes:
        if self._pairing_keys and self.token and keyid == self.token.keyid:
            return self._pairing_keys.s2d
        return next(k.keys.s2d for k in self._channels() if k.kid == keyid)

    def _channels(self) -> list[_Paired]:
        return [keys for keys in (self.paired, self.next, self._pending) if keys is not None]

    def _time(self) -> int:
        return int(self.clock().timestamp())


def at(text: str) -> datetime:
    """Parse a UTC time such as `2026-11-24 10:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
