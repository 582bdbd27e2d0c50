"""Build the document of vectors.json, with its tokens, parsed documents and chain."""

# ruff: noqa: E501 -- long lines are the vectors themselves

from __future__ import annotations

import hashlib
import json
from typing import Any

from app import keys, protocol
from tests.support.vector_limits import release_types, update_windows
from tests.support.vector_messages import (
    LOG_UUID,
    NOW,
    ORIGIN,
    REPORT,
    Messages,
    b64,
    fixed,
    messages,
    release,
    rotation,
)
from tests.support.vector_packages import packages
from tests.support.vector_plans import update_plan
from tests.support.vector_refusals import (
    accepted_requests,
    altered_requests,
    altered_responses,
    by_hand_refusals,
)

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
    "chain: hash_hex of every entry from its 'body' text, starting from genesis_hex; site_log: the same for the log"
    " of a site, from the digest of the body.",
    "update_plan: 'document' is what a person approves under its digest, 'plan' the same with the approval, as it is signed.",
    "release_types: whether an update from 'from' to 'to' is a patch release; null if that cannot be decided.",
    "update_windows: whether the owner's 'window' is open 'at' a moment.",
    "packages: inspect 'zip_b64'; 'expect' is 'ok', with the 'files' below its folder and the digest of their tree, or"
    " the reason for which the package is refused. 'kind' and 'id' name the component; without them it is a plugin.",
]


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


def site_log() -> dict[str, Any]:
    bodies = [
        '{"v":1,"event":"connected"}',
        '{"event":"answered","facts":{"by":"Ana – „Díaz“"},"v":1}',
    ]
    genesis = previous = protocol.chain_genesis(LOG_UUID)
    entries = []
    for position, text in enumerate(bodies, 1):
        digest = hashlib.sha256(text.encode()).digest()
        previous = protocol.site_log_hash(position, previous, digest)
        entries.append(
            {"n": position, "body": text, "digest_hex": digest.hex(), "hash_hex": previous.hex()}
        )
    return {
        "label": "siteagent/log/1",
        "log_uuid": LOG_UUID,
        "genesis_hex": genesis.hex(),
        "entries": entries,
    }


def rfc9421() -> dict[str, Any]:
    """Return RFC 9421 appendix B.2.5, which proves the MAC and the form of the signature base."""
    return {
        "source": "RFC 9421, B.2.5 (hmac-sha256)",
        "key_b64": "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==",
        "base": '"date": Tue, 20 Apr 2021 02:07:55 GMT\n"@authority": example.com\n"content-type": application/json\n'
        '"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
        "base_sha256_hex": "82faed1b67e492cfc8fe50fee1b6fdbdcf9f4d6384af8282339dcad5e44310e7",
        "signature": "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
    }


def vectors() -> bytes:
    """Return the whole file, with the same bytes every time."""
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
        "update_plan": update_plan(kid),
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
        "site_log": site_log(),
        "release_types": release_types(),
        "update_windows": update_windows(),
        "packages": packages(),
    }
    return json.dumps(document, indent=1).encode("ascii") + b"\n"
