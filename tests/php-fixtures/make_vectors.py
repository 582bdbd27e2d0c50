"""Writes vectors.json, the one file both implementations are held to.

Run: python tests/php-fixtures/make_vectors.py        (no argument: rewrite the file)
The inputs are fixed, so the same code always gives the same bytes. A change in the
file is a change of the protocol and belongs into docs/PROTOCOL.md and DECISIONS.md.
"""

# ruff: noqa: E501 -- long lines are the vectors themselves

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from app import keys, protocol  # noqa: E402 -- needs the path above

TARGET = Path(__file__).with_name("vectors.json")
NOW = 1795463815
ENDPOINT = "https://shop.example.test/wp-json/siteagent/v1/rpc"
PLAIN_ENDPOINT = "https://shop.example.test/?rest_route=/siteagent/v1/rpc"
ENDPOINTS = [ENDPOINT, PLAIN_ENDPOINT]
ORIGIN = "https://aura.example.test"
NOTICE_URL = f"{ORIGIN}/agent/notice"
BY = "Ana Díaz <ana>"
LOG_UUID = "6e0c3b52-90a4-4b60-9b0b-4d1a52f1c3d7"

ABOUT = [
    "Vectors of the siteagent/1 protocol (docs/PROTOCOL.md). Both implementations walk this file.",
    "*_b64 is standard base64 with padding, *_hex lower-case hex, *_b64u base64url without padding.",
    "messages: sign 'sign' and get 'base' and 'headers' byte for byte; then verify 'verify'.",
    "accepted and refusals: only verify. 'expect' is 'ok' or the error code to be raised.",
    "verify, kind request or notice: {method, urls (the verifier's own list), headers, body_b64, now, tag,"
    " keys {keyid: key_b64}}; 'expect_url' is the address that matched.",
    "verify, kind response: {request {url, keyid, nonce, content_digest}, status, headers, body_b64, key_b64}.",
    "Header values stand as the HTTP layer hands them over; nothing is trimmed by the verifier.",
    "tokens: read 'text' at 'now' on a site whose home is 'home'; 'expect' is what wp-admin must conclude.",
    "parse: 'expect' ok gives 'canonical_b64' and 'sha256_hex'; 'sides' names who can refuse it.",
    "chain: hash_hex of every entry from its 'body' text, starting from genesis_hex.",
]

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
    """Bytes that look random and never change."""
    return hashlib.sha256(b"siteagent vectors: " + name.encode()).digest()[:size]


