"""Request new keys as the dashboard does, or with a changed part of the plan."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any

from app import keys
from app.http.site_client import Reply
from app.protocol import b64u, canonical, from_b64u
from tests.plugin.support.dashboard import Paired, checkpoint_of


@dataclass
class Plan:
    """A key rotation as the dashboard requests it; a test can replace every part of it."""

    paired: Paired
    document: dict[str, Any]
    exchange: keys.Exchange
    seed: bytes
    checkpoint: dict[str, str]

    @classmethod
    def of(cls, wp, paired: Paired, **changed: Any) -> Plan:
        exchange = keys.Exchange.new()
        document = {
            "v": 1,
            "do": "keys.rotate",
            "op_id": str(uuid.uuid4()),
            "site": wp.evaluate("return siteagent()->site_identity()->uuid();"),
            "kid": paired.channel.keyid,
            "gen": int(paired.channel.keyid.rpartition(".")[2]) + 1,
            "e_d": b64u(exchange.public),
            "home": None,
            "sign_d": None,
        }
        checkpoint = checkpoint_of(paired, 1, 1)
        return cls(paired, {**document, **changed}, exchange, paired.seed, checkpoint)

    @property
    def bytes(self) -> bytes:
        return canonical(self.document)

    def send(self, **changed: Any) -> Reply:
        arguments = {
            "op_id": self.document["op_id"],
            "plan": b64u(self.bytes),
            "sig": b64u(keys.sign_plan(self.seed, self.bytes)),
            "sig_next": None,
            "checkpoint": self.checkpoint,
        }
        return self.paired.ask("keys.rotate", **{**arguments, **changed})

    def next(self, reply: Reply) -> Paired:
        """Return the connection with the keys of the next generation."""
        e_s = from_b64u(reply.document["e_s"], 32)
        th = keys.rotation_transcript(self.bytes, e_s)
        old = self.paired.channel
        auth = old.send_key + old.receive_key
        session = keys.session_keys(self.exchange, e_s, auth, th)
        keyid = keys.next_key_id(old.keyid, self.document["gen"])
        channel = replace(old, keyid=keyid, send_key=session.d2s, receive_key=session.s2d)
        fingerprint = keys.fingerprint(th)
        return replace(self.paired, channel=channel, session=session, fingerprint=fingerprint)
