"""Which WordPress branches get security fixes, and which only as a courtesy."""

from __future__ import annotations

from datetime import date

import pytest

from app.domain.inventory.wordpress_eol import ended_on, newest_branch, support_of


@pytest.mark.parametrize(
    ("version", "support", "ended"),
    [
        ("7.1.2", "supported", None),
        ("7.2-beta1", "supported", None),
        ("7.0.3", "courtesy", None),
        ("4.7.31", "courtesy", None),
        ("4.6.30", "ended", date(2025, 7, 31)),
        ("4.1.42", "ended", date(2025, 7, 31)),
        ("4.0.38", "ended", date(2022, 12, 1)),
        ("3.7.41", "ended", date(2022, 12, 1)),
        ("", "", None),
        ("trunk", "", None),
    ],
)
def test_a_branch_has_a_support_status(version: str, support: str, ended: date | None) -> None:
    assert support_of(version, newest_branch(())) == support
    assert ended_on(version) == ended


def test_a_branch_newer_than_the_table_makes_the_others_older() -> None:
    newest = newest_branch(["6.9.4", "7.3", ""])
    assert newest == (7, 3)
    assert support_of("7.1.2", newest) == "courtesy"
