"""Aura downloads each WordPress.org package once, and compares it with what sites received."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest

from app.config import Config
from app.domain import alerts
from app.domain.actor import Actor
from app.domain.changes import (
    auto_update_rules,
    package_cache,
    package_checks,
    packages,
    release_comparisons,
)
from app.domain.errors import StaleChange
from app.http.errors import ErrorCode
from app.http.package_download import Download
from app.models.alerts import Alert
from app.models.changes import APPROVED, CANCELLED, PROPOSED, REFUSED, Change
from app.models.packages import CHECKED, ELSEWHERE, UNCHECKED, KnownPackage
from app.models.release_comparisons import DONE, ReleaseComparison
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from app.protocol import parse_json
from tests.support.factories import approve, check, propose, run_change
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.package_server import PATH, PackageServer, akismet, pins_of
from tests.support.packages import hostile
from tests.support.rules import carried_out, terms

Check = Callable[[], str]


@pytest.fixture
def wordpress_org() -> PackageServer:
    return PackageServer()


@pytest.fixture
def seen(ready: Site, fake: FakeSite, ben: Actor, config: Config, clock: Clock) -> Change:
    """Have a site name the package that WordPress.org serves."""
    fake.changes.package, fake.changes.package_path = pins_of(akismet()), PATH
    return check(propose(ready, ben, clock()), fake, config)


@pytest.fixture
def job(seen: Change, wordpress_org: PackageServer, config: Config, clock: Clock) -> Check:
    """Return the worker's check of the package."""
    row = KnownPackage.get()
    return lambda: package_checks.check_package(
        row.id, config=config, fetch=wordpress_org.fetch, now=clock
    )


def test_the_same_bytes_are_confirmed_and_kept(
    seen: Change, job: Check, jobs: RecordingQueue, config: Config, clock: Clock
) -> None:
    row = KnownPackage.get()
    assert ("check_package", (row.id,), 0) in jobs.jobs
    assert row.state == UNCHECKED
    assert job() == CHECKED
    row.refresh()
    assert (row.checked_at, row.files, row.size) == (clock(), 2, len(akismet()))
    cached = package_cache.find(row.sha256, config)
    assert cached is not None
    assert cached.read_bytes() == akismet()


def test_a_package_is_downloaded_once(
    job: Check, wordpress_org: PackageServer, clock: Clock
) -> None:
    assert (job(), job()) == (CHECKED, CHECKED)
    assert package_checks.recover_checks(clock()) == 0
    assert wordpress_org.asked == {PATH: 1}


def test_a_second_worker_waits_for_the_first(
    job: Check, wordpress_org: PackageServer, config: Config, clock: Clock
) -> None:
    states: list[str] = []

    def fetch(path: str, target: Path) -> Download:
        states.append(job())
        return wordpress_org.fetch(path, target)

    row = KnownPackage.get()
    first = package_checks.check_package(row.id, config=config, fetch=fetch, now=clock)
    assert (first, states) == (CHECKED, ["busy"])
    assert wordpress_org.asked == {PATH: 1}


