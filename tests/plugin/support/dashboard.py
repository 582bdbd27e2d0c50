"""Act as a dashboard without Aura: create tokens, pair, call a site."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from app import keys
from app.http import site_client
from app.protocol import b64u, canonical, from_b64u, parse_json

# No server listens there, so notices fail at once and tests do not depend on them.
ORIGIN = "http://127.0.0.1:9"
NETS = (ip_network("127.0.0.0/8"),)


@dataclass(frozen=True)
class Paired:
    """What a dashboard holds after pairing."""

    channel: site_client.Channel
    session: keys.SessionKeys
    fingerprint: str
    seed: bytes

    def ask(self, op: str, **arguments: Any) -> site_client.Reply:
        return site_client.call(self.channel, op, arguments, by="Ben", allow_nets=NETS)


def new_token(site_url: str, *, origin: str = ORIGIN, age_s: int = 0) -> keys.Token:
    return keys.new_token(origin, site_url, int(time.time()) - age_s)


def pair(token: keys.Token) -> Paired:
    """Pair at the address that works with any permalinks; return the connection."""
    endpoint = f"{token.site_url}/?rest_route=/siteagent/v1/rpc"
    pairing, exchange = keys.pairing_keys(token.secret, token.pid), keys.Exchange.new()
    seed = keys.new_signing_key()
    channel = site_client.Channel(0, endpoint, token.keyid, pairing.d2s, pairing.s2d)
    hello = {
        "pid": b64u(token.pid),
        "e_d": b64u(exchange.public),
        "sign_d": b64u(keys.signing_public(seed)),
        "dash": {"id": str(uuid.uuid4()), "origin": token.origin},
        "url": endpoint,
    }
    answer = site_client.call(channel, "pair.hello", hello, by="Ana", allow_nets=NETS)
    th = keys.transcript(answer.request_body, answer.body)
    session = keys.session_keys(exchange, from_b64u(answer.document["e_s"], 32), pairing.auth, th)
    live = site_client.Channel(0, endpoint, keys.key_id(th), session.d2s, session.s2d)
    site_client.call(live, "pair.confirm", {"th": th.hex()}, by="Ana", allow_nets=NETS)
    return Paired(live, session, keys.fingerprint(th), seed)


def head_of(answer: site_client.Reply) -> dict[str, Any]:
    """Return the number and hash of the newest log entry from a response's checkpoint."""
    checkpoint = parse_json(from_b64u(answer.document["checkpoint"]["body"]))
    return {"n": checkpoint["n"], "hash": checkpoint["hash"]}


def checkpoint_of(paired: Paired, n: int, at: int, digest: str = "") -> dict[str, str]:
    """Return a signed checkpoint of the dashboard's audit log."""
    body = canonical(
        {
            "v": 1,
            "log": "0b1f6a3e-6a0b-4a7c-9a52-6d0a3c0f7e11",
            "n": n,
            "hash": digest or f"{n:064x}",
            "root": "e" * 64,
            "at": at,
        }
    )
    return {"body": b64u(body), "sig": b64u(keys.sign_checkpoint(paired.seed, body))}
