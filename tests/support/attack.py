"""One row of the list of attacks (tests/support/misuse.py)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attack:
    """An attack and the tests that try it, as pairs of file and function."""

    text: str
    tests: tuple[tuple[str, str], ...]
    note: str = ""


def attack_tests(*tests: str) -> tuple[tuple[str, str], ...]:
    """Return pairs of file and function from alternating arguments."""
    return tuple(zip(tests[::2], tests[1::2], strict=True))
