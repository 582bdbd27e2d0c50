"""Require a minimum release age before the dashboard can install a release."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.http.errors import CallError
from tests.plugin.support.changing import (
    GALLERY,
    ApprovedChange,
    ask,
    disk,
    grant,
    injected_faults,
    reached,
    reset,
    version,
    wake,
)
from tests.plugin.support.dashboard import Paired
from tests.plugin.support.signed_requests import connect, forget
from tests.plugin.support.wp_admin import Person, words

ITEM = {"kind": "plugin", "id": GALLERY, "from": "1.0.0", "to": "1.1.0"}
LIMITS = "&tab=limits"
RESET_AGE_LIMIT = "siteagent()->limit_decisions()->save_min_age(0, 'user:1');"
HOUR_S = 3600


@pytest.fixture
def paired(wp: Any) -> Iterator[Paired]:
    forget(wp)
    wp.evaluate(f"{RESET_AGE_LIMIT} delete_site_option('siteagent_release_sights');")
    reset(wp, "tide-gallery", "1.0.0")
    connection = connect(wp)
    grant(wp, "plugins")
    yield connection
    wp.evaluate(f"{RESET_AGE_LIMIT} delete_site_option('siteagent_release_sights');")
    forget(wp)


@pytest.fixture
def ana(wp: Any) -> Person:
    return Person(wp.url, wp.admin, wp.password)


def save(ana: Person, hours: str) -> str:
    return words(ana.submit(ana.page(LIMITS).text, "siteagent_min_age", hours=hours))


def first_seen(wp: Any) -> int | None:
    return wp.evaluate(
        f"return siteagent()->release_sights()->first_seen('plugin', '{GALLERY}', '1.1.0');"
    )


def set_first_seen(wp: Any, hours_ago: float) -> None:
    """Set how many hours ago the site first saw the release."""
    seen = int(time.time() - hours_ago * HOUR_S)
    release = f"array(array('{GALLERY}', '1.1.0'))"
    wp.evaluate(
        "delete_site_option('siteagent_release_sights');"
        f"siteagent()->release_sights()->record('plugin', {release}, {seen});"
    )


def reported_update(paired: Paired) -> dict[str, Any]:
    updates = paired.ask("report", have=None).document["report"]["updates"]["plugins"]
    return next(update for update in updates if update["id"] == GALLERY)


def change_claiming_age(wp: Any, paired: Paired, days: int) -> ApprovedChange:
    """Return a signed change whose plan claims that the release is this old."""
    then = int(time.time()) - days * 86_400
    return ApprovedChange.of(wp, paired, ITEM, release={"first_seen_at": then, "released_at": then})


@pytest.mark.smoke
def test_a_plan_with_a_false_release_age_is_refused(wp, ana, paired) -> None:
    """A compromised dashboard signs a plan for a new release and claims that it is old."""
    assert "Limits saved." in save(ana, "48")
    before = disk(wp, GALLERY)
    ask(paired, "change.check", item=ITEM)
    change = change_claiming_age(wp, paired, 90)
    answer = change.send()
    assert (answer["outcome"], answer["reason"]) == ("refused", "release_too_new")
    set_first_seen(wp, 48 - 0.01)
    answer = change_claiming_age(wp, paired, 90).send()
    assert (answer["outcome"], answer["reason"]) == ("refused", "release_too_new")
    assert disk(wp, GALLERY) == before
    # The refusal is the permanent answer to this plan.
    set_first_seen(wp, 49)
    assert change.send()["reason"] == "release_too_new"
    assert change_claiming_age(wp, paired, 0).send()["outcome"] == "succeeded"


def test_a_release_that_the_site_has_never_seen_is_refused(wp, ana, paired) -> None:
    save(ana, "1")
    wp.evaluate("delete_site_option('siteagent_release_sights');")
    assert change_claiming_age(wp, paired, 90).send()["reason"] == "release_too_new"
    assert version(wp, GALLERY) == "1.0.0"


def test_the_pre_check_reports_a_release_that_is_too_new(wp, ana, paired) -> None:
    save(ana, "48")
    assert ask(paired, "change.check", item=ITEM)["reasons"] == ["release_too_new"]
    set_first_seen(wp, 48)
    assert ask(paired, "change.check", item=ITEM)["eligible"] is True


@pytest.mark.parametrize("moment", ["download", "before"])
def test_an_age_limit_stops_an_update_that_has_not_replaced_files(wp, paired, moment) -> None:
    """The package is downloaded or even unpacked, but no file of the site is replaced."""
    before = disk(wp, GALLERY)
    set_first_seen(wp, 1)
    with injected_faults(wp, sleep={moment: 30}), ThreadPoolExecutor(1) as pool:
        sent = pool.submit(change_claiming_age(wp, paired, 90).send)
        reached(wp)
        wp.evaluate("siteagent()->limit_decisions()->save_min_age(2, 'user:1');")
        wake(wp)
        answer = sent.result()
    assert (answer["outcome"], answer["reason"]) == ("refused", "release_too_new")
    assert disk(wp, GALLERY) == before


@pytest.mark.smoke
def test_the_time_of_first_sight_is_kept_and_reported(wp, ana, paired) -> None:
    update = reported_update(paired)
    assert update["disable_autoupdate"] is False
    assert time.time() - 120 < update["first_seen"] <= time.time() + 5
    set_first_seen(wp, 30)
    expected = first_seen(wp)
    # Neither a pre-check nor a report changes the time.
    ask(paired, "change.check", item=ITEM)
    wp.evaluate("wp_clean_plugins_cache(); wp_update_plugins();")
    assert reported_update(paired)["first_seen"] == expected


def test_wordpress_sees_a_release_without_the_dashboard(wp, ana, paired) -> None:
    wp.evaluate(
        "delete_site_option('siteagent_release_sights'); wp_clean_plugins_cache();"
        "wp_update_plugins();"
    )
    assert first_seen(wp) is not None


def test_disable_autoupdate_is_reported(wp, paired) -> None:
    wp.evaluate(
        "wp_update_plugins(); $list = get_site_transient('update_plugins');"
        f"$list->response['{GALLERY}']->disable_autoupdate = true;"
        "set_site_transient('update_plugins', $list);"
    )
    assert reported_update(paired)["disable_autoupdate"] is True


def test_setting_the_age_limit_is_reported_and_logged(wp, ana, paired) -> None:
    save(ana, "72")
    limits = paired.ask("report", have=None).document["report"]["agent"]["limits"]
    assert limits["min_age_hours"] == 72
    entries = wp.evaluate("return siteagent()->audit_log_reader()->recent(2, 0);")
    changed = next(entry for entry in entries if entry["event"] == "min_age_changed")
    assert (changed["actor"], changed["facts"]["hours"]) == ("user:1", 72)
    page = words(ana.page("&tab=log").text)
    assert "Changed how old a release has to be. 72 hours" in page
    assert "No changes to save." in save(ana, "72")
    assert "Limits saved." in save(ana, "")


@pytest.mark.parametrize("hours", ["-1", "2161", "1.5", "soon", "99999"])
def test_an_invalid_age_is_not_saved(wp, ana, paired, hours) -> None:
    assert "Age not saved: enter 0 to 2160 hours." in save(ana, hours)
    assert wp.evaluate("return siteagent()->update_limits()->min_age_hours();") == 0


@pytest.mark.parametrize(
    "release",
    [{"first_seen_at": "yesterday", "released_at": None}, {"first_seen_at": 1}, [], "old"],
)
def test_a_plan_with_an_invalid_release_age_is_refused(wp, paired, release) -> None:
    with pytest.raises(CallError) as refusal:
        ApprovedChange.of(wp, paired, ITEM, release=release).send()
    assert refusal.value.evidence["argument"] == "release"
