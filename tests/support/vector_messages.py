"""The messages in vectors.json that both implementations accept, from fixed keys and nonces."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

from app import keys, protocol

NOW = 1795463815
ENDPOINT = "https://shop.example.test/wp-json/siteagent/v1/rpc"
PLAIN_ENDPOINT = "https://shop.example.test/?rest_route=/siteagent/v1/rpc"
ENDPOINTS = [ENDPOINT, PLAIN_ENDPOINT]
ORIGIN = "https://aura.example.test"
NOTICE_URL = f"{ORIGIN}/agent/notice"
BY = "Ana Díaz <ana>"
LOG_UUID = "6e0c3b52-90a4-4b60-9b0b-4d1a52f1c3d7"

HELLO_DASH = {"id": "0b1f6a3e-6a0b-4a7c-9a52-6d0a3c0f7e11", "origin": ORIGIN}
SITE = {
    "uuid": "8a52c9b1-1d0e-4f0e-8a4e-3a1f5a0c9d22",
    "home": "https://shop.example.test",
    "endpoints": ENDPOINTS,
    "wp": "6.1.9",
    "php": "8.2.36",
    "plugin": "0.1.0",
}
REPORT = {
    "v": 1,
    "taken_at": NOW,
    "wordpress": {"version": "6.1.9", "locale": "de_DE", "multisite": False},
    "plugins": [{"id": "akismet/akismet.php", "name": "Akismet – „Spam“ \u2028 </script>"}],
}


def fixed(name: str, size: int = 32) -> bytes:
    """Return pseudorandom bytes that never change."""
    return hashlib.sha256(b"siteagent vectors: " + name.encode()).digest()[:size]


def b64(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")


def nonce(name: str) -> str:
    return protocol.b64u(fixed(f"nonce {name}", 16))


def body(**document: Any) -> bytes:
    return protocol.canonical({"v": 1, **document})


class Messages:
    """Collect signed messages. A reply names the request it answers."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.sent: dict[str, protocol.SentRequest] = {}
        self.key_of: dict[str, bytes] = {}

    def request(
        self,
        name: str,
        raw: bytes,
        key: bytes,
        keyid: str,
        *,
        url: str = ENDPOINT,
        tag: str = protocol.REQUEST_TAG,
    ) -> protocol.SentRequest:
        sent = protocol.sign_request(
            url, raw, key=key, keyid=keyid, created=NOW, nonce=nonce(name), tag=tag
        )
        self.sent[name], self.key_of[name] = sent, key
        notice = tag == protocol.NOTE_TAG
        parameters = sent.headers["Signature-Input"].removeprefix("sa=")
        self.rows.append(
            {
                "name": name,
                "kind": "notice" if notice else "request",
                "sign": {
                    "key_b64": b64(key),
                    "keyid": keyid,
                    "url": url,
                    "body": raw.decode(),
                    "body_b64": b64(raw),
                    "created": NOW,
                    "expires": NOW + protocol.LIFETIME_S,
                    "nonce": sent.nonce,
                    "tag": tag,
                },
                "base": protocol.request_base(url, sent.headers["Content-Digest"], parameters),
                "headers": sent.headers,
                "verify": verify_request(
                    sent.headers,
                    raw,
                    {keyid: key},
                    urls=[NOTICE_URL] if notice else ENDPOINTS,
                    tag=tag,
                    expect_url=url,
                ),
            }
        )
        return sent

    def response(self, name: str, to: str, status: int, raw: bytes, key: bytes) -> dict[str, str]:
        sent = self.sent[to]
        headers = protocol.sign_response(verified(sent), status, raw, key=key, now=NOW + 1)
        digest = headers["Content-Digest"]
        asked = sent.headers["Content-Digest"]
        parameters = headers["Signature-Input"].removeprefix("sa=")
        self.rows.append(
            {
                "name": name,
                "kind": "response",
                "answers": to,
                "sign": {
                    "key_b64": b64(key),
                    "keyid": sent.keyid,
                    "request": reference(sent),
                    "status": status,
                    "body": raw.decode(),
                    "body_b64": b64(raw),
                    "created": NOW + 1,
                    "expires": NOW + 1 + protocol.LIFETIME_S,
                    "nonce": sent.nonce,
                    "tag": protocol.RESPONSE_TAG,
                },
                "base": protocol.response_base(status, digest, sent.url, asked, parameters),
                "headers": headers,
                "verify": verify_response(sent, status, headers, raw, key),
            }
        )
        return headers


