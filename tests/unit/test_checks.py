"""Check statistics of a site: time without checks is a gap and not uptime."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from app.domain.inventory.php_eol import ends_on
from app.domain.reporting.sync_stats import (
    NOT_ASKED,
    NOT_CONNECTED,
    Checks,
    ErrorSpan,
    ReportEntry,
    SiteHistory,
    connected,
    count_checks,
)
from app.models.daily_checks import CheckedDays
from tests.support.fakes import at

BEGIN = at("2026-11-01 00:00")
HOUR = timedelta(hours=1)


def moment(hours: float) -> datetime:
    return BEGIN + timedelta(hours=hours)


def line(hours: float, event: str, **facts: object) -> ReportEntry:
    return ReportEntry(round(hours * 100), moment(hours), event, 1, "Aura", facts)


def day(first: float, last: float, *gaps: tuple[float, float], **counts: int) -> CheckedDays:
    """Return a day with its first and last check at these hours after the beginning."""
    return CheckedDays(
        first_at=moment(first),
        last_at=moment(last),
        gaps=tuple((moment(begins).isoformat(), moment(ends).isoformat()) for begins, ends in gaps),
        **counts,
    )


PAIRED = [line(0, "pairing_completed")]


def count(*days: CheckedDays, until: float = 6, events: list[ReportEntry] = PAIRED) -> Checks:
    """Count the checks of one site in the hours up to `until`."""
    ends = moment(until)
    history = SiteHistory(days)
    return count_checks(history, connected(events, ends), BEGIN, ends, every=HOUR)


def test_the_numbers_of_all_days_are_added() -> None:
    seen = count(day(1, 5, made=5, answered=4), day(25, 29, made=5, answered=5), until=30)
    assert (seen.made, seen.answered, seen.permille) == (10, 9, 900)


def test_only_a_complete_count_is_100_percent() -> None:
    assert count(day(1, 5, made=1200, answered=1199)).permille == 999


def test_the_most_frequent_error_comes_first() -> None:
    once, often = (line(1, "sync_failed"), line(2, "sync_failed"))
    errors = (ErrorSpan("dns", 1, once, once), ErrorSpan("timeout", 7, often, often))
    found = count_checks(SiteHistory(errors=errors), [], BEGIN, moment(1), every=HOUR)
    assert [error.name for error in found.errors] == ["timeout", "dns"]


def test_hours_without_checks_are_a_gap_and_not_uptime() -> None:
    seen = count(day(1, 10, (1, 9), made=3, answered=3), until=10)
    assert [(gap.why, gap.begins, gap.ends) for gap in seen.gaps] == [
        (NOT_ASKED, moment(1), moment(9))
    ]
    assert (seen.made, seen.permille) == (3, 1000)


def test_a_day_of_regular_checks_has_no_gap() -> None:
    assert count(day(0, 23, made=24, answered=24), day(24, 47, made=24), until=48).gaps == ()


def test_only_a_gap_within_a_day_counts() -> None:
    seen = count(day(0, 23, (6, 12), made=18, answered=18), until=24)
    assert [(gap.begins, gap.ends) for gap in seen.gaps] == [(moment(6), moment(12))]


def test_a_site_may_be_paired_again_between_regular_checks() -> None:
    """The site was paired again within the hour."""
    events = [*PAIRED, line(9, "revocation_started"), line(9.5, "pairing_completed")]
    seen = count(day(0, 23, made=24, answered=24), until=24, events=events)
    assert [(gap.why, gap.begins) for gap in seen.gaps] == [(NOT_CONNECTED, moment(9))]


@pytest.mark.parametrize(("answered", "gaps"), [(9, 1), (8, 0)])
def test_rarer_checks_of_a_failing_site_are_no_gap(answered: int, gaps: int) -> None:
    """The site may have failed last; the pause over midnight is within its retry interval."""
    days = day(0, 20, made=9, answered=answered), day(26, 47, made=24, answered=24)
    assert len(count(*days, until=48).gaps) == gaps


def test_a_gap_may_span_days() -> None:
    seen = count(day(1, 3, made=3), day(50, 52, made=3), until=53)
    assert [(gap.begins, gap.ends) for gap in seen.gaps] == [(moment(3), moment(50))]


def test_added_days_equal_one_day() -> None:
    assert count(day(0, 200, made=201), until=201).gaps == ()


def test_time_without_a_connection_is_no_gap() -> None:
    events = [
        line(0, "pairing_completed"),
        line(50, "revocation_started"),
        line(70, "pairing_completed"),
    ]
    seen = count(day(0, 100, made=80), until=101, events=events)
    assert [(gap.why, gap.begins, gap.ends) for gap in seen.gaps] == [
        (NOT_CONNECTED, moment(50), moment(70))
    ]


def test_two_missing_rounds_are_no_gap() -> None:
    assert count(day(3, 3, made=1), until=6).gaps == ()


def test_a_site_has_no_connection_before_pairing_or_after_its_end() -> None:
    events = [line(2, "pairing_completed"), line(4, "revocation_started")]
    seen = count(day(3, 3, made=1), events=events)
    assert [gap.why for gap in seen.gaps] == [NOT_CONNECTED, NOT_CONNECTED]


def test_a_check_outside_the_period_changes_no_gap() -> None:
    """Days are in the time zone that the agency had at that time."""
    seen = count(day(-2, 9, (-2, 9), made=2, answered=2), until=6)
    assert [(gap.begins, gap.ends) for gap in seen.gaps] == [(BEGIN, moment(6))]


def test_a_round_that_made_no_request_counts_separately() -> None:
    seen = count(day(2, 5, made=4, answered=4, not_made=1))
    assert (seen.made, seen.not_made) == (4, 1)


def test_there_is_no_uptime_without_checks() -> None:
    seen = count(until=1, events=[])
    assert (seen.made, seen.permille, [one.why for one in seen.gaps]) == (0, 0, [NOT_CONNECTED])


@pytest.mark.parametrize(
    ("version", "ends"),
    [
        ("8.2.36", "2026-12-31"),
        ("7.4.33", "2022-11-28"),
        ("5.6.40", "2018-12-31"),
        ("9.0", None),
        ("", None),
    ],
)
def test_php_security_support_has_an_end(version: str, ends: str | None) -> None:
    found = ends_on(version)
    assert (found.isoformat() if found else None) == ends
