"""The results of a version across the fleet equal the numbers counted from an export."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter

import pytest

from app.domain.audit import export as exporting
from app.domain.changes import late_failures
from app.domain.changes.fleet_experience import FleetExperience, fleet_experience
from app.models.changes import ROLLED_BACK
from app.models.clients import Client
from app.models.sites import Site
from app.models.visibility import EVERYTHING, Visibility
from tests.support.factories import AKISMET, approve
from tests.support.rollouts import RolloutWorld

UPDATE = ("plugin", AKISMET, "5.3.1")
FATAL_PAGE = (500, b"There has been a critical error on this website.")


@pytest.fixture
def world(ana, config, clock, jobs) -> RolloutWorld:
    """Six sites: four were updated, one was rolled back, and one of the four broke later."""
    world = RolloutWorld.make(ana, config, clock, count=6)
    world.fake("B").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    world.review()
    for name in "ABCDE":
        approve(world.change(name), ana, config, clock())
    world.work()
    world.fake("E").front_page = FATAL_PAGE
    late_failures.check_site(
        world.site("E"), config=config, look=world.fake("E").look, now=world.clock
    )
    return world


def exported(world: RolloutWorld) -> list[dict[str, str]]:
    """Return the rows of the whole audit log as a table."""
    path = world.config.var_dir / "export.csv"
    exporting.write_export(
        path, "csv", exporting.make_scope(), world.config, world.clock(), lambda count: None
    )
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))


def count_rows(rows: list[dict[str, str]], *, of_sites: set[int] | None = None) -> Counter[str]:
    """Count the numbers of a version from an export alone."""
    found: Counter[str] = Counter()
    broke_later: set[int] = set()
    succeeded: dict[int, str] = {}
    for row in rows:
        facts = json.loads(row["facts"])
        about = (facts.get("kind"), facts.get("ident"), facts.get("to_version"))
        if about != UPDATE or (of_sites is not None and int(row["site"]) not in of_sites):
            continue
        if row["event"] == "change_ended" and facts["outcome"] == "succeeded":
            succeeded[facts["change_id"]] = facts["evidence"]["package_sha256"]
        elif row["event"] == "change_ended":
            found[facts["outcome"]] += 1
        elif row["event"] == "change_broke_later":
            broke_later.add(facts["change_id"])
    good = {number: sha256 for number, sha256 in succeeded.items() if number not in broke_later}
    found["succeeded"] = len(good)
    found["failed"] += len(broke_later)
    found["packages"] = len(set(good.values()))
    return found


def numbers(found: FleetExperience) -> Counter[str]:
    return Counter(
        succeeded=found.succeeded,
        rolled_back=found.rolled_back,
        failed=found.failed,
        packages=found.packages,
    )


def test_the_numbers_equal_those_of_the_export(world):
    found = fleet_experience(*UPDATE, EVERYTHING)
    assert (found.succeeded, found.rolled_back, found.failed) == (3, 1, 1)
    assert found.has_identical_bytes
    assert numbers(found) == count_rows(exported(world))


def test_a_person_counts_only_the_sites_that_they_see(world):
    client = Client.named("Bakery Ltd")
    Site.update(client=client).where(Site.name << ["A", "B", "F"]).execute()
    found = fleet_experience(*UPDATE, Visibility.of_clients([client.id]))
    assert (found.succeeded, found.rolled_back, found.failed) == (1, 1, 0)
    ids = {site.id for site in Site.select().where(Site.client == client)}
    assert numbers(found) == count_rows(exported(world), of_sites=ids)


def test_another_version_has_no_results(world):
    found = fleet_experience("plugin", AKISMET, "5.4", EVERYTHING)
    assert (found.results, found.has_identical_bytes, found.first_at) == (0, False, None)


def test_two_packages_are_not_called_identical(world):
    change = world.change("A")
    change.evidence = {**change.evidence, "package_sha256": "12" * 32}
    change.save()
    found = fleet_experience(*UPDATE, EVERYTHING)
    assert (found.packages, found.has_identical_bytes) == (2, False)