def verified(sent: protocol.SentRequest) -> protocol.VerifiedRequest:
    return protocol.VerifiedRequest(
        sent.keyid,
        sent.nonce,
        NOW,
        NOW + protocol.LIFETIME_S,
        sent.url,
        sent.headers["Content-Digest"],
    )


def reference(sent: protocol.SentRequest) -> dict[str, str]:
    return {
        "url": sent.url,
        "keyid": sent.keyid,
        "nonce": sent.nonce,
        "content_digest": sent.headers["Content-Digest"],
    }


def verify_request(
    headers: dict[str, str],
    raw: bytes,
    known: dict[str, bytes],
    *,
    urls: list[str] = ENDPOINTS,
    tag: str = protocol.REQUEST_TAG,
    method: str = "POST",
    now: int = NOW,
    expect: str = "ok",
    expect_url: str = "",
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "method": method,
        "urls": urls,
        "headers": headers,
        "body_b64": b64(raw),
        "now": now,
        "tag": tag,
        "keys": {keyid: b64(key) for keyid, key in known.items()},
        "expect": expect,
    }
    if expect == "ok":
        row["expect_url"] = expect_url
    return row


def verify_response(
    sent: protocol.SentRequest,
    status: int,
    headers: dict[str, str],
    raw: bytes,
    key: bytes,
    expect: str = "ok",
) -> dict[str, Any]:
    return {
        "request": reference(sent),
        "status": status,
        "headers": headers,
        "body_b64": b64(raw),
        "key_b64": b64(key),
        "expect": expect,
    }


def pairing() -> tuple[dict[str, Any], keys.PairingKeys, keys.SessionKeys, bytes, bytes, str]:
    """Return the whole key schedule from fixed private keys, with the hello bodies."""
    token = keys.Token(
        pid=fixed("pid", 16),
        secret=fixed("secret"),
        expires_at=NOW + keys.TOKEN_LIFE_S,
        origin=ORIGIN,
        site_url="https://shop.example.test",
    )
    early = keys.pairing_keys(token.secret, token.pid)
    dash, site = keys.Exchange(fixed("e_d")), keys.Exchange(fixed("e_s"))
    sign_d, sign_s = fixed("sign_d"), fixed("sign_s")
    hello = body(
        op="pair.hello",
        by=BY,
        pid=protocol.b64u(token.pid),
        e_d=protocol.b64u(dash.public),
        sign_d=protocol.b64u(keys.signing_public(sign_d)),
        dash=HELLO_DASH,
        url=ENDPOINT,
    )
    answer = body(
        ok=True,
        op="pair.hello",
        e_s=protocol.b64u(site.public),
        sign_s=protocol.b64u(keys.signing_public(sign_s)),
        site=SITE,
        time=NOW + 1,
    )
    th = keys.transcript(hello, answer)
    late = keys.session_keys(dash, site.public, early.auth, th)
    assert late.__dict__ == keys.session_keys(site, dash.public, early.auth, th).__dict__
    kid = keys.key_id(th)
    message = b"siteagent/1 example\n" + th
    row = {
        "pid_b64": b64(token.pid),
        "pid_b64u": protocol.b64u(token.pid),
        "secret_b64": b64(token.secret),
        "expires_at": token.expires_at,
        "origin": token.origin,
        "site_url": token.site_url,
        "token": token.text(),
        "pair_keyid": token.keyid,
        "auth_b64": b64(early.auth),
        "pair_d2s_b64": b64(early.d2s),
        "pair_s2d_b64": b64(early.s2d),
        "pair_note_b64": b64(early.note),
        "dashboard": {
            "x25519_private_b64": b64(dash.private_bytes),
            "x25519_public_b64": b64(dash.public),
            "ed25519_seed_b64": b64(sign_d),
            "ed25519_public_b64": b64(keys.signing_public(sign_d)),
        },
        "site": {
            "x25519_private_b64": b64(site.private_bytes),
            "x25519_public_b64": b64(site.public),
            "ed25519_seed_b64": b64(sign_s),
            "ed25519_public_b64": b64(keys.signing_public(sign_s)),
        },
        "hello_body_b64": b64(hello),
        "answer_body_b64": b64(answer),
        "shared_z_b64": b64(dash.shared(site.public)),
        "th_hex": th.hex(),
        "kid": kid,
        "fingerprint": keys.fingerprint(th),
        "d2s_b64": b64(late.d2s),
        "s2d_b64": b64(late.s2d),
        "revoke_b64": b64(late.revoke),
        "revoke_sha256_hex": keys.hash_of(late.revoke),
        "revoke_ack_b64": b64(late.revoke_ack),
        "revoke_ack_sha256_hex": keys.hash_of(late.revoke_ack),
        "disconnect_b64": b64(late.disconnect),
        "disconnect_sha256_hex": keys.hash_of(late.disconnect),
        "refused_peer_keys_hex": [
            "00" * 32,
            "01" + "00" * 31,
            "ec" + "ff" * 30 + "7f",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        ],
        "ed25519_example": {
            "message_b64": b64(message),
            "dashboard_signature_b64": b64(keys.sign(sign_d, message)),
            "site_signature_b64": b64(keys.sign(sign_s, message)),
        },
    }
    return row, early, late, hello, answer, kid


