"""Upgrade WordPress's own database: proposed, approved and run like an update, by people."""

from __future__ import annotations

from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import auto_update_rules, candidates, proposals
from app.domain.changes.proposals import UpdateRequest
from app.domain.errors import Invalid
from app.models.changes import Change
from app.models.sites import Site
from app.protocol import parse_json
from app.views.change_view_models import risks_of
from tests.support.factories import (
    AKISMET,
    approve,
    check,
    propose,
    read_report,
    run_change,
)
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.rules import terms

WAITING = {"id": "wordpress", "from": "58975", "to": "60421"}


@pytest.fixture
def waiting(ready: Site, fake: FakeSite, config: Config, jobs: RecordingQueue) -> Site:
    """A site whose database needs an upgrade after an update of WordPress."""
    other = {"id": "woocommerce", "from": "9.1.0", "to": "9.4.2"}
    fake.report["health"]["database_upgrades"] = [WAITING, other]
    read_report(ready, fake, config=config)
    jobs.jobs.clear()
    return ready


@pytest.fixture
def proposed(waiting: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock) -> Change:
    arguments: dict[str, Any] = {"kind": "database", "ident": "wordpress", "to": "60421"}
    return check(propose(waiting, ben, clock(), **arguments), fake, config)


def database_candidates(site: Site, clock: Clock) -> list[candidates.Candidate]:
    listed = candidates.candidates_on_site(site, clock())
    return [one for one in listed if one.target.kind == "database"]


def reasons(site: Site, clock: Clock) -> list[str]:
    [candidate] = database_candidates(site, clock)
    return [one.code for one in candidate.verdict.reasons]


def test_only_the_database_of_wordpress_itself_can_be_proposed(waiting: Site, clock: Clock) -> None:
    [candidate] = database_candidates(waiting, clock)
    assert (candidate.target.ident, candidate.target.permission) == ("wordpress", "database")
    assert candidate.may_be_proposed


def test_the_upgrade_runs_as_approved_and_is_then_no_longer_listed(
    proposed: Change,
    ana: Actor,
    fake: FakeSite,
    config: Config,
    clock: Clock,
    waiting: Site,
) -> None:
    assert risks_of(proposed, has_warnings=False) == ["database"]
    fake.calls.clear()
    approved = approve(proposed, ana, config, clock())
    document = parse_json(approved.document.encode())
    item = {name: document["item"][name] for name in ("kind", "id", "from", "to", "package_host")}
    assert item == {
        "kind": "database",
        "id": "wordpress",
        "from": "58975",
        "to": "60421",
        "package_host": "none",
    }
    assert run_change(approved, fake, config) == "succeeded"
    assert [op for op, _, _ in fake.calls] == ["change.run"]
    read_report(waiting, fake, config=config)
    assert database_candidates(waiting, clock) == []


@pytest.mark.parametrize("permission", [{"database": False}, {}])
def test_the_upgrade_is_not_proposed_without_the_owners_permission(
    waiting: Site, fake: FakeSite, config: Config, clock: Clock, permission: dict[str, bool]
) -> None:
    """An older SiteAgent does not report this permission at all."""
    fake.report["agent"]["permissions"].pop("database")
    fake.report["agent"]["permissions"] |= permission
    read_report(waiting, fake, config=config)
    assert reasons(waiting, clock) == ["permission_off" if permission else "permission_unknown"]


def test_locked_files_do_not_block_the_upgrade(
    waiting: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    fake.report["health"] |= {"file_mods": False, "filesystem": "ftpext", "disk_free": 1}
    fake.report["agent"]["rollback"] = False
    read_report(waiting, fake, config=config)
    assert reasons(waiting, clock) == []


def test_a_multisite_network_is_upgraded_in_wp_admin(
    waiting: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    fake.report["wordpress"]["multisite"] = True
    read_report(waiting, fake, config=config)
    assert database_candidates(waiting, clock) == []


def test_the_upgrade_is_proposed_separately(waiting: Site, ben: Actor, clock: Clock) -> None:
    requests = [
        UpdateRequest(waiting, "database", "wordpress", "60421"),
        UpdateRequest(waiting, "plugin", AKISMET, "5.3.1"),
    ]
    with pytest.raises(Invalid, match="separately"):
        proposals.review_changes(requests, by=ben, now=clock())
    assert Change.select().count() == 0


def test_no_auto_update_rule_covers_the_upgrade(ana: Actor, clock: Clock) -> None:
    rule_terms = terms(clock, permissions=("database",))
    with pytest.raises(Invalid):
        auto_update_rules.create_rule(rule_terms, by=ana, confirmed_at=clock(), now=clock())
