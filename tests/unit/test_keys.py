"""Pairing tokens, derived keys, and secrets encrypted for storage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import keys
from app.keys import Exchange, KeyRefused, KeyRing, NotAToken, SealBroken, Token

NOW = 1_795_463_815
OLD, NEW = bytes(range(32)), bytes(range(32, 64))


def token() -> Token:
    return keys.new_token("https://aura.example.test", "https://shop.example.test", NOW)


def test_a_token_is_read_back_from_its_text() -> None:
    fresh = token()
    assert Token.read(f"  {fresh.text()}\n") == fresh
    assert fresh.expires_at == NOW + 30 * 60
    assert fresh.keyid == "p_" + fresh.text().split(".")[1]


def test_two_tokens_share_nothing() -> None:
    one, two = token(), token()
    assert one.pid != two.pid
    assert one.secret != two.secret


@given(st.data())
def test_a_token_with_one_other_character_is_not_read(data: st.DataObject) -> None:
    text = token().text()
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda char: char != text[place]))
    with pytest.raises(NotAToken):
        Token.read(text[:place] + other + text[place + 1 :] + ".")
    changed = text[:place] + other + text[place + 1 :]
    # Copying may add blanks around a token; any other change is damage.
    if changed.strip() == changed or changed.strip() != text:
        with pytest.raises(NotAToken):
            Token.read(changed)


@given(st.text())
def test_any_text_is_a_token_or_an_error(text: str) -> None:
    for candidate in (text, f"SA1.{text}"):
        with pytest.raises(NotAToken):
            Token.read(candidate)


def test_a_damaged_token_is_recognized() -> None:
    with pytest.raises(NotAToken) as damaged:
        Token.read(token().text()[:-1])
    with pytest.raises(NotAToken) as other:
        Token.read("correct horse battery staple")
    assert damaged.value.damaged
    assert not other.value.damaged


def test_both_sides_derive_the_same_keys() -> None:
    invitation = token()
    auth = keys.pairing_keys(invitation.secret, invitation.pid).auth
    dash, site = Exchange.new(), Exchange.new()
    th = keys.transcript(b"hello", b"answer")
    here = keys.session_keys(dash, site.public, auth, th)
    there = keys.session_keys(site, dash.public, auth, th)
    assert vars(here) == vars(there)
    assert len(set(vars(here).values())) == 5


def test_every_part_of_a_pairing_changes_every_key() -> None:
    dash, site = Exchange.new(), Exchange.new()
    usual = keys.session_keys(dash, site.public, OLD, keys.transcript(b"a", b"b"))
    others = [
        keys.session_keys(dash, site.public, NEW, keys.transcript(b"a", b"b")),
        keys.session_keys(dash, site.public, OLD, keys.transcript(b"a", b"c")),
        keys.session_keys(dash, Exchange.new().public, OLD, keys.transcript(b"a", b"b")),
    ]
    for other in others:
        assert not set(vars(usual).values()) & set(vars(other).values())


def test_the_length_of_a_hello_is_part_of_the_transcript() -> None:
    assert keys.transcript(b"ab", b"c") != keys.transcript(b"a", b"bc")


def test_the_stored_part_of_a_token_gives_the_same_pairing_keys() -> None:
    invitation = token()
    whole = keys.pairing_keys(invitation.secret, invitation.pid)
    assert vars(keys.pairing_keys_of(whole.auth)) == vars(whole)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_peer_key_of_the_wrong_size_is_refused(size: int) -> None:
    with pytest.raises(KeyRefused):
        Exchange.new().shared(bytes(size))


def test_a_peer_key_without_a_secret_is_refused() -> None:
    with pytest.raises(KeyRefused):
        Exchange.new().shared(bytes(32))


def test_key_id_and_fingerprint_come_from_the_transcript() -> None:
    th = bytes.fromhex("bc926193c2d2" + "00" * 26)
    assert keys.fingerprint(th) == "BC92-6193-C2D2"
    assert keys.key_id(th) == "vJJhk8LSAAAAAAAAAAAAAA.1"
    assert keys.key_id(th, 2).endswith(".2")


def test_a_secret_is_verified_against_its_hash() -> None:
    assert keys.proves(OLD, keys.hash_of(OLD))
    assert not keys.proves(NEW, keys.hash_of(OLD))
    assert not keys.proves(OLD, "")


def test_a_signature_is_valid_only_for_its_message_and_key() -> None:
    seed = keys.new_signing_key()
    public = keys.signing_public(seed)
    signature = keys.sign(seed, b"plan")
    assert keys.verify(public, b"plan", signature)
    assert not keys.verify(public, b"plan!", signature)
    assert not keys.verify(keys.signing_public(keys.new_signing_key()), b"plan", signature)
    assert not keys.verify(public, b"plan", signature[:-1])
    assert not keys.verify(b"short", b"plan", signature)


def test_a_sealed_secret_opens_in_its_place() -> None:
    ring = KeyRing((("k1", OLD),))
    sealed = ring.seal(b"secret", "site:7:k_d2s:1")
    assert sealed.startswith("k1.")
    assert b"secret" not in sealed.encode()
    assert ring.open(sealed, "site:7:k_d2s:1") == b"secret"


def test_the_same_secret_is_never_sealed_the_same_way_twice() -> None:
    ring = KeyRing((("k1", OLD),))
    assert ring.seal(b"secret", "a") != ring.seal(b"secret", "a")


def test_a_sealed_secret_does_not_open_in_another_place() -> None:
    ring = KeyRing((("k1", OLD),))
    sealed = ring.seal(b"secret", "site:7:k_d2s:1")
    with pytest.raises(SealBroken):
        ring.open(sealed, "site:8:k_d2s:1")


def test_a_new_first_key_seals_while_the_old_one_still_opens() -> None:
    sealed = KeyRing((("k1", OLD),)).seal(b"secret", "a")
    ring = KeyRing((("k2", NEW), ("k1", OLD)))
    assert ring.open(sealed, "a") == b"secret"
    assert ring.seal(b"secret", "a").startswith("k2.")


def test_a_sealed_secret_does_not_open_without_its_key() -> None:
    sealed = KeyRing((("k1", OLD),)).seal(b"secret", "a")
    for ring in (KeyRing((("k2", OLD),)), KeyRing((("k1", NEW),))):
        with pytest.raises(SealBroken):
            ring.open(sealed, "a")


@given(st.data())
def test_one_other_character_breaks_the_seal(data: st.DataObject) -> None:
    ring = KeyRing((("k1", OLD),))
    sealed = ring.seal(b"secret", "a")
    place = data.draw(st.integers(0, len(sealed) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda char: char != sealed[place]))
    with pytest.raises(SealBroken):
        ring.open(sealed[:place] + other + sealed[place + 1 :], "a")


@given(st.text())
def test_any_text_is_decrypted_or_refused(text: str) -> None:
    ring = KeyRing((("k1", OLD),))
    for candidate in (text, f"k1.{text}"):
        with pytest.raises(SealBroken):
            ring.open(candidate, "a")


def test_a_ring_without_keys_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        KeyRing(())


def test_no_representation_shows_a_secret() -> None:
    invitation = token()
    exchange = Exchange(OLD)
    held = [
        invitation,
        keys.pairing_keys(OLD, NEW),
        exchange,
        keys.session_keys(exchange, Exchange.new().public, OLD, bytes(32)),
        KeyRing((("k1", OLD),)),
    ]
    shown = repr(held) + str(held)
    assert repr(OLD)[2:20] not in shown
    assert repr(invitation.secret) not in shown
