"""Check that the plugin follows the protocol: vectors, altered bytes and an independent peer.

All tests run on every PHP; the Hypothesis tests run on the oldest, the system's and the newest.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import keys, protocol
from app.domain.sites.urls import same_home
from tests.matrix import phps
from tests.plugin.support.php import DRIVE, Php, Refused, b64
from tests.support import rfc9421_peer as peer
from tests.support.packages import FILES, damaged, harmless, packed
from tests.support.selection import nightly
from tests.support.vectors import TO_VERIFY, VECTORS, by_name

NOW = 1795463815
URL = "https://shop.example.test/wp-json/siteagent/v1/rpc"
URLS = [URL, "https://shop.example.test/?rest_route=/siteagent/v1/rpc"]
KEY, KEYID = b"k" * 32, "contract.1"


@pytest.fixture(
    scope="module",
    params=[phps.SYSTEM, phps.OLDEST, *nightly(*phps.WEBASSEMBLY[1:-1]), phps.NEWEST],
    ids=str,
)
def php(request: pytest.FixtureRequest) -> Iterator[Php]:
    phps.install()
    process = Php(request.param.script(DRIVE))
    yield process
    assert process.close() == ""


@pytest.fixture(scope="module")
def all_phps() -> Iterator[list[Php]]:
    """Start the oldest PHP, the system's and the newest."""
    phps.install()
    processes = [Php(php.script(DRIVE)) for php in (phps.OLDEST, phps.SYSTEM, phps.NEWEST)]
    yield processes
    assert [php.close() for php in processes] == ["", "", ""]


def headers_of(sent: protocol.SentRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in sent.headers.items()}


def signed(body: bytes = b'{"by":"Ben","op":"ping","v":1}') -> protocol.SentRequest:
    return protocol.sign_request(
        URL, body, key=KEY, keyid=KEYID, created=NOW, nonce=protocol.new_nonce()
    )


def verify(php: Php, headers: dict[str, str], body: bytes, **changed: Any) -> dict[str, Any]:
    arguments = {
        "method": "POST",
        "urls": URLS,
        "headers": headers,
        "body": body,
        "keys": {KEYID: b64(KEY)},
        "now": NOW,
        "tag": protocol.REQUEST_TAG,
    }
    return php.ask("verify_request", **{**arguments, **changed})


# ---- the vectors ----


def test_both_sides_know_the_same_codes(php: Php) -> None:
    assert php.ask("about")["codes"] == list(protocol.CODES) == VECTORS["codes"]


@pytest.mark.parametrize("row", VECTORS["content_digest"])
def test_a_digest_is_computed_as_in_the_vector(php: Php, row: dict[str, str]) -> None:
    assert php.ask("digest", body=b64decode(row["body_b64"])) == row["value"]


def test_a_message_is_signed_as_in_the_vector(php: Php) -> None:
    for row in VECTORS["messages"]:
        headers, base = sign_vector(php, row)
        assert headers == row["headers"], row["name"]
        assert base == row["base"], row["name"]


def sign_vector(php: Php, row: dict[str, Any]) -> tuple[dict[str, str], str]:
    """Return the headers and the signature base of this message as the plugin signs it."""
    inputs = row["sign"]
    body, key = b64decode(inputs["body_b64"]), b64decode(inputs["key_b64"])
    parameters = row["headers"]["Signature-Input"].removeprefix("sa=")
    digest = row["headers"]["Content-Digest"]
    if row["kind"] == "response":
        request_fields = inputs["request"]
        request = {**request_fields, "digest": request_fields["content_digest"]}
        headers = php.ask(
            "sign_response",
            request=request,
            status=inputs["status"],
            body=body,
            key=key,
            created=inputs["created"],
        )
        base = php.ask(
            "response_base",
            status=inputs["status"],
            digest=digest,
            url=request_fields["url"],
            asked=request_fields["content_digest"],
            parameters=parameters,
        )
    else:
        names = ("url", "keyid", "created", "nonce", "tag")
        fields = {name: inputs[name] for name in names}
        headers = php.ask("sign_request", body=body, key=key, **fields)["headers"]
        base = php.ask("request_base", url=inputs["url"], digest=digest, parameters=parameters)
    return headers, base


