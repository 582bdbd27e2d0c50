"""Roll out an update in waves on real WordPress sites: what stops a rollout, and its result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app import queue
from app.domain.changes import (
    auto_update_rules,
    canary_looks,
    package_checks,
    release_comparisons,
)
from app.domain.rollouts.wave_choice import WaveChoice
from app.factory import create_app
from app.models.alerts import Alert
from app.models.base import utcnow
from app.models.changes import (
    APPROVED,
    CANCELLED,
    CHECKING,
    REFUSED,
    ROLLED_BACK,
    SUCCEEDED,
    Change,
)
from app.models.packages import CHECKED, KnownPackage
from app.models.release_comparisons import ReleaseComparison
from app.models.rollouts import DONE, STOPPED, Rollout
from app.models.tags import SiteTag
from app.models.visibility import EVERYTHING
from app.protocol import from_b64u, parse_json
from tests.plugin.support.changing import DESK, disk, grant, publish_package, reset, same_files
from tests.plugin.support.dashboard import ORIGIN
from tests.plugin.support.pins import FORGET_ANSWERS
from tests.plugin.support.real_sites import RealSite, published
from tests.plugin.support.real_wordpress import RealWordPress
from tests.plugin.support.signed_requests import forget
from tests.support.browsers import Person, signed_in
from tests.support.factories import check, read_report
from tests.support.package_server import PackageServer, pins_of
from tests.support.packages import packed
from tests.support.rollouts import RolloutWorld
from tests.support.rules import terms
from tests.support.selection import WORDPRESSES
from tests.wordpress.repository import FIXTURES, files_below
from tests.wordpress.site import WordPress

NAMES = ("Anchor Inn", "Bakery", "Chandlery")
CANARY, SECOND, THIRD = NAMES
ONE_HOUR_APART = WaveChoice(count=1, percent=50, wait_hours=1)
GOOD, FATAL = "2.4.0", "2.5.0"
# Aura's clock is this far behind: for the sites all waves have begun, and no plan has expired.
BEHIND = timedelta(hours=6)
_TREE_DIGEST = f"return Siteagent_Package_Tree::of_folder(dirname(WP_PLUGIN_DIR . '/{DESK}'));"


@pytest.fixture(scope="module", params=WORDPRESSES)
def started_sites(request: pytest.FixtureRequest) -> Iterator[list[RealWordPress]]:
    with ThreadPoolExecutor(len(NAMES)) as pool:
        sites = list(pool.map(lambda _: WordPress.start(request.param), NAMES))
    yield [RealWordPress(site) for site in sites]
    for site in sites:
        site.stop()


class Fleet(RolloutWorld):
    """Real sites with the same plugin, which Aura updates in waves."""

    disks: dict[str, dict[str, Any]]

    def offer(self, version: str) -> None:
        """Publish this version on WordPress.org, and sync every site."""
        self.ident, self.to_version, self.disks = DESK, version, {}
        for name in NAMES:
            self.disks[name] = reset(self.wp(name), "contact-desk", "2.3.1", available=version)
        self.sync()

    def wp(self, name: str) -> RealWordPress:
        return self.fake(name).wp

    def approve_in_waves(self, package: bytes) -> None:
        """Approve the update in three waves, after Aura has checked the package."""
        server = PackageServer({f"/plugin/contact-desk.{self.to_version}.zip": package})
        batch = self.review()
        package_id = KnownPackage.get().id
        state = package_checks.check_package(
            package_id, config=self.config, fetch=server.fetch, now=self.clock
        )
        assert state == CHECKED
        assert self.approve_reviewed(batch, ONE_HOUR_APART) == len(NAMES)

    def check_as_rules_need_it(self, packages: Mapping[str, bytes]) -> None:
        """Run the pre-checks and package comparisons of the changes that a rule has proposed."""
        for change in list(Change.select().where(Change.state == CHECKING)):
            check(change, self.sites[change.site_id], self.config)
        options = {"config": self.config, "fetch": PackageServer(dict(packages)).fetch}
        for package in list(KnownPackage.select()):
            package_checks.check_package(package.id, now=self.clock, **options)
            release_comparisons.resume_with(package.id, self.clock())
        for row in list(ReleaseComparison.select()):
            release_comparisons.compare(row.id, now=self.clock, **options)

    def sync(self) -> None:
        for name in NAMES:
            read_report(self.site(name), self.fake(name), config=self.config)

    def is_untouched(self, name: str) -> bool:
        """Return whether the plugin's files and their times are unchanged."""
        return disk(self.wp(name), DESK) == self.disks[name]

    def tree(self, name: str) -> str:
        """Return the digest of the plugin's files, as the site computes it."""
        return str(self.wp(name).evaluate(_TREE_DIGEST))


@pytest.fixture
def fleet(started_sites, ana, config, clock, jobs) -> Iterator[Fleet]:
    # The sites check the age of a token by their own clocks.
    clock.now = utcnow()
    fleet = Fleet(ana, replace(config, origin=ORIGIN), clock, {})
    for name, wp in zip(NAMES, started_sites, strict=True):
        wp.evaluate(FORGET_ANSWERS)
        fleet.connect(name, RealSite(wp, clock))
        grant(wp, "plugins")
    clock.now -= BEHIND
    yield fleet
    for wp in started_sites:
        forget(wp)


@pytest.fixture
def as_ana(fleet, ana, jobs) -> Person:
    app = create_app(fleet.config)
    app.test_client_class = Person
    queue.use(jobs)  # create_app() has replaced the queue
    return signed_in(app, ana)


