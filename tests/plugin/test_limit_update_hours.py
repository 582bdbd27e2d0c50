"""Limit the start of updates to the owner's days and hours, in the site's time zone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.plugin.support.changing import GALLERY, ApprovedChange, ask, disk, grant, reset, version
from tests.plugin.support.dashboard import Paired
from tests.plugin.support.signed_requests import connect, forget
from tests.plugin.support.wp_admin import Person, words

ITEM = {"kind": "plugin", "id": GALLERY, "from": "1.0.0", "to": "1.1.0"}
LIMITS = "&tab=limits"
ANY_TIME = "siteagent()->limit_decisions()->save_window(null, 'user:1');"


@pytest.fixture
def paired(wp: Any) -> Iterator[Paired]:
    forget(wp)
    zone = wp.evaluate(f"{ANY_TIME} return get_option('timezone_string');")
    reset(wp, "tide-gallery", "1.0.0")
    connected = connect(wp)
    grant(wp, "plugins")
    yield connected
    wp.evaluate(f"{ANY_TIME} update_option('timezone_string', '{zone}');")
    forget(wp)


@pytest.fixture
def ana(wp: Any) -> Person:
    return Person(wp.url, wp.admin, wp.password)


def save(ana: Person, days: list[int], from_hour: int, to_hour: int) -> str:
    fields = {f"days[{at}]": str(day) for at, day in enumerate(days)}
    hours = {"from_hour": str(from_hour), "to_hour": str(to_hour)}
    return words(ana.submit(ana.page(LIMITS).text, "siteagent_window", **fields | hours))


def window(paired: Paired) -> dict[str, Any]:
    return paired.ask("report", have=None).document["report"]["agent"]["limits"]["window"]


def in_three_days() -> int:
    """Return a weekday that is neither today, yesterday nor tomorrow in any time zone."""
    return (datetime.now(UTC) + timedelta(days=3)).isoweekday()


def test_outside_of_the_owners_hours_a_signed_plan_is_refused(wp, ana, paired) -> None:
    before = disk(wp, GALLERY)
    assert "Limits saved." in save(ana, [in_three_days()], 1, 5)
    assert "No update may start now." in words(ana.page(LIMITS).text)
    change = ApprovedChange.of(wp, paired, ITEM)
    reply = change.send()
    assert (reply["outcome"], reply["reason"]) == ("refused", "outside_owner_window")
    assert disk(wp, GALLERY) == before
    # The plan may be sent again and runs when the hours begin.
    assert change.status()["state"] == "never"
    save(ana, [1, 2, 3, 4, 5, 6, 7], 0, 24)
    assert change.send()["outcome"] == "succeeded"


def test_a_plan_keeps_its_own_times_within_the_owners_hours(wp, ana, paired) -> None:
    save(ana, [1, 2, 3, 4, 5, 6, 7], 0, 24)
    late = ApprovedChange.of(wp, paired, ITEM, not_after=int(time.time()) - 1)
    assert late.send()["reason"] == "outside_window"
    assert version(wp, GALLERY) == "1.0.0"


def test_a_pre_check_is_answered_at_any_time(wp, ana, paired) -> None:
    """A person may approve by day an update that starts at night."""
    save(ana, [in_three_days()], 1, 5)
    assert ask(paired, "change.check", item=ITEM)["eligible"] is True


def test_the_hours_use_the_sites_time_zone_and_are_reported(wp, ana, paired) -> None:
    nothing = {"days": [], "from_hour": None, "to_hour": None}
    assert window(paired).items() >= nothing.items()
    wp.evaluate("update_option('timezone_string', 'Asia/Kolkata');")
    save(ana, [6, 2], 22, 4)
    expected = {"days": [2, 6], "from_hour": 22, "to_hour": 4, "time_zone": "Asia/Kolkata"}
    assert window(paired) == expected
    assert "time zone of this site, Asia/Kolkata" in words(ana.page(LIMITS).text)
    # Without a city, the site's time zone is only an offset.
    wp.evaluate("update_option('timezone_string', ''); update_option('gmt_offset', '5.5');")
    digest = paired.ask("report", have=None).document["digest"]
    assert window(paired)["time_zone"] == "+05:30"
    wp.evaluate("update_option('gmt_offset', '-3');")
    assert paired.ask("report", have=digest).document.get("unchanged") is None
    wp.evaluate("update_option('gmt_offset', '0');")


def test_the_log_shows_the_new_hours(wp, ana, paired) -> None:
    save(ana, [1, 7], 22, 4)
    entry = wp.evaluate("return siteagent()->audit_log_reader()->recent(1, 0)[0];")
    assert (entry["event"], entry["actor"]) == ("update_window_changed", "user:1")
    assert entry["facts"]["after"] == {"days": [1, 7], "from_hour": 22, "to_hour": 4}
    page = words(ana.page("&tab=log").text)
    assert "Changed when updates may start. Monday, Sunday, from 22:00 to 04:00" in page
    assert "No changes to save." in save(ana, [7, 1], 22, 4)


@pytest.mark.parametrize(
    ("days", "hours"), [([1], (5, 5)), ([8], (1, 5)), ([0, 1], (1, 5)), ([1], (1, 25))]
)
def test_invalid_hours_are_not_saved(wp, ana, paired, days, hours) -> None:
    assert "Hours not saved" in save(ana, days, *hours)
    assert window(paired)["days"] == []
