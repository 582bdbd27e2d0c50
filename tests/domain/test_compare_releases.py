"""Aura compares the releases of an update once, before a person or a rule approves it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from errno import ENOSPC
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import (
    auto_update_rules,
    package_cache,
    package_checks,
    packages,
    release_comparisons,
    release_findings,
)
from app.domain.changes.release_comparisons import Fetch
from app.http.errors import ErrorCode
from app.http.package_download import Download
from app.models.changes import APPROVED, CANCELLED, PROPOSED, Change
from app.models.packages import KnownPackage
from app.models.release_comparisons import DONE, FAILED, WAITING, ReleaseComparison
from app.models.sites import Site
from tests.support.factories import approve, check, propose
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.package_server import OLD_PATH, PATH, PackageServer, akismet, pins_of
from tests.support.rules import carried_out, terms

BACKDOOR = akismet(**{"includes/wp-comments-posts.php": b"<?php @eval($_POST['x']);"})


class World(SimpleNamespace):
    """A site that is offered a package of WordPress.org, and WordPress.org itself."""

    ready: Site
    fake: FakeSite
    ben: Actor
    config: Config
    clock: Clock
    wordpress_org: PackageServer

    def serve(self, new: bytes) -> None:
        """Make this package the new version at WordPress.org and on the site."""
        self.wordpress_org.packages[PATH] = new
        self.fake.changes.package, self.fake.changes.package_path = pins_of(new), PATH

    def review(self) -> Change:
        """Propose the update and run its pre-check."""
        return check(propose(self.ready, self.ben, self.clock()), self.fake, self.config)

    def work(self, fetch: Fetch | None = None) -> str:
        """Have the worker check the package and compare the releases; return the state."""
        fetch = fetch or self.wordpress_org.fetch
        options = {"config": self.config, "fetch": fetch, "now": self.clock}
        for package_row in KnownPackage.select():
            package_checks.check_package(package_row.id, **options)
            release_comparisons.resume_with(package_row.id, self.clock())
        return release_comparisons.compare(ReleaseComparison.get().id, **options)


@pytest.fixture
def world(ready: Site, fake: FakeSite, ben: Actor, config: Config, clock: Clock) -> World:
    made = World(ready=ready, fake=fake, ben=ben, config=config, clock=clock)
    made.wordpress_org = PackageServer()
    made.serve(akismet())
    return made


def test_changes_are_shown_once_both_packages_are_available(
    world: World, jobs: RecordingQueue
) -> None:
    change = world.review()
    card = release_findings.findings_of(change)
    assert card is not None
    assert (card.state, card.is_shown, card.is_compared) == (WAITING, False, False)
    assert world.work() == DONE
    row = ReleaseComparison.get()
    assert ("compare_release", (row.id,), 0) in jobs.jobs
    card = release_findings.findings_of(change)
    assert card is not None
    assert (card.state, card.is_compared, card.warnings) == (DONE, True, ())
    assert card.found["changed"]["names"] == ["akismet.php"]
    assert (card.wordpress, card.php) == (
        world.fake.report["wordpress"]["version"],
        world.fake.report["php"]["version"],
    )
    assert row.from_sha256 == pins_of(akismet("5.3"))[0]


def test_packages_that_cannot_be_stored_are_compared_later(world: World) -> None:
    def fill_the_disk(path: str, target: Path) -> Download:
        if path == OLD_PATH:
            raise OSError(ENOSPC, "No space left on device")
        return world.wordpress_org.fetch(path, target)

    world.review()
    assert world.work(fill_the_disk) == WAITING
    assert ReleaseComparison.get().problem == packages.DISK
    world.clock.advance(minutes=2)
    assert world.work() == DONE


def test_the_card_is_about_the_package_in_the_plan(world: World) -> None:
    """Another package seen later under the same version is not the one that is installed."""
    change = world.review()
    world.work()
    KnownPackage.update(sha256="a" * 64).execute()
    ReleaseComparison.insert_one(
        kind="plugin",
        ident=change.ident,
        from_version="5.3",
        to_version="5.3.1",
        to_sha256="a" * 64,
        requested_at=world.clock(),
    )
    card = release_findings.findings_of(change)
    assert card is not None
    assert card.is_compared
    assert not release_findings.may_be_left_to_rule(change)


def test_a_pair_is_compared_once_for_all_sites(world: World) -> None:
    change = world.review()
    world.work()
    change.move(CANCELLED)
    again = world.review()
    assert ReleaseComparison.select().count() == 1
    assert world.work() == DONE
    assert world.wordpress_org.asked == {PATH: 1, OLD_PATH: 1}
    assert release_findings.findings_of(again).is_compared


def test_the_old_version_is_taken_from_the_cache(world: World) -> None:
    """Another update from the same version does not download it again."""
    change = world.review()
    world.work()
    change.move(CANCELLED)
    KnownPackage.delete().execute()
    world.serve(akismet(**{"more.php": b"<?php"}))
    world.review()
    ReleaseComparison.delete().where(ReleaseComparison.state == WAITING).execute()
    row = ReleaseComparison.get()
    row.update_if(to_sha256=KnownPackage.get().sha256, state=WAITING, next_attempt_at=world.clock())
    assert world.work() == DONE
    assert world.wordpress_org.asked[OLD_PATH] == 1


def test_a_second_worker_waits_for_the_first(world: World) -> None:
    world.review()
    states: list[str] = []

    def slowly(path: str, target: Path) -> Download:
        if path == OLD_PATH and not states:
            states.append(world.work())
        return world.wordpress_org.fetch(path, target)

    assert (world.work(slowly), states) == (DONE, ["busy"])
    assert world.work() == DONE


def test_nothing_is_compared_before_aura_has_the_new_package(world: World) -> None:
    world.review()
    world.clock.advance(minutes=2)
    options = {"config": world.config, "fetch": world.wordpress_org.fetch, "now": world.clock}
    row = ReleaseComparison.get()
    assert release_comparisons.compare(row.id, **options) == WAITING
    row.refresh()
    assert (row.problem, row.next_attempt_at) == (
        "new_not_checked",
        world.clock() + timedelta(minutes=1),
    )


@pytest.mark.parametrize(
    ("old", "problem"),
    [
        (None, "old_not_served"),
        (akismet("5.2"), "old_not_served"),
        (akismet("5.3", **{"../x.php": b"<?php"}), "package_unsafe_path"),
        (b"<!doctype html>", "not_a_package"),
    ],
    ids=["not served", "another version", "hostile", "a page"],
)
def test_without_the_old_package_the_card_says_why(
    world: World, ana: Actor, old: bytes | None, problem: str
) -> None:
    del world.wordpress_org.packages[OLD_PATH]
    if old is not None:
        world.wordpress_org.packages[OLD_PATH] = old
    change = world.review()
    assert world.work() == FAILED
    card = release_findings.findings_of(change)
    assert card is not None
    assert (card.state, card.problem, card.is_shown) == (FAILED, problem, False)
    assert approve(change, ana, world.config, world.clock()).state == APPROVED


def test_a_comparison_without_a_network_is_retried_for_two_weeks(world: World) -> None:
    world.review()
    del world.wordpress_org.packages[OLD_PATH]
    world.wordpress_org.packages[PATH] = akismet()
    world.work()
    row = ReleaseComparison.get()
    row.update_if(state=WAITING, next_attempt_at=world.clock())
    world.wordpress_org.error = ErrorCode.dns
    for _ in range(100):
        world.work()
        world.clock.advance(hours=6)
    row.refresh()
    assert (row.state, row.problem, row.next_attempt_at) == (FAILED, "dns", None)


def test_a_further_pre_check_tries_again_what_failed_an_hour_ago(world: World) -> None:
    served = world.wordpress_org.packages.pop(OLD_PATH)
    change = world.review()
    assert world.work() == FAILED
    change.move(CANCELLED)
    world.review().move(CANCELLED)
    assert ReleaseComparison.get().state == FAILED
    world.clock.advance(minutes=61)
    world.wordpress_org.packages[OLD_PATH] = served
    world.review()
    assert world.work() == DONE


def test_new_bytes_that_left_the_cache_are_downloaded_again(world: World) -> None:
    world.review()
    (package_row,) = KnownPackage.select()
    options = {"config": world.config, "fetch": world.wordpress_org.fetch, "now": world.clock}
    package_checks.check_package(package_row.id, **options)
    cached = package_cache.find(package_row.sha256, world.config)
    assert cached is not None
    cached.unlink()
    assert world.work() == DONE
    assert world.wordpress_org.asked[PATH] == 2


def test_a_package_that_the_plan_does_not_name_is_not_compared(world: World) -> None:
    world.review()
    world.wordpress_org.packages[PATH] = akismet(**{"readme.txt": b"other"})
    assert world.work() == FAILED
    assert ReleaseComparison.get().problem == "package_differs"


def test_a_package_that_only_the_site_has_is_not_compared(world: World) -> None:
    world.fake.changes.package_path = None
    change = world.review()
    assert ReleaseComparison.select().count() == 0
    card = release_findings.findings_of(change)
    assert card is not None
    assert (card.state, card.is_shown) == ("elsewhere", False)


def test_a_lost_job_is_queued_again_and_old_results_are_deleted(world: World) -> None:
    world.review()
    world.clock.advance(minutes=2)
    assert release_comparisons.recover_comparisons(world.clock()) == 1
    world.work()
    assert release_comparisons.recover_comparisons(world.clock()) == 0
    world.clock.advance(days=179)
    release_comparisons.recover_comparisons(world.clock())
    assert ReleaseComparison.select().count() == 1
    world.clock.advance(days=2)
    release_comparisons.recover_comparisons(world.clock())
    assert ReleaseComparison.select().count() == 0


# ---- warnings ----


@pytest.fixture
def rule(world: World, ana: Actor) -> Callable[[], Change]:
    """Create a rule for every patch; call the result to propose and check an update."""
    now = world.clock()
    auto_update_rules.create_rule(terms(world.clock), by=ana, confirmed_at=now, now=now)
    return lambda: carried_out(world.fake, world.config)


def release(world: World, change: Change) -> str:
    auto_update_rules.approve_due(world.config, world.clock())
    change.refresh()
    return change.state


def test_a_rule_leaves_a_release_with_a_core_file_to_a_person(
    world: World, ana: Actor, rule: Callable[[], Change]
) -> None:
    world.serve(BACKDOOR)
    change = rule()
    assert world.work() == DONE
    (warning,) = release_findings.warnings(change)
    assert (warning.code, warning.files, warning.count) == (
        "core_name",
        ("includes/wp-comments-posts.php",),
        1,
    )
    assert release(world, change) == PROPOSED
    assert approve(change, ana, world.config, world.clock()).state == APPROVED


def test_a_rule_approves_an_ordinary_release_once_it_is_compared(
    world: World, rule: Callable[[], Change]
) -> None:
    change = rule()
    assert release(world, change) == PROPOSED
    world.work()
    assert release_findings.warnings(change) == ()
    assert release(world, change) == APPROVED


@pytest.mark.parametrize("lost", ["the old package", "the end of the comparison", "the result"])
def test_a_rule_waits_for_a_person_if_the_comparison_fails(
    world: World, rule: Callable[[], Change], lost: str
) -> None:
    if lost == "the old package":
        del world.wordpress_org.packages[OLD_PATH]
    change = rule()
    world.work()
    if lost == "the end of the comparison":
        ReleaseComparison.update(findings={"is_complete": False}).execute()
    elif lost == "the result":
        ReleaseComparison.delete().execute()
    assert release(world, change) == PROPOSED


def test_a_rule_approves_a_package_that_only_the_site_has(
    world: World, rule: Callable[[], Change]
) -> None:
    world.fake.changes.package_path = None
    assert rule().state == APPROVED


def test_warnings_of_many_changes_are_read_at_once(world: World) -> None:
    world.serve(BACKDOOR)
    change = world.review()
    world.work()
    found = release_findings.warnings_by_change([change])
    assert [warning.code for warning in found[change.id]] == ["core_name"]
    assert release_findings.warnings_by_change([]) == {}
