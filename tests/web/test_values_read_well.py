"""Format times, sizes and addresses as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.views import filters

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (-4, "just now"),
        (5, "5 seconds ago"),
        (60, "1 minute ago"),
        (3599, "59 minutes ago"),
        (7200, "2 hours ago"),
        (86400, "1 day ago"),
        (40 * 86400, "15 Oct 2026"),
        (-1740, "in 29 minutes"),
    ],
)
def test_times_are_shown_relative_to_now(seconds, text):
    assert filters.ago(NOW - timedelta(seconds=seconds), NOW) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (16, "16 sec ago"),
        (60, "1 min ago"),
        (3000, "50 min ago"),
        (7200, "2 hours ago"),
        (-1740, "in 29 min"),
    ],
)
def test_times_are_short_in_a_narrow_column(seconds, text):
    assert filters.ago_short(datetime.now(UTC) - timedelta(seconds=seconds)) == text


def test_times_are_shown_in_utc_whatever_their_zone():
    at = datetime(2026, 11, 24, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))
    assert filters.full_time(at) == "23 Nov 2026, 23:02:03 UTC"
    assert filters.iso_time(at) == "2026-11-23T23:02:03Z"


def test_a_text_that_is_no_time_is_unchanged():
    assert filters.stamp("2026-11-24T10:00:00+00:00") == "24 Nov 2026, 10:00:00 UTC"
    assert filters.stamp("soon") == "soon"


@pytest.mark.parametrize(
    ("seconds", "year"), [(0, 1970), (-5, 1970), (10**15, 9999), (1795463815, 2026)]
)
def test_timestamps_of_a_site_never_break_the_page(seconds, year):
    assert filters.from_unix(seconds).year == year


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 KB"), (740_000_000, "740 MB"), (10**16, "10000 TB")],
)
def test_sizes_are_shown_in_decimal_units(count, text):
    assert filters.file_size(count) == text


@pytest.mark.parametrize(
    ("text", "may_link"),
    [
        ("https://example.com/a", True),
        ("http://example.com", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("//example.com", False),
        ("https://", False),
        ("https://[", False),
        ("ftp://example.com", False),
    ],
)
def test_only_web_addresses_become_links(text, may_link):
    assert filters.is_web_address(text) is may_link