def outcome_of(php: Php, operation: str, **arguments: Any) -> tuple[str, Any]:
    """Return "ok" and the reply, or the code of a refusal and None."""
    try:
        return "ok", php.ask(operation, **arguments)
    except Refused as refusal:
        return refusal.code, None


def test_patch_releases_match_the_vector(php: Php) -> None:
    for row in VECTORS["release_types"]:
        found = php.ask("is_patch", **{"from": row["from"], "to": row["to"]})
        assert found is row["is_patch"], f"from {row['from']} to {row['to']}"


def test_hours_are_open_as_in_the_vector(php: Php) -> None:
    for row in VECTORS["update_windows"]:
        found = php.ask("is_open", window=row["window"], at=row["at"])
        assert found is row["is_open"], row["name"]


def test_a_message_is_judged_as_in_the_vector(php: Php) -> None:
    for row in TO_VERIFY:
        case = dict(row["verify"])
        expected, url = case.pop("expect"), case.pop("expect_url", None)
        operation = "verify_response" if row["kind"] == "response" else "verify_request"
        outcome, found = outcome_of(php, operation, **case)
        assert outcome == expected, row["name"]
        assert outcome != "ok" or found is True or found["url"] == url, row["name"]


def test_a_document_is_read_as_in_the_vector(php: Php) -> None:
    for row in VECTORS["parse"]:
        if row["expect"] == "ok" or "php" in row["sides"]:
            found = outcome_of(php, "canonical", raw=b64decode(row["raw_b64"]))
            is_read = row["expect"] == "ok"
            assert found == (("ok", row["canonical_b64"]) if is_read else ("malformed", None)), row


def test_packages_are_judged_as_the_dashboard_judges_them(php: Php) -> None:
    for row in VECTORS["packages"]:
        about = {name: row[name] for name in ("kind", "id") if name in row}
        found = outcome_of(php, "package", zip=b64decode(row["zip_b64"]), **about)
        assert found == (row["expect"], row.get("tree_hex")), row["name"]


@pytest.mark.parametrize("name", damaged())
def test_a_damaged_package_is_refused(php: Php, name: str) -> None:
    with pytest.raises(Refused) as caught:
        php.ask("package", zip=damaged()[name])
    is_longer = name == "a file longer than its list says"
    assert caught.value.code == ("package_too_large" if is_longer else "package_unreadable")


def test_the_digest_of_a_package_does_not_depend_on_its_packing(php: Php) -> None:
    archives = [*harmless().values(), packed(FILES, level=9)]
    assert len({php.ask("package", zip=archive) for archive in archives}) == 1


@pytest.mark.parametrize("row", by_name(VECTORS["tokens"]))
def test_a_token_is_judged_as_in_the_vector(php: Php, row: dict[str, Any]) -> None:
    arguments = {name: row[name] for name in ("text", "now", "home")}
    if row["expect"] == "ok":
        found, token = php.ask("token", **arguments), keys.Token.read(row["text"])
        assert (found["pid"], found["origin"]) == (protocol.b64u(token.pid), token.origin)
        assert found["auth_b64"] == b64(keys.pairing_keys(token.secret, token.pid).auth)
        return
    with pytest.raises(Refused) as refused:
        php.ask("token", **arguments)
    assert refused.value.code == row["expect"]


def test_the_key_schedule_matches_the_vector(php: Php) -> None:
    row = VECTORS["pairing"]
    found = php.ask(
        "session",
        hello_b64=row["hello_body_b64"],
        answer_b64=row["answer_body_b64"],
        auth_b64=row["auth_b64"],
        private_b64=row["site"]["x25519_private_b64"],
        peer_b64=row["dashboard"]["x25519_public_b64"],
    )
    assert (found["th_hex"], found["kid"]) == (row["th_hex"], row["kid"])
    assert found["fingerprint"] == row["fingerprint"]
    derived_keys = found["keys_b64"]
    for name in ("d2s", "s2d", "revoke", "revoke-ack", "disconnect"):
        assert derived_keys[name] == row[f"{name.replace('-', '_')}_b64"]
    for name in ("d2s", "s2d", "note"):
        assert derived_keys[f"pair {name}"] == row[f"pair_{name}_b64"]
    assert found["hashes_hex"]["disconnect"] == row["disconnect_sha256_hex"]
    for side in ("dashboard", "site"):
        public = php.ask("signing_public", seed_b64=row[side]["ed25519_seed_b64"])
        assert public == row[side]["ed25519_public_b64"]


