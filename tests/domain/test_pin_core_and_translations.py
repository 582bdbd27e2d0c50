"""Pin core and translation packages: a version may have one package per language or mirror."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.config import Config
from app.domain import alerts
from app.domain.actor import Actor
from app.domain.changes import package_checks, packages
from app.models.alerts import Alert
from app.models.changes import CANCELLED, PROPOSED, REFUSED, SUCCEEDED, Change
from app.models.packages import CHECKED, ELSEWHERE, UNCHECKED, KnownPackage
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from app.package_layout import layout_of
from app.protocol import parse_json
from tests.support.factories import (
    approve,
    check,
    make_site,
    pair,
    propose,
    read_report,
    report,
    run_change,
)
from tests.support.fakes import Clock, FakeSite
from tests.support.package_server import PackageServer, pins_of
from tests.support.packages import BUNDLED, CORE, GERMAN, packed

ENGLISH_PATH = "/release/wordpress-7.2-no-content.zip"
GERMAN_PATH = "/release/de_DE/wordpress-7.2.zip"
ENGLISH, IN_GERMAN = packed(CORE), packed({**CORE, **BUNDLED, "wordpress/de.txt": b"Deutsch"})
LAYOUT = layout_of("core", "core")
TRANSLATION = "/translation/plugin/desk/2.0/de_DE.zip"

PlanCore = Callable[..., Change]


def release() -> dict[str, Any]:
    needs = {"requires_php": "7.2", "requires_mysql": "5.5"}
    return {"version": "7.2", "kind": "minor", "package": True, **needs}


def core_report() -> dict[str, Any]:
    text = report()
    text["updates"]["core"] = [release()]
    return text


@pytest.fixture
def second(ready: Site, ana: Actor, config: Config, clock: Clock) -> FakeSite:
    """A second site, called Second."""
    site = make_site(ana, now=clock(), url="https://second.example", name="Second")
    fake = FakeSite(site.url, clock, core_report())
    pair(site, fake, by=ana, config=config)
    read_report(site, fake, config=config)
    return fake


@pytest.fixture
def first(ready: Site, fake: FakeSite, config: Config) -> FakeSite:
    fake.report["updates"]["core"] = [release()]
    read_report(ready, fake, config=config)
    return fake


@pytest.fixture
def plan_core(first: FakeSite, ben: Actor, config: Config, clock: Clock) -> PlanCore:
    """Return a function that proposes WordPress 7.2 on a site that is offered this package."""

    def propose_core(fake: FakeSite, archive: bytes, path: str | None) -> Change:
        fake.changes.package, fake.changes.package_path = pins_of(archive, LAYOUT), path
        site = Site.get(Site.url == fake.home)
        return check(propose(site, ben, clock(), "core", "7.2", kind="core"), fake, config)

    return propose_core


def check_all(archives: dict[str, bytes], config: Config, clock: Clock) -> list[str]:
    server = PackageServer(archives)
    return [
        package_checks.check_package(package.id, config=config, fetch=server.fetch, now=clock)
        for package in KnownPackage.select().order_by(KnownPackage.id)
    ]


def test_a_core_plan_names_its_package_and_aura_downloads_the_same(
    plan_core: PlanCore, first: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    change = plan_core(first, ENGLISH, ENGLISH_PATH)
    item = parse_json(change.document.encode())["item"]
    assert (item["package_sha256"], item["tree_sha256"]) == pins_of(ENGLISH, LAYOUT)
    assert packages.check_state(change) == UNCHECKED
    assert not packages.may_be_left_to_rule(change)
    assert check_all({ENGLISH_PATH: ENGLISH}, config, clock) == [CHECKED]
    assert packages.may_be_left_to_rule(change)
    approve(change, ana, config, clock())
    assert run_change(change, first, config) == SUCCEEDED


def test_a_core_update_without_a_named_package_cannot_be_approved(
    first: FakeSite, ready: Site, ben: Actor, config: Config, clock: Clock
) -> None:
    first.changes.package = (None, None)
    change = check(propose(ready, ben, clock(), "core", "7.2", kind="core"), first, config)
    assert (change.state, change.outcome_reason) == (REFUSED, "package_unpinned")


def test_each_language_has_its_own_package(
    plan_core: PlanCore, first: FakeSite, second: FakeSite, config: Config, clock: Clock
) -> None:
    english = plan_core(first, ENGLISH, ENGLISH_PATH)
    german = plan_core(second, IN_GERMAN, GERMAN_PATH)
    assert (english.state, german.state) == (PROPOSED, PROPOSED)
    served = {ENGLISH_PATH: ENGLISH, GERMAN_PATH: IN_GERMAN}
    assert check_all(served, config, clock) == [CHECKED, CHECKED]
    assert Alert.unresolved(EVERYTHING) == []
    found = [packages.find_known(change) for change in (english, german)]
    assert [package.path for package in found if package] == [ENGLISH_PATH, GERMAN_PATH]
    # Further sites get both paths and need not download these packages: Aura has them.
    german.move(CANCELLED)
    repeated = plan_core(second, IN_GERMAN, GERMAN_PATH)
    assert packages.question_about(repeated)["package_paths"] == [GERMAN_PATH, ENGLISH_PATH]
    item = parse_json(repeated.document.encode())["item"]
    assert (item["package_sha256"], item["tree_sha256"]) == pins_of(IN_GERMAN, LAYOUT)


def test_a_second_package_of_one_language_stops_the_release_for_all(
    plan_core: PlanCore, first: FakeSite, second: FakeSite, config: Config
) -> None:
    change = plan_core(first, ENGLISH, ENGLISH_PATH)
    evil = packed({**CORE, "wordpress/wp-includes/class-wp-cache.php": b"<?php"})
    other = plan_core(second, evil, ENGLISH_PATH)
    assert (other.state, other.outcome_reason) == (REFUSED, "package_differs")
    assert [alert.kind for alert in Alert.unresolved(EVERYTHING)] == [alerts.PACKAGE_DIFFERS]
    assert packages.why_stopped(change) == packages.DISPUTED


def test_a_later_mismatch_raises_the_alert_about_the_sites_own_package(
    plan_core: PlanCore, first: FakeSite, second: FakeSite, ana: Actor, config: Config, clock: Clock
) -> None:
    change = plan_core(first, ENGLISH, ENGLISH_PATH)
    plan_core(second, IN_GERMAN, GERMAN_PATH)
    approve(change, ana, config, clock())
    first.changes.package = ("ef" * 32, "01" * 32)
    assert run_change(change, first, config) == REFUSED
    disputed = [package.path for package in KnownPackage.select() if package.is_disputed]
    assert disputed == [ENGLISH_PATH]


def test_packages_from_other_hosts_are_not_compared(
    plan_core: PlanCore, first: FakeSite, second: FakeSite
) -> None:
    """A host's own mirror may serve another language to each site."""
    for fake, archive in ((first, ENGLISH), (second, IN_GERMAN)):
        change = plan_core(fake, archive, None)
        assert (change.state, packages.check_state(change)) == (PROPOSED, ELSEWHERE)


