"""How often a site was looked at and how often it answered: what nobody saw counts for nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from app.domain.inventory.php_eol import ends_on
from app.domain.reporting.sync_stats import (
    NOT_ASKED,
    NOT_CONNECTED,
    CheckCounter,
    ReportEntry,
    connected,
)
from tests.support.fakes import at

BEGIN = at("2026-11-01 00:00")
HOUR = timedelta(hours=1)


def line(hours: float, event: str, **facts: object) -> ReportEntry:
    moment: datetime = BEGIN + timedelta(hours=hours)
    return ReportEntry(round(hours * 100), moment, event, 1, "Aura", facts)


def look(hours: float, outcome: str = "ok") -> list[ReportEntry]:
    asked = line(hours, "sync_requested")
    called = line(hours + 0.01, "site_called", op="report", outcome=outcome)
    failed = [line(hours + 0.02, "sync_failed", error_code=outcome)] if outcome != "ok" else []
    return [asked, called, *failed]


PAIRED = [line(0, "pairing_completed")]


def counted(*lines: ReportEntry, until: float = 6):
    return count([*PAIRED, *lines], until)


def count(lines: list[ReportEntry], until: float):
    """What the entries about one site, oldest first, say about the hours up to `until`."""
    ends = BEGIN + until * HOUR
    counter = CheckCounter(connected(lines, ends), BEGIN, ends, every=HOUR)
    for one in lines:
        counter.add(one)
    return counter.result()


def test_each_round_is_one_check_and_only_a_signed_answer_is_one() -> None:
    seen = counted(*look(1), *look(2, "timeout"), *look(3), *look(4), *look(5))
    assert (seen.made, seen.answered, seen.permille) == (5, 4, 800)
    assert [(one.name, one.count) for one in seen.errors] == [("timeout", 1)]
    assert seen.gaps == ()


def test_nothing_but_all_of_them_is_all() -> None:
    lines = [one for hour in range(1, 1200) for one in look(hour)] + look(1200, "dns")
    assert counted(*lines, until=1201).permille == 999


def test_two_tries_of_one_round_are_one_check() -> None:
    again = line(1.015, "site_called", op="report", outcome="ok")
    asked, failed = look(1, "clock_skew")[:2]
    assert (counted(asked, failed, again).made, counted(asked, failed, again).answered) == (1, 1)


def test_hours_in_which_nobody_looked_are_a_gap_and_no_uptime() -> None:
    seen = counted(*look(1), *look(9), until=10)
    assert [(one.why, one.ends - one.begins > 7 * HOUR) for one in seen.gaps] == [(NOT_ASKED, True)]
    assert (seen.made, seen.permille) == (2, 1000)


def test_before_the_pairing_and_after_the_end_there_was_no_connection() -> None:
    lines = [line(2, "pairing_completed"), *look(3), line(4, "revocation_started")]
    seen = count(lines, 6)
    assert [one.why for one in seen.gaps] == [NOT_CONNECTED, NOT_CONNECTED]


def test_a_round_that_never_got_to_ask_is_told_apart() -> None:
    seen = counted(line(1, "sync_requested"), *look(2), *look(3), *look(4), *look(5))
    assert (seen.made, seen.not_made) == (4, 1)


def test_without_a_look_nothing_is_claimed() -> None:
    seen = count([], 1)
    assert (seen.made, seen.permille, [one.why for one in seen.gaps]) == (0, 0, [NOT_CONNECTED])


@pytest.mark.parametrize(
    ("version", "day"),
    [
        ("8.2.36", "2026-12-31"),
        ("7.4.33", "2022-11-28"),
        ("5.6.40", "2018-12-31"),
        ("9.0", None),
        ("", None),
    ],
)
def test_how_long_a_php_is_mended(version: str, day: str | None) -> None:
    ends = ends_on(version)
    assert (ends.isoformat() if ends else None) == day
