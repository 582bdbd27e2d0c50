"""Available updates in SQL: the same statuses and reasons as on the pages of one site."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.actor import Actor
from app.domain.changes import candidates, fleet_updates
from app.domain.inventory.eligibility import SEPARATE_KINDS, STALE_AFTER
from app.domain.sites import holds, sites
from app.models import update_lists
from app.models.available_updates import AvailableUpdate, UpdateFilter, UpdateKey
from app.models.changes import FAILED, Change
from app.models.clients import Client
from app.models.reports import Report
from app.models.sites import REVOKED, Site
from app.models.tags import SiteTag
from tests.support.factories import (
    AKISMET,
    approve,
    check,
    make_site,
    pair,
    plugin,
    propose,
    read_report,
    report,
    run_change,
)
from tests.support.fakes import FakeSite

pytestmark = pytest.mark.both_databases

SHOP = "shop/shop.php"
STEP = UpdateKey("plugin", AKISMET, "5.3", "5.3.1")


@pytest.fixture
def scope(ready: Site, clock) -> UpdateFilter:
    return UpdateFilter(clock(), clock() - STALE_AFTER)


def statuses(scope: UpdateFilter) -> dict[tuple[str, str], str]:
    return {
        (row.ident, row.to_version): status
        for status in ("ready", "open", "blocked")
        for row in AvailableUpdate.with_status(scope, status)
    }


def statuses_of_site(site: Site, now: datetime) -> dict[tuple[str, str], str]:
    """Return the statuses as the pages of one site calculate them."""
    found = [row for row in candidates.candidates_on_site(site, now) if row.target.available]
    return {
        (row.target.ident, row.target.available): "open"
        if row.open_change
        else "ready"
        if row.verdict.may
        else "blocked"
        for row in found
    }


def synced_long_ago(site: Site, by: Actor, now: datetime) -> None:
    Report.update(received_at=now - timedelta(hours=25)).where(Report.site == site).execute()


def quarantined(site: Site, by: Actor, now: datetime) -> None:
    Site.update(quarantine="moved").where(Site.id == site.id).execute()


def broken_by_an_update(site: Site, by: Actor, now: datetime) -> None:
    change = propose(site, by, now)
    Change.update(state=FAILED, is_incident=True).where(Change.id == change.id).execute()


def ignored(site: Site, by: Actor, now: datetime) -> None:
    holds.hold_updates([site], "plugin", AKISMET, until=None, reason="breaks", by=by, now=now)


def ignored_until_yesterday(site: Site, by: Actor, now: datetime) -> None:
    until, before = now - timedelta(days=1), now - timedelta(days=2)
    holds.hold_updates([site], "plugin", AKISMET, until=until, reason="x", by=by, now=before)


def proposed(site: Site, by: Actor, now: datetime) -> None:
    propose(site, by, now)


@pytest.mark.parametrize(
    ("situation", "status", "code"),
    [
        (None, "ready", ""),
        (synced_long_ago, "blocked", "stale_report"),
        (quarantined, "blocked", "quarantined"),
        (broken_by_an_update, "blocked", "open_incident"),
        (ignored, "blocked", "held"),
        (ignored_until_yesterday, "ready", ""),
        (proposed, "open", ""),
    ],
)
def test_sql_gives_the_same_status_as_the_page_of_the_site(
    ready: Site, ben: Actor, scope, situation: Callable[..., None] | None, status: str, code: str
):
    if situation:
        situation(ready, ben, scope.now)
    assert statuses(scope) == {(AKISMET, "5.3.1"): status}
    assert statuses_of_site(Site.get_by_id(ready.id), scope.now) == statuses(scope)
    reasons = [why.code for found in fleet_updates.blocked_updates(scope, size=9).items
               for why in found.reasons]  # fmt: skip
    assert reasons == ([code] if code else [])


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"plugins": [plugin(writable=False)]}, ["not_writable"]),
        ({"plugins": [plugin(auto_update=True)]}, ["auto_update"]),
        ({"agent": {"permissions": {"plugins": False}, "rollback": False}},
         ["permission_off", "no_rollback"]),
    ],
)  # fmt: skip
def test_reasons_of_the_site_data_are_kept_with_each_update(
    paired: Site, fake: FakeSite, config, changes: dict[str, Any], codes: list[str]
):
    fake.report = report(**changes)
    read_report(paired, fake, config=config)
    now = fake.clock()
    scope = UpdateFilter(now, now - STALE_AFTER)
    [blocked] = fleet_updates.blocked_updates(scope, size=9).items
    assert (blocked.update.name, blocked.update.site.name) == ("Akismet", "Bakery")
    assert [row.code for row in blocked.reasons] == codes
    [same] = [row for row in candidates.candidates_on_site(paired, now) if row.target.available]
    assert same.verdict.reasons == blocked.reasons


def second_site(ana: Actor, config, clock, **changes: Any) -> Site:
    """Connect another site, on which Akismet and a shop can be updated."""
    site = make_site(ana, now=clock(), url="https://florist.example", name="Florist", client="Rose")
    plugins = [plugin(), plugin(SHOP, name="Shop", version="1.9")]
    updates = report()["updates"]
    updates["plugins"].append({**updates["plugins"][0], "id": SHOP, "version": "2.0"})
    fake = FakeSite(home=site.url, clock=clock, report=report(plugins=plugins, updates=updates))
    pair(site, fake, by=ana, config=config)
    read_report(site, fake, config=config)
    return site


def test_a_version_step_is_one_group_and_major_versions_come_last(ready, ana, config, clock, scope):
    second_site(ana, config, clock)
    page, total = update_lists.by_component(scope, size=50)
    assert [(row.key, row.name, row.release_type, row.ready) for row in page.items] == [
        (STEP, "Akismet", "patch", 2),
        (UpdateKey("plugin", SHOP, "1.9", "2.0"), "Shop", "major", 1),
    ]
    assert total == 2
    counts = AvailableUpdate.counts(scope)
    assert (counts.ready, counts.sites, counts.blocked) == (3, 2, 0)
    assert counts.by_release_type == {"patch": 2, "minor": 0, "major": 1, "unclear": 0}
    assert counts.together == {}


def test_updates_reviewed_apart_are_not_counted_with_the_others(ready, ana, config, clock, scope):
    second_site(ana, config, clock)
    AvailableUpdate.update(kind="core").where(AvailableUpdate.ident == SHOP).execute()
    counts = AvailableUpdate.counts(scope, SEPARATE_KINDS)
    assert (counts.ready, counts.by_release_type["major"]) == (3, 1)
    assert counts.together == {"": 2, "patch": 2, "minor": 0, "major": 0, "unclear": 0}
    assert len(fleet_updates.usual_updates(scope)) == 2


def test_a_filter_narrows_counts_groups_and_requests(ready, ana, config, clock, scope):
    florist = second_site(ana, config, clock)
    SiteTag.replace_all(florist, {"shop": "Shop"})
    for narrow in (
        {"client_id": Client.get(Client.name == "Rose").id},
        {"site_ids": (florist.id,)},
        {"tag": "shop"},
        {"text": "flor"},
    ):
        only = UpdateFilter(scope.now, scope.fresh_since, **narrow)
        assert AvailableUpdate.counts(only).ready == 2, narrow
        chosen = fleet_updates.chosen_updates(only, [STEP], [])
        assert [(row.site.id, row.ident) for row in chosen] == [(florist.id, AKISMET)], narrow
        assert len(fleet_updates.chosen_updates(only, [], [florist.id, ready.id])) == 2, narrow
    major = UpdateFilter(scope.now, scope.fresh_since, release_type="major")
    assert [row.name for row in update_lists.by_component(major, size=9)[0].items] == ["Shop"]


def test_a_site_is_one_group_with_the_names_of_its_updates(ready, ana, config, clock, scope):
    florist = second_site(ana, config, clock)
    page, total = update_lists.by_site(scope, size=50)
    assert [(row.site.id, row.ready, row.names) for row in page.items] == [
        (florist.id, 2, ["Akismet", "Shop"]),
        (ready.id, 1, ["Akismet"]),
    ]
    assert total == 2


def test_sites_that_are_not_connected_have_no_available_updates(ready, ana, scope):
    Site.update(state=REVOKED).where(Site.id == ready.id).execute()
    assert statuses(scope) == {}
    sites.remove_site(Site.get_by_id(ready.id), by=ana, now=scope.now)
    assert AvailableUpdate.select().count() == 0


def test_an_update_that_succeeded_is_no_longer_available(ready, fake, ben, ana, config, scope):
    change = check(propose(ready, ben, scope.now), fake, config)
    approve(change, ana, config, fake.clock())
    assert run_change(change, fake, config) == "succeeded"
    assert statuses(scope) == {}


def test_a_client_user_sees_the_updates_of_their_sites_only(ready, ana, config, clock, dora):
    second_site(ana, config, clock)
    scope = fleet_updates.updates_visible_to(dora, clock(), client_id=None)
    assert AvailableUpdate.counts(scope).ready == 0