def test_a_rotation_matches_the_vector(php: Php) -> None:
    row = VECTORS["rotation"]
    found = php.ask(
        "rotation",
        plan_b64=row["plan_b64"],
        public_b64=row["site_x25519_public_b64"],
        private_b64=row["site_x25519_private_b64"],
        peer_b64=row["dashboard_x25519_public_b64"],
        old_d2s_b64=row["old_d2s_b64"],
        old_s2d_b64=row["old_s2d_b64"],
        kid=VECTORS["pairing"]["kid"],
        gen=2,
    )
    assert (found["th_hex"], found["kid"]) == (row["th_hex"], row["kid"])
    assert found["keys_b64"]["d2s"] == row["d2s_b64"]
    assert found["keys_b64"]["s2d"] == row["s2d_b64"]
    assert found["hashes_hex"]["revoke-ack"] == row["revoke_ack_sha256_hex"]


def plan_of(row: dict[str, Any], **changed: Any) -> dict[str, Any]:
    document = protocol.parse_json(b64decode(row["plan_b64"]))
    arguments = {
        "plan": protocol.b64u(b64decode(row["plan_b64"])),
        "sig": protocol.b64u(b64decode(row["plan_signature_b64"])),
        "sig_next": protocol.b64u(b64decode(row["next_plan_signature_b64"])),
        "name": document["do"],
        "op_id": document["op_id"],
        "connection": {
            "kid": document["kid"],
            "sign_d": protocol.b64u(
                b64decode(VECTORS["pairing"]["dashboard"]["ed25519_public_b64"])
            ),
        },
        "uuid": document["site"],
    }
    return {**arguments, **changed}


def test_a_signed_plan_is_accepted_only_for_its_own_purpose(php: Php) -> None:
    row = VECTORS["rotation"]
    found = php.ask("plan", **plan_of(row))
    assert found == {
        "gen": 2,
        "digest_hex": row["plan_digest_hex"],
        "next_key": row["next_signing_public_b64u"],
    }
    for changed in ({"name": "report"}, {"op_id": "x"}, {"uuid": "x"}):
        with pytest.raises(Refused):
            php.ask("plan", **plan_of(row, **changed))


def test_the_plan_of_an_update_is_read(php: Php) -> None:
    row = VECTORS["update_plan"]
    plan, signature = b64decode(row["plan_b64"]), b64decode(row["plan_signature_b64"])
    arguments = {
        "plan": protocol.b64u(plan),
        "sig": protocol.b64u(signature),
        "op_id": row["op_id"],
        "connection": {**plan_of(VECTORS["rotation"])["connection"], "kid": row["kid"]},
        "uuid": row["site"],
    }
    item = protocol.parse_json(plan)["item"]
    assert php.ask("update_plan", **arguments) == {
        "item": {name: item[name] for name in ("kind", "id", "from", "to")},
        "digest_hex": row["plan_digest_hex"],
        "tree_sha256": item["tree_sha256"],
    }
    with pytest.raises(Refused):
        php.ask("update_plan", **arguments | {"uuid": "x"})


def test_the_next_signing_key_must_sign_the_plan_too(php: Php) -> None:
    row = VECTORS["rotation"]
    other_signature = keys.sign_plan(keys.new_signing_key(), b64decode(row["plan_b64"]))
    for sig_next in (None, protocol.b64u(other_signature), "A", plan_of(row)["sig"]):
        with pytest.raises(Refused, match="invalid_arguments"):
            php.ask("plan", **plan_of(row, sig_next=sig_next))


def test_only_a_newer_release_with_the_right_signature_is_accepted(php: Php) -> None:
    row = VECTORS["release"]
    fields = {"slug": "siteagent", **{name: row[name] for name in ("version", "sha256", "sig")}}
    arguments = {"fields": fields, "present": "1.2.2", "key": row["public_b64u"]}
    assert php.ask("release", **arguments) is True
    for present in ("1.2.3", "1.3.0"):
        assert php.ask("release", **{**arguments, "present": present}) is False
    assert php.ask("release", **{**arguments, "key": ""}) is False
    other_key = protocol.b64u(keys.signing_public(keys.new_signing_key()))
    assert php.ask("release", **{**arguments, "key": other_key}) is False
    altered = {"slug": "other", "version": "1.2.4", "sha256": "0" * 64, "sig": "A" * 86}
    for name, value in altered.items():
        assert php.ask("release", **{**arguments, "fields": {**fields, name: value}}) is False
    assert php.ask("release", **{**arguments, "fields": {}}) is False


