"""SiteAgent itself is updated like everything else, by people and plans, and by an operation of
its own: as a plugin it is never touched."""

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
    """The same site; WordPress offers a new SiteAgent there."""
    fake.report["plugins"].append(plugin(SITEAGENT, name="SiteAgent", version="0.1.0"))
    update = {**fake.report["updates"]["plugins"][0], "id": SITEAGENT, "version": "0.2.0"}
    fake.report["updates"]["plugins"].append(update)
    read_report(ready, fake, config=config)
    jobs.jobs.clear()
    return ready


@pytest.fixture
def proposed(available: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock) -> Change:
    told: dict[str, Any] = {"kind": "siteagent", "ident": SITEAGENT, "to": "0.2.0"}
    return check(propose(available, ben, clock(), **told), fake, config)


@pytest.fixture
def approved(proposed: Change, ana: Actor, fake: FakeSite, config: Config, clock: Clock) -> Change:
    fake.calls.clear()
    return approve(proposed, ana, config, clock())


def found(site: Site, clock: Clock) -> candidates.Candidate:
    listed = candidates.candidates_on_site(site, clock())
    return next(one for one in listed if one.target.ident == SITEAGENT)


def reasons(site: Site, clock: Clock) -> list[str]:
    return [one.code for one in found(site, clock).verdict.reasons]


def test_it_is_a_kind_and_a_permission_of_its_own(available: Site, clock: Clock) -> None:
    candidate = found(available, clock)
    assert (candidate.target.kind, candidate.target.permission) == ("siteagent", "siteagent")
    assert candidate.may_be_proposed


def test_it_runs_by_its_own_operation_and_the_list_follows(
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


def test_as_a_plugin_it_cannot_be_proposed(available: Site, ben: Actor, clock: Clock) -> None:
    with pytest.raises(StaleChange):
        propose(available, ben, clock(), ident=SITEAGENT, to="0.2.0")


@pytest.mark.parametrize("told", [{"siteagent": False}, {}])
def test_nobody_proposes_it_where_the_owner_has_not_allowed_it(
    available: Site, fake: FakeSite, config: Config, clock: Clock, told: dict[str, bool]
) -> None:
    """An older SiteAgent does not tell this permission at all."""
    fake.report["agent"]["permissions"].pop("siteagent")
    fake.report["agent"]["permissions"] |= told
    read_report(available, fake, config=config)
    assert reasons(available, clock) == ["permission_off" if told else "permission_unknown"]


def test_it_is_proposed_apart(available: Site, ben: Actor, clock: Clock) -> None:
    wanted = [
        UpdateRequest(available, "siteagent", SITEAGENT, "0.2.0"),
        UpdateRequest(available, "plugin", AKISMET, "5.3.1"),
    ]
    with pytest.raises(Invalid, match="separately"):
        proposals.review_changes(wanted, by=ben, now=clock())
    assert Change.select().count() == 0


def test_an_update_that_was_made_by_hand_meanwhile_makes_the_approval_void(
    approved: Change, fake: FakeSite, config: Config, available: Site
) -> None:
    fake.report["plugins"][-1]["version"] = "0.1.9"
    read_report(available, fake, config=config)
    fake.calls.clear()
    assert run_change(approved, fake, config) == "cancelled"
    assert fake.calls == []


def test_a_connection_that_died_with_the_new_version_tells_the_truth_when_it_is_back(
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
def test_an_auto_update_rule_covers_it_only_by_its_own_name(
    available: Site, ana: Actor, clock: Clock, permission: str, kind: str
) -> None:
    wanted = terms(clock, permissions=(permission,), release_types=("patch", "minor"))
    auto_update_rules.create_rule(wanted, by=ana, confirmed_at=clock(), now=clock())
    auto_update_rules.propose_due(clock())
    assert [change.kind for change in Change.select()] == [kind]