def messages() -> tuple[Messages, dict[str, Any], keys.SessionKeys, str]:
    row, early, late, hello, answer, kid = pairing()
    keyid = row["pair_keyid"]
    made = Messages()
    made.request("pair.hello", hello, early.d2s, keyid)
    made.response("pair.hello answered", "pair.hello", 200, answer, early.s2d)
    made.request("pair.confirm", body(op="pair.confirm", by=BY, th=row["th_hex"]), late.d2s, kid)
    made.response(
        "pair.confirm answered",
        "pair.confirm",
        200,
        body(ok=True, op="pair.confirm", fingerprint=row["fingerprint"]),
        late.s2d,
    )
    made.request("ping", body(op="ping", by="schedule"), late.d2s, kid)
    pong = body(ok=True, op="ping", time=NOW + 1, plugin="0.1.0")
    made.response("ping answered", "ping", 200, pong, late.s2d)
    made.request(
        "ping, second address", body(op="ping", by="schedule"), late.d2s, kid, url=PLAIN_ENDPOINT
    )
    made.response("ping, second address, answered", "ping, second address", 200, pong, late.s2d)
    for name, status, error in (
        ("clock_skew", 401, {"site_time": NOW + 900, "your_created": NOW}),
        ("replayed", 401, {}),
        ("digest_mismatch", 400, {"bytes": 812}),
        ("identity_changed", 409, {"paired": "shop.example.test", "now": "copy.example.test"}),
    ):
        refusal = {"code": name, "message": f"Refused: {name}.", **error}
        made.response(
            f"ping refused with {name}",
            "ping",
            status,
            body(ok=False, op="ping", error=refusal),
            late.s2d,
        )
    made.request("report", body(op="report", by=BY, have=None), late.d2s, kid)
    without_time = {name: value for name, value in REPORT.items() if name != "taken_at"}
    digest = hashlib.sha256(protocol.canonical(without_time)).hexdigest()
    made.response(
        "report answered",
        "report",
        200,
        body(ok=True, op="report", digest=digest, report=REPORT),
        late.s2d,
    )
    made.request("report again", body(op="report", by=BY, have=digest), late.d2s, kid)
    made.response(
        "report again answered",
        "report again",
        200,
        body(ok=True, op="report", digest=digest, unchanged=True),
        late.s2d,
    )
    made.request(
        "revoke", body(op="revoke", by=BY, kid=kid, r=protocol.b64u(late.revoke)), late.d2s, kid
    )
    made.response(
        "revoke answered",
        "revoke",
        200,
        body(ok=True, op="revoke", a=protocol.b64u(late.revoke_ack)),
        late.s2d,
    )
    rotation(made, row, late, kid)
    notes(made, row, early, late, kid)
    return made, row, late, kid


