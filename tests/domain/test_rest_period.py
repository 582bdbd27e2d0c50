"""Wait a rest period before an auto-update rule installs a release."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import auto_update_rules, rest_period
from app.domain.changes.rest_period import RuleWait
from app.domain.errors import Invalid
from app.domain.inventory import release_sightings
from app.models.agency import Agency
from app.models.auto_update_rules import AutoUpdateRule
from app.models.available_updates import AvailableUpdate
from app.models.base import transaction
from app.models.changes import APPROVED, PROPOSED, Change
from app.models.freezes import Freeze
from app.models.releases import ReleaseSighting
from app.models.reports import Component, Report
from app.models.sites import Site
from app.models.wordpress_org import DirectoryEntry
from app.protocol import from_b64u, parse_json
from tests.support.factories import (
    AKISMET,
    approve,
    check,
    make_site,
    pair,
    propose,
    read_report,
    report,
)
from tests.support.fakes import Clock, FakeSite, at
from tests.support.rules import terms, the_change

pytestmark = pytest.mark.both_databases

# When Aura read the site's first report in these tests.
SEEN_AT = at("2026-11-24 10:00")
USUAL = {"rest_hours": None, "rest_hours_major": None}


@pytest.fixture
def rule(ready: Site, ana: Actor, clock: Clock) -> AutoUpdateRule:
    return make_rule(ana, clock)


def make_rule(ana: Actor, clock: Clock, **changes: Any) -> AutoUpdateRule:
    """Create a rule with the agency's rest period, unless `changes` says otherwise."""
    usual = {**USUAL, "release_types": ("patch", "minor", "major"), **changes}
    return auto_update_rules.create_rule(
        terms(clock, **usual), by=ana, confirmed_at=clock(), now=clock()
    )


def set_available(fake: FakeSite, version: str, **changes: Any) -> None:
    """Set what the site lists as available for Akismet 5.3."""
    fake.report["updates"]["plugins"][0] |= {"version": version, **changes}


def count_proposed(site: Site, fake: FakeSite, config: Config, moment: datetime) -> int:
    """Sync the site at `moment` and return how many updates rules propose."""
    fake.clock.now = moment
    read_report(site, fake, config=config)
    return auto_update_rules.propose_due(moment)


def seen_at(version: str) -> datetime | None:
    return rest_period.age_of("plugin", AKISMET, version).first_seen_at


def test_a_patch_release_rests_for_48_hours(
    rule: AutoUpdateRule, ready: Site, fake: FakeSite, config: Config
) -> None:
    assert seen_at("5.3.1") == SEEN_AT
    rested = SEEN_AT + timedelta(hours=48)
    assert count_proposed(ready, fake, config, rested - timedelta(seconds=1)) == 0
    assert count_proposed(ready, fake, config, rested) == 1


def test_a_major_release_rests_for_seven_days(
    rule: AutoUpdateRule, ready: Site, fake: FakeSite, config: Config
) -> None:
    set_available(fake, "6.0")
    assert count_proposed(ready, fake, config, SEEN_AT + timedelta(hours=1)) == 0
    rested = SEEN_AT + timedelta(hours=1, days=7)
    assert count_proposed(ready, fake, config, rested - timedelta(seconds=1)) == 0
    assert count_proposed(ready, fake, config, rested) == 1


def test_each_newer_release_starts_its_own_rest_period(
    rule: AutoUpdateRule, ready: Site, fake: FakeSite, config: Config
) -> None:
    newer_at = SEEN_AT + timedelta(hours=47)
    set_available(fake, "5.3.2")
    assert count_proposed(ready, fake, config, newer_at) == 0
    assert count_proposed(ready, fake, config, SEEN_AT + timedelta(hours=48)) == 0
    assert count_proposed(ready, fake, config, newer_at + timedelta(hours=48)) == 1
    assert the_change().to_version == "5.3.2"


def test_the_first_sighting_on_any_site_of_the_fleet_counts(
    rule: AutoUpdateRule, ana: Actor, config: Config, clock: Clock
) -> None:
    clock.advance(hours=47)
    url = "https://florist.example"
    fake = FakeSite(url, clock, report())
    site = pair(make_site(ana, now=clock(), url=url, name="Florist"), fake, by=ana, config=config)
    assert count_proposed(site, fake, config, SEEN_AT + timedelta(hours=47)) == 0
    assert count_proposed(site, fake, config, SEEN_AT + timedelta(hours=48)) == 1
    assert the_change().site_id == site.id


