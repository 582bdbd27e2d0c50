"""The altered messages in vectors.json that both implementations must refuse."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from typing import Any

from app import keys, protocol
from tests.support.vector_messages import (
    ENDPOINT,
    NOW,
    PLAIN_ENDPOINT,
    Messages,
    b64,
    body,
    fixed,
    nonce,
    verify_request,
    verify_response,
)


def signed_by_hand(
    key: bytes, raw: bytes, parameters: str, url: str = ENDPOINT, digest: str = ""
) -> dict[str, str]:
    """Return a request with a valid MAC over parameters that Aura never writes."""
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
    """Return wrong requests with a valid MAC, which only the specific rule can refuse."""
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
    """Return copies of a valid ping, each altered in one place."""
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
    """Return another base64 text for the same 32 bytes, with the two unused bits set."""
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
