"""Update SiteAgent itself: with its own operation and permission, never as a plugin."""

from __future__ import annotations

from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import auto_update_rules, candidates, proposals, settlement
from app.domain.changes.proposals import UpdateRequest
from app.domain.errors import Invalid, StaleChange
from app.http.errors import ErrorCode
from app.models.changes import UNKNOWN, Change
from app.models.reports import Component
from app.models.sites import Site
from app.protocol import parse_json
from tests.support.factories import (
    AKISMET,
    approve,
    check,
    plugin,
    propose,
    read_report,
    run_change,
)
from tests.support.fake_changes import SITEAGENT
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.rules import terms


@pytest.fixture
def available(ready: Site, fake: FakeSite, config: Config, jobs: RecordingQueue) -> Site:
    """The same site with a newer SiteAgent available."""
    fake.report["plugins"].append(plugin(SITEAGENT, name="SiteAgent", version="0.1.0"))
    update = {**fake.report["updates"]["plugins"][0], "id": SITEAGENT, "version": "0.2.0"}
    fake.report["updates"]["plugins"].append(update)
    read_report(ready, fake, config=config)
    jobs.jobs.clear()
    return ready


@pytest.fixture
def proposed(available: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock) -> Change:
    arguments: dict[str, Any] = {"kind": "siteagent", "ident": SITEAGENT, "to": "0.2.0"}
    return check(propose(available, ben, clock(), **arguments), fake, config)


@pytest.fixture
def approved(proposed: Change, ana: Actor, fake: FakeSite, config: Config, clock: Clock) -> Change:
    fake.calls.clear()
    return approve(proposed, ana, config, clock())


def siteagent_candidate(site: Site, clock: Clock) -> candidates.Candidate:
    listed = candidates.candidates_on_site(site, clock())
    return next(one for one in listed if one.target.ident == SITEAGENT)


def reasons(site: Site, clock: Clock) -> list[str]:
    return [one.code for one in siteagent_candidate(site, clock).verdict.reasons]


def test_siteagent_is_a_kind_with_its_own_permission(available: Site, clock: Clock) -> None:
    candidate = siteagent_candidate(available, clock)
    assert (candidate.target.kind, candidate.target.permission) == ("siteagent", "siteagent")
    assert candidate.may_be_proposed


def test_siteagent_is_updated_by_its_own_operation(
    approved: Change, fake: FakeSite, config: Config, available: Site
) -> None:
    document = parse_json(approved.document.encode())
    assert document["do"] == "agent.update"
    assert (document["item"]["kind"], document["item"]["id"]) == ("siteagent", SITEAGENT)
    assert run_change(approved, fake, config) == "succeeded"
    assert [op for op, _, _ in fake.calls] == ["agent.update"]
    component = Component.get(Component.site == available, Component.ident == SITEAGENT)
    assert (component.kind, component.version) == ("plugin", "0.2.0")
    assert component.update_version is None


def test_it_cannot_be_proposed_as_a_plugin(available: Site, ben: Actor, clock: Clock) -> None:
    with pytest.raises(StaleChange):
        propose(available, ben, clock(), ident=SITEAGENT, to="0.2.0")


@pytest.mark.parametrize("permission", [{"siteagent": False}, {}])
def test_siteagent_is_not_proposed_without_the_owners_permission(
    available: Site, fake: FakeSite, config: Config, clock: Clock, permission: dict[str, bool]
) -> None:
    """An older SiteAgent does not report this permission at all."""
    fake.report["agent"]["permissions"].pop("siteagent")
    fake.report["agent"]["permissions"] |= permission
    read_report(available, fake, config=config)
    assert reasons(available, clock) == ["permission_off" if permission else "permission_unknown"]


def test_siteagent_is_proposed_separately(available: Site, ben: Actor, clock: Clock) -> None:
    requests = [
        UpdateRequest(available, "siteagent", SITEAGENT, "0.2.0"),
        UpdateRequest(available, "plugin", AKISMET, "5.3.1"),
    ]
    with pytest.raises(Invalid, match="separately"):
        proposals.review_changes(requests, by=ben, now=clock())
    assert Change.select().count() == 0


def test_a_manual_update_meanwhile_cancels_the_approved_one(
    approved: Change, fake: FakeSite, config: Config, available: Site
) -> None:
    fake.report["plugins"][-1]["version"] = "0.1.9"
    read_report(available, fake, config=config)
    fake.calls.clear()
    assert run_change(approved, fake, config) == "cancelled"
    assert fake.calls == []


def test_a_connection_lost_with_the_new_version_reports_its_rollback(
    approved: Change, fake: FakeSite, config: Config
) -> None:
    fake.changes.killed.add(approved.op_id)
    assert run_change(approved, fake, config) == UNKNOWN

    def settle() -> str:
        fake.clock.advance(minutes=5)
        return settlement.settle_change(
            approved.id, config=config, call=fake.call, look=fake.look, now=fake.clock
        )

    fake.failing = [ErrorCode.not_found] * 4
    assert settle() == UNKNOWN
    fake.failing = []
    fake.changes.reconcile(approved.op_id)
    assert settle() == "rolled_back"


@pytest.mark.parametrize(
    ("permission", "kind"), [("plugins", "plugin"), ("siteagent", "siteagent")]
)
def test_a_rule_covers_siteagent_only_by_its_own_permission(
    available: Site, ana: Actor, clock: Clock, permission: str, kind: str
) -> None:
    rule_terms = terms(clock, permissions=(permission,), release_types=("patch", "minor"))
    auto_update_rules.create_rule(rule_terms, by=ana, confirmed_at=clock(), now=clock())
    auto_update_rules.propose_due(clock())
    assert [change.kind for change in Change.select()] == [kind]