def test_the_first_sighting_is_measured_by_auras_clock(
    rule: AutoUpdateRule, ready: Site, fake: FakeSite, config: Config
) -> None:
    fake.report["taken_at"] = int((SEEN_AT - timedelta(days=90)).timestamp())
    set_available(fake, "5.3.9")
    count_proposed(ready, fake, config, SEEN_AT + timedelta(minutes=5))
    assert seen_at("5.3.9") == SEEN_AT + timedelta(minutes=5)


def test_a_clock_that_is_set_back_extends_the_rest_period(
    rule: AutoUpdateRule, ready: Site, fake: FakeSite, config: Config
) -> None:
    set_available(fake, "5.3.2")
    assert count_proposed(ready, fake, config, SEEN_AT + timedelta(hours=6)) == 0
    assert count_proposed(ready, fake, config, SEEN_AT) == 0
    assert seen_at("5.3.2") == SEEN_AT + timedelta(hours=6)


def test_the_agency_or_a_rule_sets_the_rest_period(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    with transaction():
        Agency.write(rest_hours=10, rest_hours_major=20)
    usual = make_rule(ana, clock)
    own = make_rule(ana, clock, rest_hours=2, name="Quick")
    agency = rest_period.agency_hours(Agency.read())
    assert (agency.small, agency.major) == (10, 20)
    assert rest_period.rule_hours_of(usual, agency) == agency
    hours = rest_period.rule_hours_of(own, agency)
    assert (hours.small, hours.major) == (2, 20)
    assert count_proposed(ready, fake, config, SEEN_AT + timedelta(hours=2)) == 1
    assert the_change().rule_id == own.id


@pytest.mark.parametrize("hours", [-1, rest_period.MAX_HOURS + 1])
def test_a_rule_with_an_unknown_number_of_hours_is_refused(
    ready: Site, ana: Actor, clock: Clock, hours: int
) -> None:
    with pytest.raises(Invalid) as refusal:
        make_rule(ana, clock, rest_hours=hours)
    assert refusal.value.messages == {"rest_hours": "Enter 0 to 2160 hours."}


def test_a_longer_rest_period_applies_to_proposed_updates_too(
    rule: AutoUpdateRule, ready: Site, fake: FakeSite, config: Config
) -> None:
    moment = SEEN_AT + timedelta(hours=48)
    assert count_proposed(ready, fake, config, moment) == 1
    check(the_change(), fake, config)
    with transaction():
        Agency.write(rest_hours=72)
    assert auto_update_rules.approve_due(config, moment) == 0
    assert the_change().state == PROPOSED
    with transaction():
        Agency.write(rest_hours=None)
    assert auto_update_rules.approve_due(config, moment) == 1


def test_a_person_may_approve_at_any_time(
    rule: AutoUpdateRule, ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    change = check(propose(ready, ana, clock()), fake, config)
    assert approve(change, ana, config, clock()).state == APPROVED


def test_a_rule_skips_releases_that_need_a_person(
    rule: AutoUpdateRule, ready: Site, fake: FakeSite, config: Config
) -> None:
    rested = SEEN_AT + timedelta(hours=48)
    set_available(fake, "5.3.1", disable_autoupdate=True)
    assert count_proposed(ready, fake, config, rested) == 0
    set_available(fake, "5.3.1", disable_autoupdate=False)
    assert count_proposed(ready, fake, config, rested) == 1
    check(the_change(), fake, config)
    set_available(fake, "5.3.1", disable_autoupdate=True)
    read_report(ready, fake, config=config)
    assert auto_update_rules.approve_due(config, rested) == 0


def test_a_rule_approves_no_withdrawn_release(
    rule: AutoUpdateRule, ready: Site, fake: FakeSite, config: Config
) -> None:
    rested = SEEN_AT + timedelta(hours=48)
    assert count_proposed(ready, fake, config, rested) == 1
    change = check(the_change(), fake, config)
    listed = fake.report["updates"].pop("plugins")
    fake.report["updates"]["plugins"] = []
    read_report(ready, fake, config=config)
    waits = rest_period.why_change_waits(change, rule, ready, rested)
    assert waits == RuleWait(rest_period.WITHDRAWN)
    assert auto_update_rules.approve_due(config, rested) == 0
    fake.report["updates"]["plugins"] = listed
    read_report(ready, fake, config=config)
    assert auto_update_rules.approve_due(config, rested) == 1


def set_directory(**facts: Any) -> None:
    """Set what WordPress.org reports about Akismet."""
    usual = {"state": "listed", "version": "5.3.1", "last_updated": SEEN_AT}
    DirectoryEntry.delete().execute()
    DirectoryEntry.create(kind="plugin", slug="akismet", **usual | facts)


def test_a_later_date_on_wordpress_org_counts(
    rule: AutoUpdateRule, ready: Site, fake: FakeSite, config: Config
) -> None:
    changed_at = SEEN_AT + timedelta(hours=30)
    set_directory(last_updated=changed_at)
    assert count_proposed(ready, fake, config, SEEN_AT + timedelta(hours=48)) == 0
    age = rest_period.age_of("plugin", AKISMET, "5.3.1")
    assert (age.counts_from, age.counts_from_release) == (changed_at, True)
    rested = changed_at + timedelta(hours=48)
    assert count_proposed(ready, fake, config, rested - timedelta(seconds=1)) == 0
    assert count_proposed(ready, fake, config, rested) == 1


@pytest.mark.parametrize(
    "facts",
    [
        {"last_updated": SEEN_AT - timedelta(days=30)},
        {"version": "5.3.0", "last_updated": SEEN_AT + timedelta(hours=47)},
        {"last_updated": None},
    ],
)
def test_without_a_later_date_the_first_sighting_counts(
    rule: AutoUpdateRule, ready: Site, fake: FakeSite, config: Config, facts: dict[str, Any]
) -> None:
    set_directory(**facts)
    age = rest_period.age_of("plugin", AKISMET, "5.3.1")
    assert (age.counts_from, age.counts_from_release) == (SEEN_AT, False)
    rested = SEEN_AT + timedelta(hours=48)
    assert count_proposed(ready, fake, config, rested - timedelta(seconds=1)) == 0
    assert count_proposed(ready, fake, config, rested) == 1


@pytest.mark.parametrize("state", ["closed", "gone"])
def test_a_rule_skips_a_plugin_closed_on_wordpress_org(
    rule: AutoUpdateRule, ready: Site, fake: FakeSite, config: Config, state: str
) -> None:
    rested = SEEN_AT + timedelta(hours=48)
    set_directory(state=state)
    assert count_proposed(ready, fake, config, rested) == 0
    set_directory()
    assert count_proposed(ready, fake, config, rested) == 1
    check(the_change(), fake, config)
    set_directory(state=state)
    assert auto_update_rules.approve_due(config, rested) == 0


def set_required_rest(fake: FakeSite, hours: int, first_seen: datetime | None) -> None:
    first_seen_s = None if first_seen is None else int(first_seen.timestamp())
    fake.report["agent"]["limits"]["min_age_hours"] = hours
    fake.report["updates"]["plugins"][0]["first_seen"] = first_seen_s


def test_a_rule_waits_for_the_rest_period_of_the_sites_owner(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    make_rule(ana, clock, rest_hours=0)
    first_seen = SEEN_AT + timedelta(hours=3)
    set_required_rest(fake, 24, first_seen)
    may_at = first_seen + timedelta(hours=24) + rest_period.CLOCK_MARGIN
    assert count_proposed(ready, fake, config, may_at - timedelta(seconds=1)) == 0
    assert count_proposed(ready, fake, config, may_at) == 1


@pytest.mark.parametrize("first_seen", [None, 2**52])
def test_a_rule_waits_for_a_site_that_does_not_report_the_first_sighting(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock, first_seen: int | None
) -> None:
    make_rule(ana, clock, rest_hours=0)
    set_required_rest(fake, 1, None)
    fake.report["updates"]["plugins"][0]["first_seen"] = first_seen
    assert count_proposed(ready, fake, config, SEEN_AT + timedelta(days=9)) == 0


def test_the_plan_names_when_the_release_was_first_seen(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    clock.advance(hours=5)
    read_report(ready, fake, config=config)
    change = check(propose(ready, ana, clock()), fake, config)
    plan = parse_json(from_b64u(approve(change, ana, config, clock()).plan))
    assert plan["release"] == {"first_seen_at": int(SEEN_AT.timestamp()), "released_at": None}


def test_first_sightings_are_deleted_once_no_site_lists_the_release(
    ready: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    set_available(fake, "5.3.2")
    clock.advance(minutes=5)
    read_report(ready, fake, config=config)
    assert release_sightings.forget_old(clock() + release_sightings.KEPT_FOR) == 1
    remaining = [row.version for row in ReleaseSighting.select()]
    assert remaining == ["5.3.2"]


def test_no_rest_period_without_a_release(ready: Site, fake: FakeSite, config: Config) -> None:
    fake.report["updates"]["translations"] = [
        {"type": "plugin", "slug": "akismet", "language": "de_DE", "updated": "2026-11-20 10:00:00"}
    ]
    read_report(ready, fake, config=config)
    assert AvailableUpdate.select().where(AvailableUpdate.kind == "translation").count() == 1
    assert [row.kind for row in ReleaseSighting.select()] == ["plugin"]


# ---- many schedules ----

ZONES = ("Europe/Berlin", "America/New_York", "Pacific/Auckland", "UTC")
# Around the nights when clocks change in these zones.
CHANGES = ("2026-03-08", "2026-03-29", "2026-04-05", "2026-09-27", "2026-10-25", "2026-11-01")


class Schedule:
    """A rule, when its site may be updated and when the release was seen, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        dice = self.dice = Random(seed)
        self.seen_at = at(dice.choice(CHANGES) + " 00:00") + timedelta(
            seconds=dice.randrange(-4 * 86_400, 2 * 86_400)
        )
        self.small, self.major = dice.choice([1, 12, 48, 71]), dice.choice([24, 100, 168])
        self.version, self.hours = dice.choice([("5.3.1", self.small), ("6.0", self.major)])
        self.rested_at = self.seen_at + timedelta(hours=self.hours)
        self.zone = dice.choice(ZONES)
        begins = dice.randrange(24)
        self.from_hour, self.to_hour = begins, (begins + dice.randrange(1, 23)) % 24 or 24

    def readings(self) -> Iterator[datetime]:
        """Yield readings of Aura's clock; the clock is sometimes set back."""
        for delta in (-1, 0, 1):
            yield self.rested_at + timedelta(seconds=delta)
        for _ in range(5):
            yield self.seen_at + timedelta(seconds=self.dice.randrange(-7_200, 10 * 86_400))


def prepare(schedule: Schedule, site: Site, ana: Actor) -> None:
    """Replace the rows of the last schedule with those of this one."""
    dice, now = schedule.dice, schedule.seen_at
    for model in (Change, AutoUpdateRule, Freeze):
        model.delete().execute()
    ReleaseSighting.delete().execute()
    ReleaseSighting.record([("plugin", AKISMET, schedule.version)], now)
    Component.update(update_version=schedule.version).where(Component.ident == AKISMET).execute()
    if dice.random() < 0.3:
        day = (schedule.rested_at + timedelta(days=dice.randrange(-3, 2))).date()
        last = day + timedelta(days=dice.randrange(3))
        Freeze.create(name="Sale", first_day=day, last_day=last, added_by="Ana", added_at=now)
    with transaction():
        Agency.write(time_zone=schedule.zone)
    window = None
    if dice.random() < 0.5:
        window = {"weekdays": [0, 1, 2, 3, 4, 5, 6], "from_hour": 1, "to_hour": 5}
        window["time_zone"] = schedule.zone
    Site.update(maintenance_window=window).execute()
    AutoUpdateRule.create(
        name="Patches", permissions=["plugins"], release_types=["patch", "major"],
        weekdays=sorted(dice.sample(range(7), 5)), from_hour=schedule.from_hour,
        to_hour=schedule.to_hour, created_by=ana.id, maker="Ana", created_at=now, reason="agreed",
        expires_at=now + timedelta(days=60),
        rest_hours=schedule.small, rest_hours_major=schedule.major,
    )  # fmt: skip


@pytest.mark.parametrize("count", [40, pytest.param(1_000, marks=pytest.mark.nightly)])
def test_no_schedule_releases_a_second_early(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, count: int
) -> None:
    released, on_time = 0, 0
    for seed in range(count):
        schedule = Schedule(seed)
        prepare(schedule, ready, ana)
        for now in schedule.readings():
            Report.update(received_at=now).execute()
            is_proposed = auto_update_rules.propose_due(now) == 1
            released += is_proposed
            on_time += is_proposed and now == schedule.rested_at
            assert not is_proposed or now >= schedule.rested_at, f"seed {seed} at {now}"
            for change in list(Change.select()):
                assert change.not_before >= schedule.rested_at, f"seed {seed} at {now}"
                waits = rest_period.why_change_waits(change, AutoUpdateRule.get(), ready, now)
                assert bool(waits) == (now < schedule.rested_at), f"seed {seed} at {now}"
    # The rule must also release at the first second in which it may.
    assert released > count / 3
    assert on_time > count / 20