def page_of_batch(as_ana: Person) -> str:
    return as_ana.get(f"/updates/{Rollout.get().batch}").text


def test_a_fatal_update_of_the_canary_stops_the_rollout(fleet, as_ana) -> None:
    fleet.offer(FATAL)
    fleet.approve_in_waves(*published(f"contact-desk.{FATAL}").values())
    fleet.work()
    assert [fleet.run(name) for name in (SECOND, THIRD)] == [APPROVED] * 2
    assert fleet.advance() == "stopped"
    rollout = Rollout.get()
    assert (rollout.state, rollout.reason, rollout.site.name) == (STOPPED, ROLLED_BACK, CANARY)
    page = page_of_batch(as_ana)
    assert "Stopped in wave 1 of 3: no further site starts" in page
    assert f"{CANARY}: the update was rolled back" in page
    fleet.wait(hours=3)
    assert fleet.states() == f"{CANARY} rolled_back, {SECOND} approved, {THIRD} approved"
    assert same_files(fleet.disks[CANARY], disk(fleet.wp(CANARY), DESK))
    assert fleet.is_untouched(SECOND)
    assert fleet.is_untouched(THIRD)


@pytest.mark.nightly
def test_a_different_package_in_the_second_wave_stops_the_rollout(fleet, as_ana) -> None:
    fleet.offer(GOOD)
    ((path, package),) = published(f"contact-desk.{GOOD}").items()
    fleet.approve_in_waves(package)
    fleet.work()
    folder = FIXTURES / "plugins" / "contact-desk" / GOOD
    files = {f"contact-desk/{name}": text for name, text in files_below(folder)}
    other = packed({**files, "contact-desk/wp-cron.php": b"<?php // not core's"})
    publish_package(fleet.wp(SECOND), path.lstrip("/"), other)
    try:
        fleet.wait(minutes=61)
    finally:
        publish_package(fleet.wp(SECOND), path.lstrip("/"), package)
    change = fleet.change(SECOND)
    assert (change.state, change.outcome_reason) == (REFUSED, "package_changed")
    assert change.evidence["package_sha256"] == pins_of(other)[0]
    assert fleet.run(THIRD) == CANCELLED
    assert fleet.advance() == "stopped"
    rollout = Rollout.get()
    assert (rollout.state, rollout.reason) == (STOPPED, "package_differs")
    assert rollout.site.name == SECOND
    assert KnownPackage.get().is_disputed
    assert [alert.site.name for alert in Alert.unresolved(EVERYTHING)] == [SECOND]
    assert "Two different packages of this version were seen" in page_of_batch(as_ana)
    assert fleet.tree(CANARY) == pins_of(package)[1]
    assert fleet.is_untouched(SECOND)
    assert fleet.is_untouched(THIRD)


@pytest.mark.nightly
def test_after_all_waves_every_site_has_exactly_the_approved_files(fleet, as_ana) -> None:
    fleet.offer(GOOD)
    package = published(f"contact-desk.{GOOD}").popitem()[1]
    fleet.approve_in_waves(package)
    fleet.work()
    assert [fleet.tree(name) == pins_of(package)[1] for name in NAMES] == [True, False, False]
    fleet.wait(minutes=59)
    assert (Rollout.get().wave, fleet.change(SECOND).state) == (1, APPROVED)
    fleet.wait(minutes=2)
    assert (Rollout.get().wave, fleet.change(SECOND).state) == (2, SUCCEEDED)
    assert fleet.is_untouched(THIRD)
    fleet.wait(minutes=61)
    assert fleet.advance() == "finished"
    assert Rollout.get().state == DONE
    assert [fleet.tree(name) for name in NAMES] == [pins_of(package)[1]] * 3
    plans = [parse_json(from_b64u(change.plan)) for change in Change.select()]
    assert {plan["item"]["tree_sha256"] for plan in plans} == {pins_of(package)[1]}
    assert "3 of 3 updated, in 3 waves" in page_of_batch(as_ana)


@pytest.mark.nightly
def test_a_rule_updates_the_canary_before_the_other_sites(fleet, jobs) -> None:
    SiteTag.create(site=fleet.site(CANARY), text="canary", folded="canary")
    fleet.offer(GOOD)
    auto_update_rules.create_rule(
        terms(fleet.clock, release_types=("minor",), canary_tag="canary", canary_hours=1),
        by=fleet.ana,
        confirmed_at=fleet.clock(),
        now=fleet.clock(),
    )
    packages = published(f"contact-desk.{GOOD}", "contact-desk.2.3.1")
    digest = pins_of(packages[f"/plugin/contact-desk.{GOOD}.zip"])[1]
    for minutes, updated in ((0, [CANARY]), (59, [CANARY]), (2, list(NAMES))):
        fleet.clock.advance(minutes=minutes)
        fleet.sync()
        # The first round requests a check of the home page, the second uses its result.
        for _ in range(2):
            auto_update_rules.propose_due(fleet.clock())
            fleet.check_as_rules_need_it(packages)
            auto_update_rules.approve_due(fleet.config, fleet.clock())
            fleet.work()
            for name, ids, _ in list(jobs.jobs):
                if name == "look_at_canary":
                    canary_looks.look_at_canary(*ids, config=fleet.config, now=fleet.clock)
            jobs.jobs.clear()
        assert [name for name in NAMES if fleet.tree(name) == digest] == updated
        others = [name for name in NAMES if name not in updated]
        assert [fleet.is_untouched(name) for name in others] == [True] * len(others)
