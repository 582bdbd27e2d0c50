"""A day is shown as the worst that happened on it, or else as what it mostly was."""

from __future__ import annotations

from datetime import date

import pytest

from app.domain.uptime import figures
from app.models.uptime import UptimeSpan
from app.models.uptime_days import DaySeconds

TODAY = date(2026, 11, 30)


@pytest.mark.parametrize(
    ("seconds", "state"),
    [
        ({"up_s": 86_400}, "up"),
        ({"up_s": 86_399, "down_s": 1}, "down"),
        ({"up_s": 86_100, "degraded_s": 300}, "degraded"),
        ({"up_s": 86_101, "degraded_s": 299}, "up"),
        ({"degraded_s": 299}, "up"),
        ({"degraded_s": 300, "down_s": 1}, "down"),
        ({"up_s": 10, "maintenance_s": 20, "unknown_s": 15}, "maintenance"),
        ({"up_s": 10, "maintenance_s": 20, "unknown_s": 25}, "unknown"),
        ({"up_s": 20, "maintenance_s": 20, "unknown_s": 20}, "up"),
        ({"maintenance_s": 20, "unknown_s": 20}, "maintenance"),
        ({}, ""),
    ],
)
def test_a_day_has_the_state_of_its_worst_event(seconds: dict[str, int], state: str) -> None:
    names = ("up_s", "degraded_s", "down_s", "maintenance_s", "unknown_s")
    plain = DaySeconds(1, TODAY.toordinal(), *(seconds.get(name, 0) for name in names))
    row = UptimeSpan(site=1, number=TODAY.toordinal(), counts={1: 2}, **seconds)
    found = figures.sum_up_seconds([plain], TODAY, 2)
    assert found.states == ["", state]
    assert found.good_s == seconds.get("up_s", 0) + seconds.get("degraded_s", 0)
    assert found.down_s == seconds.get("down_s", 0)
    whole = figures.sum_up([row], TODAY, 2)
    assert (whole.cells, whole.good_s, whole.down_s) == (found.cells, found.good_s, found.down_s)
    assert (whole.counts, found.counts) == ({1: 2}, {})


def test_days_outside_are_not_counted() -> None:
    numbers = range(TODAY.toordinal() - 4, TODAY.toordinal() + 2)
    rows = [UptimeSpan(site=1, number=number, up_s=5, counts={1: 1}) for number in numbers]
    found = figures.sum_up(rows, TODAY, 3)
    assert (found.states, found.good_s, found.counts) == (["up"] * 3, 15, {1: 3})
