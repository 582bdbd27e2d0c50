"""Passwords that are guessed first are refused; the others are kept as argon2id."""

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


def test_the_same_characters_typed_on_another_keyboard_are_the_same_password() -> None:
    assert passwords.verify_password(
        passwords.hash_password("Zoe\u0308 und Jose\u0301"), "Zo\u00eb und Jos\u00e9"
    )


@pytest.mark.parametrize("stored", [None, "!", "", "plain text", passwords.DUMMY_HASH])
def test_where_there_is_no_hash_nothing_matches(stored: str | None) -> None:
    for password in ("", "!", "plain text", PASSWORD):
        assert not passwords.verify_password(stored, password)


def test_even_who_knew_the_password_of_the_stand_in_would_not_get_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "DUMMY_HASH", a_hash())
    assert not passwords.verify_password(None, PASSWORD)
    assert not passwords.verify_password("!", PASSWORD)


def test_the_stand_in_costs_what_a_new_hash_costs() -> None:
    assert not passwords.is_outdated(passwords.DUMMY_HASH)


@pytest.mark.parametrize(
    "password", ["correct horse battery staple", "ÄÖÜäöüßéèêçñ", "q7" * 3 + "Wz!5kR"]
)
def test_long_enough_is_good_enough(password: str) -> None:
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
def test_what_is_guessed_first_is_refused_with_the_reason(password: str, why: str) -> None:
    problem = passwords.password_problem(password, name="Ana Jansen", email="ana@agency.example")
    assert problem.startswith(why) or why in problem
