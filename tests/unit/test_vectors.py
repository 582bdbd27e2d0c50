"""The frozen vectors: made by our code, and checked again here without it."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any

import pytest

from app import keys, protocol
from app.domain.changes.change_times import Calendar
from app.domain.inventory.update_limits import read_limits
from app.domain.inventory.versions import is_patch_release
from app.models.changes import Change
from app.models.sites import Site
from tests.support.vectors import FOLDER, TO_VERIFY, VECTORS, by_name


def b64(text: str) -> bytes:
    return b64decode(text, validate=True)


def sha256(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


def mac(key: bytes, base: str) -> str:
    return b64encode(hmac.new(key, base.encode(), hashlib.sha256).digest()).decode()


def hkdf(material: bytes, salt: bytes, info: str) -> bytes:
    """RFC 5869 for 32 bytes, by hand."""
    pseudo_random_key = hmac.new(salt or bytes(32), material, hashlib.sha256).digest()
    return hmac.new(pseudo_random_key, info.encode() + b"\x01", hashlib.sha256).digest()


def test_the_generator_reproduces_the_file_byte_for_byte() -> None:
    spec = importlib.util.spec_from_file_location("make_vectors", FOLDER / "make_vectors.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert generator.vectors() == (FOLDER / "vectors.json").read_bytes()


def test_names_are_unique_and_codes_complete() -> None:
    names = [row["name"] for row in TO_VERIFY]
    assert len(set(names)) == len(names)
    assert VECTORS["codes"] == list(protocol.CODES)
    assert {row["verify"]["expect"] for row in TO_VERIFY} <= {"ok", *protocol.CODES}


def test_the_vector_of_rfc_9421_holds() -> None:
    row = VECTORS["rfc9421_b25"]
    assert sha256(row["base"].encode()).hex() == row["base_sha256_hex"]
    assert row["signature"] == f"sig-b25=:{mac(b64(row['key_b64']), row['base'])}:"


@pytest.mark.parametrize(
    "row", VECTORS["release_types"], ids=lambda row: f"{row['from']}-{row['to']}"
)
def test_patch_releases_are_those_of_the_vector(row: dict[str, Any]) -> None:
    assert is_patch_release(row["from"], row["to"]) is row["is_patch"]


@pytest.mark.parametrize("row", by_name(VECTORS["update_windows"]))
def test_hours_are_open_as_in_the_vector(row: dict[str, Any]) -> None:
    at = datetime.fromtimestamp(row["at"], UTC)
    limits = {"window": row["window"]}
    site = Site(update_limits=read_limits({"agent": {"limits": limits}}))
    calendar = Calendar(stop=None, freezes=[])
    reason = calendar.why_not_now(Change(), site, at)
    assert (reason == "") is row["is_open"]
    span = calendar.next_span(site, at, at)
    assert (span is not None and span.contains(at)) is row["is_open"]


@pytest.mark.parametrize("row", VECTORS["content_digest"])
def test_content_digests_hold(row: dict[str, str]) -> None:
    body = b64(row["body_b64"])
    assert row["value"] == f"sha-256=:{b64encode(sha256(body)).decode()}:"
    assert protocol.content_digest(body) == row["value"]


@pytest.mark.parametrize("row", by_name(VECTORS["messages"]))
def test_a_message_follows_from_its_inputs_by_the_letter_of_the_rfc(row: dict[str, Any]) -> None:
    given = row["sign"]
    body = b64(given["body_b64"])
    assert body == given["body"].encode()
    digest = f"sha-256=:{b64encode(sha256(body)).decode()}:"
    if row["kind"] == "response":
        asked = given["request"]
        components = {
            '"@status"': str(given["status"]),
            '"content-type"': "application/json",
            '"content-digest"': digest,
            '"@method";req': "POST",
            '"@target-uri";req': asked["url"],
            '"content-type";req': "application/json",
            '"content-digest";req': asked["content_digest"],
        }
        assert given["nonce"] == asked["nonce"]
    else:
        components = {
            '"@method"': "POST",
            '"@target-uri"': given["url"],
            '"content-type"': "application/json",
            '"content-digest"': digest,
        }
    parameters = (
        f'({" ".join(components)});created={given["created"]};keyid="{given["keyid"]}"'
        f';alg="hmac-sha256";expires={given["expires"]};nonce="{given["nonce"]}"'
        f';tag="{given["tag"]}"'
    )
    lines = [f"{name}: {value}" for name, value in components.items()]
    base = "\n".join([*lines, f'"@signature-params": {parameters}'])
    assert row["base"] == base
    assert row["headers"]["Content-Digest"] == digest
    assert row["headers"]["Signature-Input"] == f"sa={parameters}"
    assert row["headers"]["Signature"] == f"sa=:{mac(b64(given['key_b64']), base)}:"


@pytest.mark.parametrize("row", by_name(TO_VERIFY))
def test_a_message_is_judged_as_expected(row: dict[str, Any]) -> None:
    case = row["verify"]
    judge = _judge_response if row["kind"] == "response" else _judge_request
    if case["expect"] == "ok":
        assert judge(case) == case.get("expect_url")
        return
    with pytest.raises(protocol.ProtocolError) as caught:
        judge(case)
    assert caught.value.code == case["expect"]


def _judge_request(case: dict[str, Any]) -> str:
    known = {keyid: b64(key) for keyid, key in case["keys"].items()}
    found = protocol.verify_request(
        method=case["method"],
        urls=case["urls"],
        headers=case["headers"],
        body=b64(case["body_b64"]),
        key_for=known.get,
        now=case["now"],
        tag=case["tag"],
    )
    return found.url


def _judge_response(case: dict[str, Any]) -> None:
    asked = case["request"]
    sent = protocol.SentRequest(
        asked["url"],
        {"Content-Digest": asked["content_digest"]},
        b"",
        asked["nonce"],
        asked["keyid"],
    )
    protocol.verify_response(
        sent,
        status=case["status"],
        headers=case["headers"],
        body=b64(case["body_b64"]),
        key=b64(case["key_b64"]),
    )


def test_the_key_schedule_holds_by_hand() -> None:
    row = VECTORS["pairing"]
    auth = hkdf(b64(row["secret_b64"]), b64(row["pid_b64"]), "siteagent/1 pair-auth")
    assert auth == b64(row["auth_b64"])
    for name in ("d2s", "s2d", "note"):
        assert hkdf(auth, b"", f"siteagent/1 pair {name}") == b64(row[f"pair_{name}_b64"])
    hello, answer = b64(row["hello_body_b64"]), b64(row["answer_body_b64"])
    framed = b"".join(len(raw).to_bytes(4, "big") + raw for raw in (hello, answer))
    th = sha256(b"siteagent/1 pair" + framed)
    assert th.hex() == row["th_hex"]
    material = b64(row["shared_z_b64"]) + auth
    for name in ("d2s", "s2d", "revoke", "revoke-ack", "disconnect"):
        field = name.replace("-", "_")
        assert hkdf(material, th, f"siteagent/1 {name}") == b64(row[f"{field}_b64"])
    for name in ("revoke", "revoke_ack", "disconnect"):
        assert sha256(b64(row[f"{name}_b64"])).hex() == row[f"{name}_sha256_hex"]
    digits = th.hex()[:12].upper()
    assert row["fingerprint"] == f"{digits[:4]}-{digits[4:8]}-{digits[8:]}"
    assert row["kid"] == protocol.b64u(th[:16]) + ".1"


def test_the_release_holds_by_hand() -> None:
    row = VECTORS["release"]
    signed = b"siteagent/release/1\n" + b64(row["statement_b64"])
    public = protocol.from_b64u(row["public_b64u"], 32)
    assert keys.verify(public, signed, protocol.from_b64u(row["sig"], 64))
    assert protocol.parse_json(b64(row["statement_b64"])) == {
        "v": 1,
        "slug": "siteagent",
        "version": row["version"],
        "sha256": row["sha256"],
    }


def test_the_plan_of_an_update_holds_by_hand() -> None:
    row = VECTORS["update_plan"]
    document, plan = b64(row["document_b64"]), b64(row["plan_b64"])
    assert sha256(b"siteagent/proposal/1\n" + document).hex() == row["document_digest_hex"]
    digest = sha256(b"siteagent/plan/1\n" + plan)
    assert digest.hex() == row["plan_digest_hex"]
    public = b64(VECTORS["pairing"]["dashboard"]["ed25519_public_b64"])
    signature = b64(row["plan_signature_b64"])
    assert keys.verify(public, b"siteagent/plan-sig/1\n" + digest, signature)
    approved, sent = protocol.parse_json(document), protocol.parse_json(plan)
    assert sent == {**approved, "approval": sent["approval"]}
    assert protocol.canonical(sent) == plan
    assert sent["release"] == row["release"]
    assert row["release"]["first_seen_at"] < row["release"]["released_at"] < sent["not_before"]


def test_the_rotation_holds_by_hand() -> None:
    row = VECTORS["rotation"]
    plan, site_public = b64(row["plan_b64"]), b64(row["site_x25519_public_b64"])
    digest = sha256(b"siteagent/plan/1\n" + plan)
    assert digest.hex() == row["plan_digest_hex"]
    public = b64(VECTORS["pairing"]["dashboard"]["ed25519_public_b64"])
    signature = b64(row["plan_signature_b64"])
    assert keys.verify(public, b"siteagent/plan-sig/1\n" + digest, signature)
    next_key = protocol.from_b64u(row["next_signing_public_b64u"], 32)
    assert protocol.parse_json(plan)["sign_d"] == row["next_signing_public_b64u"]
    assert keys.verify(
        next_key, b"siteagent/plan-sig/1\n" + digest, b64(row["next_plan_signature_b64"])
    )
    th = sha256(b"siteagent/1 rotate" + len(plan).to_bytes(4, "big") + plan + site_public)
    assert th.hex() == row["th_hex"]
    shared = keys.Exchange(b64(row["site_x25519_private_b64"])).shared(
        b64(row["dashboard_x25519_public_b64"])
    )
    material = shared + b64(row["old_d2s_b64"]) + b64(row["old_s2d_b64"])
    for name in ("d2s", "s2d"):
        assert hkdf(material, th, f"siteagent/1 {name}") == b64(row[f"{name}_b64"])
    for name in ("revoke", "revoke-ack", "disconnect"):
        image = sha256(hkdf(material, th, f"siteagent/1 {name}")).hex()
        assert image == row[f"{name.replace('-', '_')}_sha256_hex"]
    base, _, generation = row["kid"].partition(".")
    assert (base, generation) == (VECTORS["pairing"]["kid"].partition(".")[0], "2")


def test_both_sides_reach_the_shared_secret_of_the_vector() -> None:
    row = VECTORS["pairing"]
    for own, peer in (("dashboard", "site"), ("site", "dashboard")):
        exchange = keys.Exchange(b64(row[own]["x25519_private_b64"]))
        assert exchange.public == b64(row[own]["x25519_public_b64"])
        shared = exchange.shared(b64(row[peer]["x25519_public_b64"]))
        assert shared == b64(row["shared_z_b64"])


@pytest.mark.parametrize("peer", VECTORS["pairing"]["refused_peer_keys_hex"])
def test_keys_of_small_order_are_refused(peer: str) -> None:
    with pytest.raises(keys.KeyRefused):
        keys.Exchange.new().shared(bytes.fromhex(peer))


def test_the_signatures_of_the_vector_hold() -> None:
    row = VECTORS["pairing"]
    example = row["ed25519_example"]
    for side in ("dashboard", "site"):
        public = b64(row[side]["ed25519_public_b64"])
        assert keys.signing_public(b64(row[side]["ed25519_seed_b64"])) == public
        signature = b64(example[f"{side}_signature_b64"])
        assert keys.verify(public, b64(example["message_b64"]), signature)


@pytest.mark.parametrize("row", by_name(VECTORS["tokens"]))
def test_a_token_is_read_as_expected(row: dict[str, Any]) -> None:
    # Time and place are the plugin's to judge; the text is read the same on both sides.
    if row["expect"] in ("damaged", "not_a_token"):
        with pytest.raises(keys.NotAToken) as caught:
            keys.Token.read(row["text"])
        assert caught.value.damaged == (row["expect"] == "damaged")
        return
    found = keys.Token.read(row["text"])
    assert (row["now"] >= found.expires_at) == (row["expect"] == "expired")
    assert found.text() == row["text"].strip()


def test_the_token_of_the_vector_is_put_together_as_written() -> None:
    row = VECTORS["pairing"]
    token = keys.Token.read(row["token"])
    assert (token.pid, token.secret) == (b64(row["pid_b64"]), b64(row["secret_b64"]))
    assert (token.origin, token.site_url) == (row["origin"], row["site_url"])
    head, _, check = row["token"].rpartition(".")
    assert sha256(head.encode()).hex()[:6] == check


@pytest.mark.parametrize("row", VECTORS["parse"], ids=lambda row: row["raw_b64"][:40])
def test_a_document_is_read_as_expected(row: dict[str, Any]) -> None:
    raw = b64(row["raw_b64"])
    if row["expect"] == "malformed":
        with pytest.raises(protocol.ProtocolError) as caught:
            protocol.parse_json(raw)
        assert caught.value.code == "malformed"
        return
    exact = protocol.canonical(protocol.parse_json(raw))
    assert exact == b64(row["canonical_b64"])
    assert sha256(exact).hex() == row["sha256_hex"]


def test_the_chain_holds_by_hand() -> None:
    row = VECTORS["chain"]
    previous = sha256(b"siteagent/audit-genesis/1\n" + row["log_uuid"].encode())
    assert previous.hex() == row["genesis_hex"]
    for entry in row["entries"]:
        place = entry["n"].to_bytes(8, "big")
        label = row["label"].encode() + b"\n"
        previous = sha256(b"\x00" + label + place + previous + entry["body"].encode())
        assert previous.hex() == entry["hash_hex"]


def test_the_log_of_a_site_holds_by_hand() -> None:
    row = VECTORS["site_log"]
    previous = sha256(b"siteagent/audit-genesis/1\n" + row["log_uuid"].encode())
    for entry in row["entries"]:
        digest = sha256(entry["body"].encode())
        assert digest.hex() == entry["digest_hex"]
        place, label = entry["n"].to_bytes(8, "big"), row["label"].encode() + b"\n"
        previous = sha256(b"\x00" + label + place + previous + digest)
        assert previous.hex() == entry["hash_hex"]