@pytest.mark.parametrize(
    "archive",
    [
        packed({path: text.replace(b"7.2", b"7.1") for path, text in CORE.items()}),
        packed({path: text.replace(b"$wp_version", b"$version") for path, text in CORE.items()}),
    ],
    ids=["another release", "no version"],
)
def test_another_release_under_the_same_address_proves_nothing(
    plan_core: PlanCore, first: FakeSite, config: Config, clock: Clock, archive: bytes
) -> None:
    plan_core(first, ENGLISH, ENGLISH_PATH)
    assert check_all({ENGLISH_PATH: archive}, config, clock) == [UNCHECKED]
    assert KnownPackage.get().problem == "package_mismatch"


# ---- translations ----


def known_translation(clock: Clock, archive: bytes, version: str) -> None:
    sha256, tree = pins_of(archive, layout_of("translation", "plugin:desk:de_DE"))
    KnownPackage.create(
        kind="translation",
        ident="plugin:desk:de_DE",
        version=version,
        host="downloads.wordpress.org",
        variant=TRANSLATION,
        path=TRANSLATION,
        sha256=sha256,
        tree_sha256=tree,
        first_seen_at=clock(),
        state=UNCHECKED,
        next_attempt_at=clock(),
    )


@pytest.mark.parametrize(
    ("version", "state"),
    [("2026-09-14 08:30:00", CHECKED), ("2026-10-20 09:00:00", UNCHECKED)],
)
def test_a_translation_is_compared_only_for_its_own_revision(
    ready: Site, config: Config, clock: Clock, version: str, state: str
) -> None:
    known_translation(clock, packed(GERMAN), version)
    assert check_all({TRANSLATION: packed(GERMAN)}, config, clock) == [state]


def test_a_translation_with_code_is_refused(ready: Site, config: Config, clock: Clock) -> None:
    known_translation(clock, packed(GERMAN), "2026-09-14 08:30:00")
    evil = packed({**GERMAN, "index.php": b"<?php"})
    assert check_all({TRANSLATION: evil}, config, clock) == ["refused"]
    assert KnownPackage.get().problem == "package_not_translation"