def rotation(
    made: Messages, row: dict[str, Any], late: keys.SessionKeys, kid: str
) -> dict[str, Any]:
    """Return a key rotation from fixed private keys, with its messages."""
    dash, site = keys.Exchange(fixed("e_d 2")), keys.Exchange(fixed("e_s 2"))
    seed, next_seed = fixed("sign_d"), fixed("sign_d 2")
    plan = body(
        do="keys.rotate",
        op_id="3f0c8b56-7a60-4c8e-9d7e-0d6a1c7f9b21",
        site=SITE["uuid"],
        kid=kid,
        gen=2,
        e_d=protocol.b64u(dash.public),
        home=None,
        sign_d=protocol.b64u(keys.signing_public(next_seed)),
    )
    signature = keys.sign_plan(seed, plan)
    next_signature = keys.sign_plan(next_seed, plan)
    th = keys.rotation_transcript(plan, site.public)
    fresh = keys.session_keys(dash, site.public, late.d2s + late.s2d, th)
    next_kid = keys.next_key_id(kid, 2)
    head = {"n": 7, "hash": fixed("head").hex()}
    question = {
        "op_id": "3f0c8b56-7a60-4c8e-9d7e-0d6a1c7f9b21",
        "plan": protocol.b64u(plan),
        "sig": protocol.b64u(signature),
        "sig_next": protocol.b64u(next_signature),
        "log": head,
    }
    made.request("keys.rotate", body(op="keys.rotate", by=BY, **question), late.d2s, kid)
    made.response(
        "keys.rotate answered",
        "keys.rotate",
        200,
        body(
            ok=True,
            op="keys.rotate",
            e_s=protocol.b64u(site.public),
            log={"n": 8, "hash": fixed("head 2").hex(), "knows": True},
        ),
        late.s2d,
    )
    made.request(
        "ping under the next generation", body(op="ping", by=BY, log=head), fresh.d2s, next_kid
    )
    return {
        "plan_b64": b64(plan),
        "plan_digest_hex": keys.plan_digest(plan).hex(),
        "plan_signature_b64": b64(signature),
        "next_signing_public_b64u": protocol.b64u(keys.signing_public(next_seed)),
        "next_plan_signature_b64": b64(next_signature),
        "dashboard_x25519_private_b64": b64(dash.private_bytes),
        "dashboard_x25519_public_b64": b64(dash.public),
        "site_x25519_private_b64": b64(site.private_bytes),
        "site_x25519_public_b64": b64(site.public),
        "old_d2s_b64": b64(late.d2s),
        "old_s2d_b64": b64(late.s2d),
        "th_hex": th.hex(),
        "kid": next_kid,
        "d2s_b64": b64(fresh.d2s),
        "s2d_b64": b64(fresh.s2d),
        "revoke_sha256_hex": keys.hash_of(fresh.revoke),
        "revoke_ack_sha256_hex": keys.hash_of(fresh.revoke_ack),
        "disconnect_sha256_hex": keys.hash_of(fresh.disconnect),
    }


def release() -> dict[str, Any]:
    """Return a signed release of SiteAgent, and the fields of its release.json."""
    seed, digest = fixed("release key"), fixed("package").hex()
    statement = protocol.canonical(
        {"v": 1, "slug": "siteagent", "version": "1.2.3", "sha256": digest}
    )
    return {
        "ed25519_seed_b64": b64(seed),
        "public_b64u": protocol.b64u(keys.signing_public(seed)),
        "statement_b64": b64(statement),
        "version": "1.2.3",
        "sha256": digest,
        "sig": protocol.b64u(keys.sign_release(seed, "1.2.3", digest)),
    }


def notes(
    made: Messages, row: dict[str, Any], early: keys.PairingKeys, late: keys.SessionKeys, kid: str
) -> None:
    ready = body(op="pair.ready", pid=row["pid_b64u"], home=SITE["home"])
    made.request(
        "pair.ready notice",
        ready,
        early.note,
        row["pair_keyid"],
        url=NOTICE_URL,
        tag=protocol.NOTE_TAG,
    )
    made.response(
        "pair.ready notice answered",
        "pair.ready notice",
        200,
        body(ok=True, op="pair.ready"),
        early.note,
    )
    for reason in ("used", "expired", "cancelled"):
        error = {"code": "pairing_closed", "message": f"This token is {reason}.", "reason": reason}
        made.response(
            f"pair.ready notice refused, {reason}",
            "pair.ready notice",
            409,
            body(ok=False, op="pair.ready", error=error),
            early.note,
        )
    made.request(
        "moved notice",
        body(op="moved", home="https://new.example.test", endpoints=[ENDPOINT]),
        late.s2d,
        kid,
        url=NOTICE_URL,
        tag=protocol.NOTE_TAG,
    )
    made.response("moved notice answered", "moved notice", 200, body(ok=True, op="moved"), late.s2d)
    made.request(
        "disconnect notice notice",
        body(op="disconnect", g=protocol.b64u(late.disconnect)),
        late.s2d,
        kid,
        url=NOTICE_URL,
        tag=protocol.NOTE_TAG,
    )
    made.response(
        "disconnect notice notice answered",
        "disconnect notice notice",
        200,
        body(ok=True, op="disconnect"),
        late.s2d,
    )
