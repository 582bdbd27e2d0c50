"""Passwords: weak ones are refused, others are stored as argon2id hashes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.domain.accounts import passwords
from tests.support import quick_passwords
from tests.support.factories import PASSWORD, a_hash


@pytest.fixture(scope="module", autouse=True)
def real_parameters() -> Iterator[None]:
    """Hash as Aura does; other tests do not."""
    with quick_passwords.real():
        yield


def test_a_password_opens_its_own_hash_and_no_other() -> None:
    own = passwords.hash_password(PASSWORD)
    assert own.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.verify_password(own, PASSWORD)
    assert not passwords.verify_password(own, PASSWORD + " ")
    assert passwords.hash_password(PASSWORD) != own


def test_unicode_forms_of_one_password_are_equal() -> None:
    assert passwords.verify_password(
        passwords.hash_password("Zoe\u0308 und Jose\u0301"), "Zo\u00eb und Jos\u00e9"
    )


@pytest.mark.parametrize("stored", [None, "!", "", "plain text", passwords.DUMMY_HASH])
def test_no_password_matches_a_missing_hash(stored: str | None) -> None:
    for password in ("", "!", "plain text", PASSWORD):
        assert not passwords.verify_password(stored, password)


def test_the_password_of_the_dummy_hash_does_not_sign_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "DUMMY_HASH", a_hash())
    assert not passwords.verify_password(None, PASSWORD)
    assert not passwords.verify_password("!", PASSWORD)


def test_the_dummy_hash_costs_as_much_as_a_real_one() -> None:
    assert not passwords.is_outdated(passwords.DUMMY_HASH)


@pytest.mark.parametrize(
    "password", ["correct horse battery staple", "ÄÖÜäöüßéèêçñ", "q7" * 3 + "Wz!5kR"]
)
def test_a_long_password_needs_no_special_characters(password: str) -> None:
    assert passwords.password_problem(password, name="Ana Jansen", email="ana@agency.example") == ""


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", "At least 12"),
        ("elevenchars", "At least 12"),
        ("x" * 201, "At most 200"),
        ("aaaaaaaaaaaaaaaa", "Repeated characters"),
        ("121212121212", "Repeated characters"),
        ("Ana@agency.example", "Names and addresses"),
        ("AnaJansen2026", "Names and addresses"),
        ("Password1234", "Names and addresses"),
    ],
)
def test_weak_passwords_are_refused_with_the_reason(password: str, why: str) -> None:
    problem = passwords.password_problem(password, name="Ana Jansen", email="ana@agency.example")
    assert problem.startswith(why) or why in problem