@pytest.mark.parametrize("item", [70, pytest.param(7, marks=pytest.mark.nightly)])
def test_an_altered_plan_is_refused(all_phps: list[Php], item: int) -> None:
    good = plan_of(VECTORS["rotation"])
    for name in ("plan", "sig"):
        for at in range(0, len(good[name]), item):
            other = "A" if good[name][at] != "A" else "B"
            altered = good[name][:at] + other + good[name][at + 1 :]
            for php in all_phps:
                with pytest.raises(Refused):
                    php.ask("plan", **{**good, name: altered})


@pytest.mark.parametrize("peer_key", VECTORS["pairing"]["refused_peer_keys_hex"])
def test_a_peer_key_of_small_order_is_refused(php: Php, peer_key: str) -> None:
    with pytest.raises(Refused) as refused:
        php.ask(
            "session",
            hello=b"h",
            answer=b"a",
            auth=b"x" * 32,
            private=b"p" * 32,
            peer=bytes.fromhex(peer_key),
        )
    assert refused.value.code == "invalid_arguments"


# ---- every altered byte ----


@given(data=st.data())
def test_any_altered_byte_of_a_request_is_refused(all_phps: list[Php], data: st.DataObject) -> None:
    sent = signed()
    # The signature does not cover Accept-Encoding, which carries no data.
    headers = {name: text for name, text in headers_of(sent).items() if name != "accept-encoding"}
    message = {**headers, "body": sent.body, "url": URL, "method": "POST"}
    part = data.draw(st.sampled_from(list(message)))
    altered = alter(data, as_bytes(message[part]))
    message[part] = altered if part == "body" else altered.decode("latin-1")
    method, url, body = (message.pop(name) for name in ("method", "url", "body"))
    with pytest.raises(protocol.ProtocolError):
        protocol.verify_request(
            method=method,
            urls=[url],
            headers=message,
            body=body,
            key_for={KEYID: KEY}.get,
            now=NOW,
        )
    for php in all_phps:
        with pytest.raises(Refused):
            verify(php, message, body, urls=[url], method=method)


@given(data=st.data())
def test_any_altered_byte_of_a_reply_is_refused(all_phps: list[Php], data: st.DataObject) -> None:
    sent = signed()
    request = protocol.VerifiedRequest(
        KEYID, sent.nonce, NOW, NOW + 60, URL, sent.headers["Content-Digest"]
    )
    body, status = b'{"ok":true,"op":"ping","v":1}', 200
    headers = {
        name.lower(): value
        for name, value in protocol.sign_response(request, 200, body, key=KEY, now=NOW).items()
        if name != "Cache-Control"
    }
    part = data.draw(st.sampled_from([*headers, "body", "status"]))
    if part == "body":
        body = alter(data, body)
    elif part == "status":
        status = data.draw(st.integers(100, 599).filter(lambda other: other != 200))
    else:
        headers[part] = alter(data, headers[part].encode()).decode("latin-1")
    with pytest.raises(protocol.ProtocolError):
        protocol.verify_response(sent, status=status, headers=headers, body=body, key=KEY)
    facts = {
        "url": URL,
        "keyid": KEYID,
        "nonce": sent.nonce,
        "content_digest": sent.headers["Content-Digest"],
    }
    for php in all_phps:
        with pytest.raises(Refused):
            php.ask(
                "verify_response", request=facts, status=status, headers=headers, body=body, key=KEY
            )


def as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def alter(data: st.DataObject, text: bytes) -> bytes:
    """Change, insert or remove one byte."""
    at = data.draw(st.integers(0, len(text) - 1))
    byte = bytes([data.draw(st.integers(1, 255))])
    how = data.draw(st.sampled_from(["change", "insert", "remove"]))
    altered = {
        "change": text[:at] + byte + text[at + 1 :],
        "insert": text[:at] + byte + text[at:],
        "remove": text[:at] + text[at + 1 :],
    }[how]
    return altered if altered != text else text + byte