def test_a_package_from_elsewhere_is_not_downloaded(
    ready: Site, fake: FakeSite, ben: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    for path in (None, "/plugin/../x.zip", "/theme/akismet.5.3.1.zip"):
        fake.changes.package_path = path
        change = check(propose(ready, ben, clock()), fake, config)
        assert KnownPackage.get().state == ELSEWHERE
        assert "check_package" not in [name for name, _, _ in jobs.jobs]
        change.move(CANCELLED)
        KnownPackage.delete().execute()


@pytest.mark.parametrize(
    "other",
    [
        akismet(**{"readme.txt": b"= Akismet!"}),
        akismet(**{"wp-load.php": b"<?php"}),
    ],
    ids=["one byte changed", "an extra file"],
)
def test_a_package_that_differs_from_the_sites_blocks_its_version(
    seen: Change,
    job: Check,
    wordpress_org: PackageServer,
    ana: Actor,
    config: Config,
    clock: Clock,
    other: bytes,
) -> None:
    wordpress_org.packages[PATH] = other
    job()
    (alert,) = Alert.unresolved(EVERYTHING)
    assert (alert.kind, alert.site_id) == (alerts.PACKAGE_DIFFERS, seen.site_id)
    assert alert.evidence["aura"]["package_sha256"] == pins_of(other)[0]
    assert alert.evidence["aura"]["seen_by"] == "Aura"
    assert alert.evidence["site"]["package_sha256"] == pins_of(akismet())[0]
    with pytest.raises(StaleChange, match="Two different packages"):
        approve(seen, ana, config, clock())


@pytest.mark.parametrize("name", hostile())
def test_a_package_with_hostile_content_is_refused(
    seen: Change,
    job: Check,
    wordpress_org: PackageServer,
    fake: FakeSite,
    ana: Actor,
    config: Config,
    clock: Clock,
    name: str,
) -> None:
    wordpress_org.packages[PATH], code = hostile()[name]
    approve(seen, ana, config, clock())
    assert job() == REFUSED
    assert list((config.var_dir / "packages").iterdir()) == []
    assert run_change(seen, fake, config) == CANCELLED
    assert seen.outcome_reason == code


def test_without_wordpress_org_a_rule_waits_and_a_person_decides(
    ready: Site,
    fake: FakeSite,
    ana: Actor,
    wordpress_org: PackageServer,
    config: Config,
    clock: Clock,
) -> None:
    fake.changes.package, fake.changes.package_path = pins_of(akismet()), PATH
    auto_update_rules.create_rule(terms(clock), by=ana, confirmed_at=clock(), now=clock())
    change = carried_out(fake, config)
    assert change.state == PROPOSED
    row = KnownPackage.get()
    wordpress_org.error = ErrorCode.dns
    options = {"config": config, "fetch": wordpress_org.fetch, "now": clock}
    assert package_checks.check_package(row.id, **options) == UNCHECKED
    row.refresh()
    assert (row.problem, row.next_attempt_at) == ("dns", clock() + timedelta(minutes=1))
    assert auto_update_rules.approve_due(config, clock()) == 0
    clock.advance(minutes=2)
    assert package_checks.recover_checks(clock()) == 1
    wordpress_org.error = None
    assert package_checks.check_package(row.id, **options) == CHECKED
    assert auto_update_rules.approve_due(config, clock()) == 0, "the releases are not compared yet"
    release_comparisons.resume_with(row.id, clock())
    comparison = ReleaseComparison.get()
    assert release_comparisons.compare(comparison.id, **options) == DONE
    assert auto_update_rules.approve_due(config, clock()) == 1


def test_a_person_may_approve_an_unchecked_package(
    seen: Change, job: Check, wordpress_org: PackageServer, ana: Actor, config: Config, clock: Clock
) -> None:
    wordpress_org.error = ErrorCode.connect_timeout
    job()
    assert approve(seen, ana, config, clock()).state == APPROVED


@pytest.mark.parametrize(
    "package",
    [akismet("5.3.2"), akismet().replace(b"akismet", b"another")],
    ids=["another version", "another plugin"],
)
def test_a_package_of_another_version_or_plugin_proves_nothing(
    job: Check, wordpress_org: PackageServer, config: Config, package: bytes
) -> None:
    wordpress_org.packages[PATH] = package
    assert job() == UNCHECKED
    assert KnownPackage.get().problem == "package_mismatch"
    assert Alert.unresolved(EVERYTHING) == []
    assert list((config.var_dir / "packages").iterdir()) == []


def test_after_two_weeks_aura_stops_trying(
    job: Check, wordpress_org: PackageServer, clock: Clock
) -> None:
    wordpress_org.error = ErrorCode.not_found
    for _ in range(100):
        job()
        clock.advance(hours=6)
    assert KnownPackage.get().next_attempt_at is None
    assert package_checks.recover_checks(clock()) == 0
    assert wordpress_org.asked[PATH] < 70


def test_further_sites_do_not_download_what_aura_has(
    seen: Change, job: Check, fake: FakeSite, ben: Actor, config: Config, clock: Clock
) -> None:
    job()
    seen.move(CANCELLED)
    facts: list[Any] = []
    answer = fake.changes.answer
    fake.changes.answer = lambda site, document: facts.append(answer(site, document)) or facts[-1]
    again = check(propose(seen.site, ben, clock()), fake, config)
    assert facts[0]["facts"]["package_sha256"] is None
    item = parse_json(again.document.encode())["item"]
    assert (item["package_sha256"], item["tree_sha256"]) == pins_of(akismet())


def test_a_package_that_cannot_be_stored_is_tried_again_later(
    job: Check, seen: Change, config: Config, clock: Clock
) -> None:
    def fill_the_disk(*_: object) -> Download:
        raise OSError(ENOSPC, "No space left on device")

    row = KnownPackage.get()
    state = package_checks.check_package(row.id, config=config, fetch=fill_the_disk, now=clock)
    row.refresh()
    assert (state, row.problem) == (UNCHECKED, packages.DISK)
    assert package_checks.recover_checks(clock()) == 0
    clock.advance(minutes=2)
    assert package_checks.recover_checks(clock()) == 1
    assert job() == CHECKED


@pytest.mark.parametrize("moved", ["host", "path"])
def test_a_package_from_another_address_needs_the_sites_own_hashes(
    seen: Change, job: Check, fake: FakeSite, ben: Actor, config: Config, clock: Clock, moved: str
) -> None:
    """A site that names another package than Aura, and leaves the hashes to Aura, is refused."""
    job()
    seen.move(CANCELLED)
    answer = fake.changes.answer

    def elsewhere(site: FakeSite, document: dict[str, Any]) -> dict[str, Any]:
        reply = answer(site, document)
        reply["facts"][f"package_{moved}"] = "other"
        return reply

    fake.changes.answer = elsewhere
    again = check(propose(seen.site, ben, clock()), fake, config)
    assert (again.state, again.outcome_reason) == (REFUSED, "package_unpinned")


# ---- the cache ----


def fill(config: Config, *sizes: int) -> list[str]:
    """Store packages of these sizes, the oldest first, and return their digests."""
    names = []
    for number, size in enumerate(sizes):
        sha256 = f"{number:064x}"
        with package_cache.new_file(config) as file:
            file.write_bytes(bytes(size))
            os.utime(file, (number, number))
            file.replace(config.var_dir / "packages" / f"{sha256}.zip")
        names.append(sha256)
    return names


def test_the_cache_keeps_the_packages_used_last(config: Config) -> None:
    small = replace(config, package_cache_mb=1)
    first, second, third = fill(small, 400_000, 400_000, 400_000)
    assert package_cache.find(first, small) is not None
    assert package_cache.trim(small) == 800_000
    assert package_cache.find(second, small) is None
    assert None not in (package_cache.find(first, small), package_cache.find(third, small))


def test_a_package_larger_than_the_cache_is_not_kept(config: Config) -> None:
    small = replace(config, package_cache_mb=1)
    with package_cache.new_file(small) as file:
        file.write_bytes(bytes(2_000_000))
        package_cache.keep(file, "a" * 64, small)
    assert list((config.var_dir / "packages").iterdir()) == []


def test_files_of_a_killed_worker_are_removed(config: Config) -> None:
    with package_cache.new_file(config) as file:
        lost = file.with_name("download-lost")
        lost.write_bytes(b"half")
        assert package_cache.trim(config) == 0
        assert lost.exists()
        os.utime(lost, (0, 0))
        package_cache.trim(config)
        assert (lost.exists(), file.exists()) == (False, True)
