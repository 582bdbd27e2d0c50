"""Charts: proportions, frames, scales, and what they count."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from app import charts
from app.domain.inventory.version_spread import BEHIND, CURRENT, OLD, php_spread, wordpress_spread

COUNTS = st.lists(st.integers(1, 5000), min_size=1, max_size=4)
VERSIONS = st.lists(st.sampled_from(["7.1.4", "7.1.3", "7.0.2", "6.9", "", "beta"]), max_size=30)


@given(COUNTS)
def test_segments_fill_the_bar_in_order_without_overlap(counts):
    bar = charts.stacked_bar(counts)
    assert bar[0].x == 0
    assert bar[-1].x + bar[-1].width == charts.BAR_WIDTH
    for one, following in pairwise(bar):
        assert following.x - (one.x + one.width) == 3
    assert all(segment.width >= 6 for segment in bar)


@given(COUNTS)
def test_a_larger_count_is_not_a_narrower_segment(counts):
    bar = charts.stacked_bar(counts)
    for value, segment in zip(counts, bar, strict=True):
        for other, its_segment in zip(counts, bar, strict=True):
            assert value <= other or segment.width >= its_segment.width - 1


POINTS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 90_000)), min_size=1, max_size=30)


def _placed(path: str) -> list[tuple[int, int]]:
    return [(int(x), int(y)) for x, y in re.findall(r"(\d+) (\d+)", path)]


@given(st.integers(0, 5000), POINTS)
def test_a_line_goes_through_all_points_from_edge_to_edge(first, steps):
    xs = accumulate((step for step, _ in steps), initial=0)
    points = list(zip(xs, [first, *(value for _, value in steps)], strict=True))
    drawn = charts.line(points)
    placed = _placed(drawn.line)
    assert len(placed) == len(points)
    assert (placed[0][0], placed[-1][0], drawn.end) == (0, charts.LINE_WIDTH, placed[-1])
    assert all(0 <= y <= charts.LINE_HEIGHT for _, y in placed)
    for one, its_place in zip(points, placed, strict=True):
        for other, place in zip(points, placed, strict=True):
            assert one[1] <= other[1] or its_place[1] <= place[1], "more is higher"


@given(st.integers(0, 90_000))
def test_a_scale_is_round_begins_at_0_and_reaches_the_highest_value(highest):
    values = [one.value for one in charts.line([(0, highest), (1, 0)]).grid]
    assert values[-1] == 0
    assert highest <= values[0]
    assert 2 <= len(values) <= 5
    steps = {a - b for a, b in pairwise(values)}
    assert len(steps) == 1
    assert str(steps.pop()).rstrip("0") in ("1", "2", "5")


def test_stripes_stay_inside_of_their_segment():
    assert charts.Segment(100, 13).stripes == "M100 14L106 0M106 14L112 0"


@given(VERSIONS)
def test_every_readable_version_is_counted_once(versions):
    readable = [one for one in versions if one[:1].isdigit()]
    spread = wordpress_spread(Counter(versions))
    assert spread.total == sum(count for _, count in spread.versions) == len(readable)
    assert [part.kind for part in spread.parts] == [
        kind for kind in (CURRENT, BEHIND, OLD) if spread.sites_in(kind)
    ]


def test_wordpress_is_sorted_by_the_newest_in_use_and_its_branch():
    spread = wordpress_spread({"7.1.4": 3, "7.1.3": 1, "7.1.1": 1, "7.0.9": 1, "6.8": 1})
    assert [(part.label, part.sites) for part in spread.parts] == [
        ("7.1.4", 3),
        ("7.1.1 to 7.1.3", 2),
        ("7.0 or older", 2),
    ]


def test_php_is_sorted_by_the_end_of_its_security_fixes():
    versions = ["8.4.2", "8.4.1", "8.3.9", "8.2.1", "8.1.30", "7.4"]
    spread = php_spread(Counter(versions), date(2026, 11, 29))
    assert [(part.label, part.sites) for part in spread.parts] == [
        ("8.4", 2),
        ("8.2 to 8.3", 2),
        ("8.1 or older", 2),
    ]
    # A day after the end of 8.2 it is old, too.
    assert php_spread(Counter(versions), date(2027, 1, 1)).sites_in(OLD) == 3


def test_a_fleet_without_php_fixes_has_one_part():
    spread = php_spread({"7.4.1": 1}, date(2026, 11, 29))
    assert [(part.kind, part.label) for part in spread.parts] == [(OLD, "7.4 or older")]