def test_an_unaltered_request_and_reply_are_accepted(php: Php) -> None:
    """Without this test, the two tests above would also pass if everything were refused."""
    sent = signed()
    assert verify(php, headers_of(sent), sent.body)["url"] == URL
    request = {
        "url": URL,
        "keyid": KEYID,
        "nonce": sent.nonce,
        "digest": sent.headers["Content-Digest"],
    }
    headers = php.ask(
        "sign_response", request=request, status=200, body=b"{}", key=KEY, created=NOW
    )
    protocol.verify_response(sent, status=200, headers=headers, body=b"{}", key=KEY)


# ---- documents ----


LEAVES = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text()
KEYS = st.text(st.characters(max_codepoint=127), max_size=8).filter(
    # PHP's parser refuses a name that begins with NUL; the protocol has no such name.
    lambda name: not name.startswith("\0")
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(document=st.dictionaries(KEYS, DOCUMENTS, max_size=5))
def test_both_sides_encode_documents_alike(all_phps: list[Php], document: dict[str, Any]) -> None:
    try:
        exact = protocol.canonical(document)
    except protocol.ProtocolError:
        return
    for php in all_phps:
        assert php.ask("canonical", raw=exact) == b64(exact)


# ---- addresses ----


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("https://a.example", "http://www.a.example/"),
        ("https://a.example:443/x/", "http://a.example:80/x"),
        ("https://a.example", "https://b.example"),
        ("https://a.example/x", "https://a.example/X"),
        ("https://A.example.", "https://a.example"),
        ("https://a.example:8443", "https://a.example"),
        ("https://www.www.example", "https://www.example"),
        ("ftp://a.example", "ftp://a.example"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_both_sides_compare_two_addresses_alike(php: Php, first: str, second: str) -> None:
    assert php.ask("same_home", one=first, other=second) is same_home(first, second)


# ---- sealed secrets ----


def test_a_sealed_secret_opens_only_with_its_own_keys(php: Php) -> None:
    result = php.ask("seal_roundtrip", secret="of wp-config.php", plain=b"\x00secret\xff")
    assert b64decode(result["opened_b64"]) == b"\x00secret\xff"
    assert (result["elsewhere"], result["altered"], result["cut"]) == (None, None, None)


# ---- the independent peer ----


def test_the_peer_signs_and_the_plugin_accepts(php: Php) -> None:
    now = peer.now_s()
    message = peer.Message(peer.URL, {"Content-Type": "application/json"})
    peer.peer_signs(
        message,
        peer.D2S,
        peer.BODY,
        nonce=protocol.new_nonce(),
        tag=protocol.REQUEST_TAG,
        covered_component_ids=peer.REQUEST_PARTS,
    )
    headers = {name.lower(): value for name, value in message.headers.items()}
    found = php.ask(
        "verify_request",
        method="POST",
        urls=[peer.URL],
        headers=headers,
        body=peer.BODY,
        keys={peer.KEYID: b64(peer.D2S)},
        now=now,
        tag=protocol.REQUEST_TAG,
    )
    assert found["url"] == peer.URL


def test_the_plugin_signs_and_the_peer_accepts(php: Php) -> None:
    now, nonce = peer.now_s(), protocol.new_nonce()
    signed_message = php.ask(
        "sign_request",
        url=peer.URL,
        body=peer.BODY,
        key=peer.D2S,
        keyid=peer.KEYID,
        created=now,
        nonce=nonce,
        tag=protocol.REQUEST_TAG,
    )
    sent = peer.Message(peer.URL, signed_message["headers"])
    found = peer.peer_verifies(sent, peer.D2S, protocol.REQUEST_TAG, peer.BODY, peer.REQUEST_PARTS)
    assert found.parameters["nonce"] == nonce
    request = {
        "url": peer.URL,
        "keyid": peer.KEYID,
        "nonce": nonce,
        "digest": signed_message["headers"]["Content-Digest"],
    }
    headers = php.ask(
        "sign_response", request=request, status=200, body=peer.ANSWER, key=peer.S2D, created=now
    )
    response = peer.Response(sent, 200, headers)
    found = peer.peer_verifies(
        response, peer.S2D, protocol.RESPONSE_TAG, peer.ANSWER, peer.RESPONSE_PARTS
    )
    assert found.parameters["nonce"] == nonce