def b64(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")


def nonce(name: str) -> str:
    return protocol.b64u(fixed(f"nonce {name}", 16))


def body(**document: Any) -> bytes:
    return protocol.canonical({"v": 1, **document})


class Messages:
    """Collects signed messages; a reply names the request it answers."""

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
    """The whole key schedule from fixed private keys; the hello bodies come with it."""
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
    """A rotation from fixed private keys, and the messages that carry it."""
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
    """A signed release of SiteAgent, and the fields of its release.json."""
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


def signed_by_hand(
    key: bytes, raw: bytes, parameters: str, url: str = ENDPOINT, digest: str = ""
) -> dict[str, str]:
    """A request with a right MAC over parameters our signer would never write."""
    digest = digest or protocol.content_digest(raw)
    base = protocol.request_base(url, digest, parameters)
    mac = b64(hmac.new(key, base.encode(), hashlib.sha256).digest())
    return {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "Content-Digest": digest,
        "Signature-Input": f"sa={parameters}",
        "Signature": f"sa=:{mac}:",
    }


def parameters(kid: str, **changed: Any) -> str:
    value = {"created": NOW, "expires": NOW + 60, "nonce": nonce("by hand"), "keyid": kid} | changed
    return (
        '("@method" "@target-uri" "content-type" "content-digest")'
        f';created={value["created"]};keyid="{value["keyid"]}";alg="hmac-sha256"'
        f';expires={value["expires"]};nonce="{value["nonce"]}";tag="siteagent-req/1"'
    )


def accepted_requests(late: keys.SessionKeys, kid: str) -> list[dict[str, Any]]:
    raw = body(op="ping", by="schedule")
    cases = {
        "created 300 s before the verifier's clock": (
            {"created": NOW - 300, "expires": NOW - 240},
            NOW,
        ),
        "created 300 s after the verifier's clock": (
            {"created": NOW + 300, "expires": NOW + 360},
            NOW,
        ),
        "lifetime of 120 s": ({"expires": NOW + 120}, NOW),
        "lifetime of 1 s": ({"expires": NOW + 1}, NOW),
    }
    return [
        {
            "name": name,
            "kind": "request",
            "verify": verify_request(
                signed_by_hand(late.d2s, raw, parameters(kid, **changed)),
                raw,
                {kid: late.d2s},
                now=now,
                expect_url=ENDPOINT,
            ),
        }
        for name, (changed, now) in cases.items()
    ]


def by_hand_refusals(late: keys.SessionKeys, kid: str) -> list[dict[str, Any]]:
    """The MAC is right over what is wrong: only the rule itself can refuse these."""
    raw = body(op="ping", by="schedule")
    usual = parameters(kid)
    swapped = usual.replace(
        f';keyid="{kid}";alg="hmac-sha256"', f';alg="hmac-sha256";keyid="{kid}"'
    )
    cases: list[tuple[str, str, str]] = [
        ("lifetime of 121 s", parameters(kid, expires=NOW + 121), "expired"),
        ("lifetime of 0 s", parameters(kid, expires=NOW), "expired"),
        ("expires before created", parameters(kid, expires=NOW - 1), "expired"),
        ("created 301 s ago", parameters(kid, created=NOW - 301, expires=NOW - 241), "clock_skew"),
        ("created in 301 s", parameters(kid, created=NOW + 301, expires=NOW + 361), "clock_skew"),
        ("created in milliseconds", parameters(kid, created=NOW * 1000), "malformed"),
        ("created negative", parameters(kid, created=-NOW), "malformed"),
        ("created a decimal", parameters(kid, created=f"{NOW}.0"), "malformed"),
        ("created with a leading zero", parameters(kid, created=f"0{NOW}"), "malformed"),
        ("created a string", parameters(kid, created=f'"{NOW}"'), "malformed"),
        ("key id empty", parameters(kid, keyid=""), "malformed"),
        ("key id of 65 characters", parameters(kid, keyid="k" * 65), "malformed"),
        ("key id with a slash", parameters(kid, keyid="a/b"), "malformed"),
        ("nonce of 21 characters", parameters(kid, nonce="A" * 21), "malformed"),
        ("nonce of 23 characters", parameters(kid, nonce="A" * 23), "malformed"),
        ("nonce in a second spelling", parameters(kid, nonce="A" * 21 + "B"), "malformed"),
        ("nonce with padding alphabet", parameters(kid, nonce="A" * 20 + "+A"), "malformed"),
        ("parameters in another order", swapped, "malformed"),
        ("alg changed", usual.replace("hmac-sha256", "hmac-sha512"), "malformed"),
        ("alg left out", usual.replace(';alg="hmac-sha256"', ""), "malformed"),
        ("tag left out", usual.replace(';tag="siteagent-req/1"', ""), "malformed"),
        ("tag of a reply", usual.replace("siteagent-req/1", "siteagent-res/1"), "malformed"),
        ("tag of a notice", usual.replace("siteagent-req/1", "siteagent-note/1"), "malformed"),
        (
            "tag of another version",
            usual.replace("siteagent-req/1", "siteagent-req/2"),
            "malformed",
        ),
        ("an unknown parameter", f"{usual};x=1", "malformed"),
        ("created twice", usual.replace(";alg=", f";created={NOW};alg="), "malformed"),
        ("a blank after a semicolon", usual.replace(";alg=", "; alg="), "malformed"),
        ("a component left out", usual.replace(' "content-digest"', ""), "malformed"),
        (
            "components in another order",
            usual.replace('"@method" "@target-uri"', '"@target-uri" "@method"'),
            "malformed",
        ),
        ("a component twice", usual.replace('"@method" ', '"@method" "@method" '), "malformed"),
        ("two blanks in the list", usual.replace('" "@target', '"  "@target'), "malformed"),
        ("key id nobody knows", parameters(kid, keyid="nobody.1"), "unknown_key"),
    ]
    return [
        {
            "name": name,
            "kind": "request",
            "verify": verify_request(
                signed_by_hand(late.d2s, raw, text), raw, {kid: late.d2s}, expect=code
            ),
        }
        for name, text, code in cases
    ]


def altered_requests(made: Messages, late: keys.SessionKeys, kid: str) -> list[dict[str, Any]]:
    """One genuine ping, altered on the way in one place each."""
    sent = made.sent["ping"]
    raw, good, known = sent.body, sent.headers, {kid: late.d2s}
    other = raw.replace(b"schedule", b"scheduld")
    given, mac, digest = good["Signature-Input"], good["Signature"], good["Content-Digest"]

    def with_(**fields: str) -> dict[str, str]:
        return good | {name.replace("_", "-"): value for name, value in fields.items()}

    def without(name: str) -> dict[str, str]:
        return {key: value for key, value in good.items() if key != name}

    cases: list[tuple[str, dict[str, Any], str]] = [
        ("body altered", {"raw": other}, "digest_mismatch"),
        ("body cut off", {"raw": raw[:-1]}, "digest_mismatch"),
        ("body empty", {"raw": b""}, "digest_mismatch"),
        (
            "body with a notice printed before it",
            {"raw": b"\nDeprecated: x\n" + raw},
            "digest_mismatch",
        ),
        (
            "body and digest altered",
            {"raw": other, "headers": with_(Content_Digest=protocol.content_digest(other))},
            "bad_signature",
        ),
        ("method GET", {"method": "GET"}, "malformed"),
        ("method post", {"method": "post"}, "malformed"),
        (
            "sent to another site",
            {"urls": ["https://other.example.test/wp-json/siteagent/v1/rpc"]},
            "bad_signature",
        ),
        (
            "sent to the same path over http",
            {"urls": [ENDPOINT.replace("https", "http")]},
            "bad_signature",
        ),
        (
            "sent to the second address under the first one's signature",
            {"urls": [PLAIN_ENDPOINT]},
            "bad_signature",
        ),
        ("a site without addresses", {"urls": []}, "bad_signature"),
        ("verified with another key", {"known": {kid: fixed("another key")}}, "bad_signature"),
        ("verified with the other direction's key", {"known": {kid: late.s2d}}, "bad_signature"),
        ("verified as a notice", {"tag": protocol.NOTE_TAG}, "malformed"),
        (
            "one bit of the MAC",
            {"headers": with_(Signature=mac[:5] + ("A" if mac[5] != "A" else "B") + mac[6:])},
            "bad_signature",
        ),
        (
            "MAC in a second spelling",
            {"headers": with_(Signature=second_spelling(mac))},
            "bad_signature",
        ),
        ("MAC without padding", {"headers": with_(Signature=mac.replace("=:", ":"))}, "malformed"),
        (
            "MAC under another label",
            {"headers": with_(Signature=mac.replace("sa=", "sb="))},
            "malformed",
        ),
        (
            "both under another label",
            {
                "headers": with_(
                    Signature=mac.replace("sa=", "sb="), Signature_Input=given.replace("sa=", "sb=")
                )
            },
            "malformed",
        ),
        ("two signatures", {"headers": with_(Signature=f"{mac}, {mac}")}, "malformed"),
        (
            "two signature inputs",
            {"headers": with_(Signature_Input=f"{given}, {given}")},
            "malformed",
        ),
        ("a blank before the input", {"headers": with_(Signature_Input=f" {given}")}, "malformed"),
        (
            "a newline after the input",
            {"headers": with_(Signature_Input=f"{given}\n")},
            "malformed",
        ),
        ("a newline after the MAC", {"headers": with_(Signature=f"{mac}\n")}, "malformed"),
        (
            "slashes before the quotes",
            {"headers": with_(Signature_Input=given.replace('"', '\\"'))},
            "malformed",
        ),
        (
            "created changed",
            {"headers": with_(Signature_Input=given.replace(str(NOW), str(NOW + 1)))},
            "bad_signature",
        ),
        (
            "nonce changed",
            {"headers": with_(Signature_Input=given.replace(sent.nonce, nonce("else")))},
            "bad_signature",
        ),
        (
            "key id changed",
            {"headers": with_(Signature_Input=given.replace(kid, "nobody.1"))},
            "unknown_key",
        ),
        (
            "content type with charset",
            {"headers": with_(Content_Type="application/json; charset=utf-8")},
            "malformed",
        ),
        (
            "content type in capitals",
            {"headers": with_(Content_Type="Application/JSON")},
            "malformed",
        ),
        (
            "content type of a form",
            {"headers": with_(Content_Type="application/x-www-form-urlencoded")},
            "malformed",
        ),
        (
            "digest sha-512",
            {"headers": with_(Content_Digest=digest.replace("sha-256", "sha-512"))},
            "malformed",
        ),
        ("two digests", {"headers": with_(Content_Digest=f"{digest}, {digest}")}, "malformed"),
        ("digest with a newline", {"headers": with_(Content_Digest=f"{digest}\n")}, "malformed"),
        *(
            (f"without {name}", {"headers": without(name)}, "malformed")
            for name in ("Content-Type", "Content-Digest", "Signature-Input", "Signature")
        ),
        *(
            (f"empty {name}", {"headers": good | {name: ""}}, "malformed")
            for name in ("Content-Type", "Content-Digest", "Signature-Input", "Signature")
        ),
    ]
    rows = []
    for name, change, code in cases:
        options = {"raw": raw, "headers": good, "known": known} | change
        rows.append(
            {
                "name": name,
                "kind": "request",
                "verify": verify_request(
                    options.pop("headers"),
                    options.pop("raw"),
                    options.pop("known"),
                    expect=code,
                    **options,
                ),
            }
        )
    return rows


def second_spelling(mac: str) -> str:
    """The same 32 bytes to a lenient base64 decoder: the last character's two unused bits set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = mac[-3]
    return mac[:-3] + alphabet[alphabet.index(last) | 1] + mac[-2:]


def altered_responses(made: Messages, late: keys.SessionKeys) -> list[dict[str, Any]]:
    sent, twin, other = made.sent["ping"], made.sent["ping, second address"], made.sent["report"]
    row = next(row for row in made.rows if row["name"] == "ping answered")
    good, raw = row["headers"], row["sign"]["body"].encode()
    altered = raw.replace(b'"ok":true', b'"ok":null')
    given = good["Signature-Input"]

    def with_(**fields: str) -> dict[str, str]:
        return good | {name.replace("_", "-"): value for name, value in fields.items()}

    def without(name: str) -> dict[str, str]:
        return {key: value for key, value in good.items() if key != name}

    same_body = replace(sent, nonce=nonce("asked again"))
    request_shaped = given.replace("siteagent-res/1", "siteagent-req/1")
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("reply to the same question asked before", {"sent": same_body}, "replayed"),
        ("reply to another question", {"sent": other}, "replayed"),
        (
            "reply from the other address",
            {"sent": replace(twin, nonce=sent.nonce)},
            "bad_signature",
        ),
        ("reply under another key id", {"sent": replace(sent, keyid="other.1")}, "unknown_key"),
        ("status changed", {"status": 201}, "bad_signature"),
        ("reply body altered", {"raw": altered}, "digest_mismatch"),
        (
            "reply body with a warning printed before it",
            {"raw": b"<br />\n" + raw},
            "digest_mismatch",
        ),
        (
            "reply body and digest altered",
            {"raw": altered, "headers": with_(Content_Digest=protocol.content_digest(altered))},
            "bad_signature",
        ),
        ("reply verified with another key", {"key": fixed("another key")}, "bad_signature"),
        ("reply verified with the request's key", {"key": late.d2s}, "bad_signature"),
        (
            "reply with a request's tag",
            {"headers": with_(Signature_Input=request_shaped)},
            "malformed",
        ),
        (
            "the request sent back",
            {"headers": dict(sent.headers), "raw": sent.body, "key": late.d2s},
            "malformed",
        ),
        (
            "reply type with charset",
            {"headers": with_(Content_Type="application/json; charset=UTF-8")},
            "malformed",
        ),
        (
            "reply signed twice",
            {"headers": with_(Signature_Input=f"{given}, {given}")},
            "malformed",
        ),
        *(
            (f"reply without {name}", {"headers": without(name)}, "malformed")
            for name in ("Content-Type", "Content-Digest", "Signature-Input", "Signature")
        ),
    ]
    rows = []
    for name, change, code in cases:
        use = {"sent": sent, "status": 200, "headers": good, "raw": raw, "key": late.s2d} | change
        rows.append(
            {
                "name": name,
                "kind": "response",
                "verify": verify_response(
                    use["sent"], use["status"], use["headers"], use["raw"], use["key"], expect=code
                ),
            }
        )
    return rows


def tokens(row: dict[str, Any]) -> list[dict[str, Any]]:
    good, home, end = row["token"], "https://shop.example.test", row["expires_at"]
    blog = keys.Token(
        fixed("pid 2", 16), fixed("secret 2"), end, ORIGIN, "http://www.example.test:8080/blog/"
    )
    head = good.rsplit(".", 1)[0]
    cases = [
        ("good", good, NOW, home, "ok"),
        ("blanks and a newline around it", f" \t{good}\r\n", NOW, home, "ok"),
        ("in its last second", good, end - 1, home, "ok"),
        ("home over http with www and a slash", good, NOW, "http://www.shop.example.test/", "ok"),
        ("in a folder, on a port", blog.text(), NOW, "https://example.test:8080/blog", "ok"),
        ("other port", blog.text(), NOW, "https://example.test:8081/blog", "wrong_site"),
        ("other folder", blog.text(), NOW, "https://example.test:8080/", "wrong_site"),
        ("other host", good, NOW, "https://copy.example.test", "wrong_site"),
        ("expired", good, end, home, "expired"),
        ("one character changed", good.replace("SA1.", "SA1.A", 1), NOW, home, "damaged"),
        ("its end missing", good[:-3], NOW, home, "damaged"),
        ("its check missing", head, NOW, home, "damaged"),
        ("only its beginning", good[:20], NOW, home, "damaged"),
        ("check in capitals", blog.text()[:-6] + blog.text()[-6:].upper(), NOW, home, "damaged"),
        ("another version", good.replace("SA1", "SA2"), NOW, home, "not_a_token"),
        ("a word", "hello", NOW, home, "not_a_token"),
        ("nothing", "", NOW, home, "not_a_token"),
    ]
    names = ("name", "text", "now", "home", "expect")
    return [dict(zip(names, case, strict=True)) for case in cases]


def parse_rows() -> list[dict[str, Any]]:
    both, python = ["python", "php"], ["python"]
    deep = '{"a":' + "[" * 31 + "1" + "]" * 31 + "}"
    too_deep = '{"a":' + "[" * 32 + "1" + "]" * 32 + "}"
    good = [
        "{}",
        '{ "b" : 1 , "a" : [ ] , "c" : { } }',
        '{"10":1,"9":2,"a":3,"B":4,"":5,"_":6,"a.b":7}',
        '{"t":true,"f":false,"n":null,"s":"","z":0,"m":-1}',
        '{"max":9007199254740991,"min":-9007199254740991}',
        '{"slash":"a\\/b","quote":"\\"","back":"\\\\"}',
        '{"c":"\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f\\u007f"}',
        '{"u":"\\u00e9\\u20ac\\u2028\\u2029\\ufeff\\ud83d\\ude00"}',
        '{"u":"é€\u2028😀"}',
        '{"html":"<b>&\'</b>"}',
        '{"list":[[],{},[{}],"x",[1,[2,[3]]]]}',
        deep,
        protocol.canonical(REPORT).decode(),
    ]
    rows = []
    for text in good:
        exact = protocol.canonical(protocol.parse_json(text.encode()))
        rows.append(
            {
                "raw_b64": b64(text.encode()),
                "expect": "ok",
                "canonical_b64": b64(exact),
                "sha256_hex": hashlib.sha256(exact).hexdigest(),
                "sides": both,
            }
        )
    refused: list[tuple[str | bytes, list[str]]] = [
        ("", both),
        ("[1]", both),
        ("7", both),
        ("null", both),
        ('"text"', both),
        ('{"a":1', both),
        ('{"a":1}}', both),
        ("{'a':1}", both),
        ('{"a":1,}', both),
        ('{"a":1.5}', both),
        ('{"a":1.0}', both),
        ('{"a":1e3}', both),
        ('{"a":NaN}', both),
        ('{"a":Infinity}', both),
        ('{"a":9007199254740992}', both),
        ('{"a":-9007199254740992}', both),
        ('{"a":123456789012345678901234567890}', both),
        ('{"a":"\\ud800"}', both),
        ('{"a":"tab\there"}', both),
        (b'{"a":"\xff"}', both),
        (b"\xef\xbb\xbf{}", both),
        ('{"é":1}', python),
        ('{"a":-0}', python),
        ('{"a":1,"a":2}', python),
        ('{"a":{"b":1,"b":1}}', python),
        (too_deep, both),
    ]
    for text, sides in refused:
        raw = text if isinstance(text, bytes) else text.encode()
        rows.append({"raw_b64": b64(raw), "expect": "malformed", "sides": sides})
    return rows


def chain() -> dict[str, Any]:
    bodies = [
        '{"v":1,"event":"site_added"}',
        '{"at":"2026-11-24T10:00:00Z","event":"token_accepted","facts":{"by":"Ana – „Díaz“"},"v":1}',
        "",
    ]
    genesis = previous = protocol.chain_genesis(LOG_UUID)
    entries = []
    for position, text in enumerate(bodies, 1):
        previous = protocol.chain_hash(position, previous, text.encode())
        entries.append({"n": position, "body": text, "hash_hex": previous.hex()})
    return {
        "label": "siteagent/audit/1",
        "log_uuid": LOG_UUID,
        "genesis_hex": genesis.hex(),
        "entries": entries,
    }


def rfc9421() -> dict[str, Any]:
    """RFC 9421 appendix B.2.5, copied from the RFC: it proves the MAC and the shape of the base."""
    return {
        "source": "RFC 9421, B.2.5 (hmac-sha256)",
        "key_b64": "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==",
        "base": '"date": Tue, 20 Apr 2021 02:07:55 GMT\n"@authority": example.com\n"content-type": application/json\n'
        '"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
        "base_sha256_hex": "82faed1b67e492cfc8fe50fee1b6fdbdcf9f4d6384af8282339dcad5e44310e7",
        "signature": "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
    }


def vectors() -> bytes:
    """The whole file, the same bytes every time."""
    made, row, late, kid = messages()
    digests = [b"", b'{"hello": "world"}', bytes(range(256))]
    document = {
        "v": 1,
        "profile": "siteagent/1",
        "about": ABOUT,
        "codes": list(protocol.CODES),
        "rfc9421_b25": rfc9421(),
        "content_digest": [
            {"body_b64": b64(raw), "value": protocol.content_digest(raw)} for raw in digests
        ],
        "pairing": row,
        "rotation": rotation(Messages(), row, late, kid),
        "release": release(),
        "tokens": tokens(row),
        "messages": made.rows,
        "accepted": accepted_requests(late, kid),
        "refusals": [
            *by_hand_refusals(late, kid),
            *altered_requests(made, late, kid),
            *altered_responses(made, late),
        ],
        "parse": parse_rows(),
        "chain": chain(),
    }
    return json.dumps(document, indent=1).encode("ascii") + b"\n"


if __name__ == "__main__":
    TARGET.write_bytes(vectors())
    print(f"wrote {TARGET.name}")
