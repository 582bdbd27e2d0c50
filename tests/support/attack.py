"""One item of the list of attacks (tests/support/misuse.py)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attack:
    """What somebody tries, and the functions that try it."""

    text: str
    tests: tuple[tuple[str, str], ...]
    note: str = ""


def played(*tests: str) -> tuple[tuple[str, str], ...]:
    """Pairs of file and function, from alternating words."""
    return tuple(zip(tests[::2], tests[1::2], strict=True))
