"""Decisions about changes: the allowed and forbidden transitions, and who may decide."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from app.config import Config
from app.domain import audit
from app.domain.actor import Actor
from app.domain.changes import approvals, change_plan, dry_run, execution, proposals
from app.domain.changes.change_plan import PlanTimes
from app.domain.changes.proposals import UpdateRequest
from app.domain.errors import (
    Forbidden,
    Invalid,
    ReauthenticationRequired,
    StaleChange,
    StaleState,
)
from app.domain.permissions import REAUTH_MAX_AGE
from app.models.accounts import User
from app.models.changes import ALLOWED, APPROVED, ENDED, PROPOSED, STATES, Change
from app.models.clients import FOUR_EYES, Client
from app.models.sites import Site
from app.protocol import from_b64u, parse_json
from tests.support.audit_entries import events
from tests.support.change_proposals import release
from tests.support.factories import (
    AKISMET,
    approve,
    check,
    make_site,
    make_user,
    pair,
    propose,
    read_report,
    report,
    run_change,
    usual_window,
)
from tests.support.fakes import Clock, FakeSite, RecordingQueue

pytestmark = pytest.mark.both_databases


@pytest.fixture
def four_eyes(ready: Site) -> Site:
    """The site of a client who requires a second person."""
    client = Client.named("Bakery Ltd")
    client.set_approval_mode(FOUR_EYES)
    Site.update(client=client).where(Site.id == ready.id).execute()
    return Site.get_by_id(ready.id)


# ---- states ----


def test_a_change_makes_only_allowed_transitions(ready: Site, ben: Actor, clock: Clock) -> None:
    change = propose(ready, ben, clock())
    for was, to in product(STATES, STATES):
        Change.update(state=was).execute()
        change.refresh()
        allowed = to in ALLOWED[was]
        assert (was, to, change.move(to)) == (was, to, allowed)
        assert change.state == (to if allowed else was)


def test_no_state_leads_back_to_approved_or_out_of_an_end() -> None:
    assert [state for state, onwards in ALLOWED.items() if APPROVED in onwards] == [PROPOSED]
    assert set(ENDED) == {
        "succeeded", "failed", "rolled_back", "refused", "rejected", "expired", "cancelled",
    }  # fmt: skip


# ---- approving ----


def test_an_approval_covers_exactly_what_was_shown(
    proposed: Change, ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    approve(proposed, ana, config, clock())
    assert (proposed.state, proposed.how, proposed.decided_by) == (
        APPROVED,
        "second_person",
        "Ana",
    )
    plan = parse_json(from_b64u(proposed.plan))
    assert plan.pop("approval") == {
        "by": "Ana",
        "how": "second_person",
        "at": int(clock().timestamp()),
        "reason": "",
    }
    assert plan == parse_json(proposed.document.encode())
    assert jobs.names()[-1] == "run_change"


def test_a_proposer_may_approve_and_is_recorded_as_such(
    proposed: Change, ben: Actor, config: Config, clock: Clock
) -> None:
    approve(proposed, ben, config, clock())
    assert proposed.how == "self_confirmed"


def test_with_four_eyes_the_proposer_cannot_approve(
    four_eyes: Site, ben: Actor, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    change = check(propose(four_eyes, ben, clock()), fake, config)
    with pytest.raises(Forbidden, match="second person"):
        release(change, ben, config, clock())
    change.refresh()
    assert change.state == PROPOSED
    approve(change, ana, config, clock())
    assert change.how == "second_person"


def test_four_eyes_set_after_the_proposal_apply(
    proposed: Change, ready: Site, ben: Actor, config: Config, clock: Clock
) -> None:
    client = Client.named("Bakery Ltd")
    client.set_approval_mode(FOUR_EYES)
    Site.update(client=client).execute()
    with pytest.raises(Forbidden):
        release(proposed, ben, config, clock())


@pytest.mark.parametrize("account_change", [{"role": "viewer"}, {"disabled_at": "now"}])
def test_an_approver_who_lost_the_role_meanwhile_is_refused(
    proposed: Change, ana: Actor, config: Config, clock: Clock, account_change: dict[str, Any]
) -> None:
    if "disabled_at" in account_change:
        account_change = {"disabled_at": clock()}
    User.update(**account_change).where(User.id == ana.id).execute()
    with pytest.raises(Forbidden):
        release(proposed, ana, config, clock())


def test_an_approval_needs_a_recent_password(
    proposed: Change, ana: Actor, config: Config, clock: Clock
) -> None:
    with pytest.raises(ReauthenticationRequired):
        release(proposed, ana, config, clock(), confirmed_at=clock() - REAUTH_MAX_AGE)
    release(
        proposed, ana, config, clock(), confirmed_at=clock() - REAUTH_MAX_AGE + timedelta(seconds=1)
    )


@pytest.mark.parametrize("seen", ["", "0" * 64, "x"])
def test_an_approval_of_another_digest_is_refused(
    proposed: Change, ana: Actor, config: Config, clock: Clock, seen: str
) -> None:
    with pytest.raises(StaleChange):
        release(proposed, ana, config, clock(), seen=seen)
    assert Change.get_by_id(proposed.id).state == PROPOSED


def test_an_update_cannot_be_approved_before_its_dry_run(
    ready: Site, ben: Actor, ana: Actor, config: Config, clock: Clock
) -> None:
    with pytest.raises(StaleChange):
        release(propose(ready, ben, clock()), ana, config, clock())


@pytest.mark.parametrize(
    "column", [{"kid": "another.1"}, {"from_version": "5.2"}, {"not_after": "past"}]
)
def test_an_approval_is_refused_when_the_site_has_changed(
    proposed: Change, ana: Actor, config: Config, clock: Clock, column: dict[str, Any]
) -> None:
    if "not_after" in column:
        column = {"not_after": clock() - timedelta(seconds=1)}
    Change.update(**column).execute()
    with pytest.raises(StaleChange):
        release(proposed, ana, config, clock())


def test_a_second_click_changes_nothing(
    proposed: Change, ana: Actor, ben: Actor, config: Config, clock: Clock, ready: Site
) -> None:
    approve(proposed, ana, config, clock())
    plan = proposed.plan
    with pytest.raises(StaleChange):
        release(proposed, ben, config, clock())
    proposed.refresh()
    assert (proposed.plan, proposed.decided_by) == (plan, "Ana")
    assert events(ready).count("change_approved") == 1


def test_several_updates_are_approved_together_or_not_at_all(
    ready: Site, fake: FakeSite, ben: Actor, ana: Actor, config: Config, clock: Clock
) -> None:
    other = make_site(ana, now=clock(), url="https://florist.example", name="Florist")
    there = FakeSite(other.url, clock, report())
    pair(other, there, by=ana, config=config)
    read_report(other, there, config=config)
    both = proposals.create_proposals(
        [
            UpdateRequest(ready, "plugin", AKISMET, "5.3.1"),
            UpdateRequest(other, "plugin", AKISMET, "5.3.1"),
        ],
        by=ben,
        reason="",
        window=usual_window(clock()),
        now=clock(),
        requested_at=clock(),
    )
    check(both[0], fake, config)
    check(both[1], there, config)
    seen = {change.id: change.digest for change in both}
    terms: dict[str, Any] = {"by": ana, "confirmed_at": clock(), "config": config}
    with pytest.raises(StaleChange):
        approvals.approve_changes(both, seen={**seen, both[1].id: "0" * 64}, now=clock(), **terms)
    assert {change.state for change in Change.select()} == {PROPOSED}
    assert approvals.approve_changes(both, seen=seen, now=clock(), **terms) == 2
    assert {change.state for change in Change.select()} == {APPROVED}


# ---- rejecting, cancelling and expiring ----


def test_a_rejection_has_a_reason(proposed: Change, ana: Actor, clock: Clock, ready: Site) -> None:
    with pytest.raises(Invalid):
        approvals.reject_change(proposed, by=ana, reason="  ", now=clock())
    approvals.reject_change(proposed, by=ana, reason="not before Friday", now=clock())
    assert (proposed.state, proposed.decision) == ("rejected", "not before Friday")
    with pytest.raises(StaleChange):
        approvals.reject_change(proposed, by=ana, reason="again", now=clock())
    assert events(ready)[-1] == "change_rejected"


def test_an_approved_update_can_be_cancelled_until_it_starts(
    proposed: Change, ana: Actor, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    approve(proposed, ana, config, clock())
    proposals.cancel_change(proposed, by=ben, now=clock())
    assert run_change(proposed, fake, config) == "cancelled"
    assert not fake.changes.installs
    with pytest.raises(StaleState):
        proposals.cancel_change(proposed, by=ben, now=clock())


def test_an_undecided_update_expires(
    proposed: Change, clock: Clock, ready: Site, jobs: RecordingQueue
) -> None:
    clock.advance(days=4)
    assert execution.recover_changes(clock()) == 1
    proposed.refresh()
    assert proposed.state == "expired"
    assert events(ready)[-1] == "change_expired"
    assert execution.recover_changes(clock()) == 0


# ---- the frozen document ----


@pytest.mark.parametrize(
    "alter",
    [
        lambda plan: plan["item"].update(to="6.0"),
        lambda plan: plan["item"].update(package_host="evil.example"),
        lambda plan: plan.update(not_after=plan["not_after"] + 1),
        lambda plan: plan.update(more=1),
        lambda plan: plan.pop("pre"),
        lambda plan: plan.pop("approval"),
    ],
)
def test_a_plan_with_any_other_content_is_not_the_approved_one(
    proposed: Change, clock: Clock, alter: Any
) -> None:
    document = proposed.document.encode()
    plan = change_plan.plan_of(
        document, by="Ana", approval_kind="self_confirmed", at=clock(), reason=""
    )
    assert change_plan.is_plan_of(plan, document, proposed.digest)
    altered = parse_json(plan)
    alter(altered)
    assert not change_plan.is_plan_of(change_plan.canonical(altered), document, proposed.digest)
    assert not change_plan.is_plan_of(b"no plan", document, proposed.digest)


@pytest.mark.parametrize(
    ("begins", "ends", "is_plan"),
    [(0, 0, True), (60, -60, True), (-1, 0, False), (0, 1, False), (10**9, 0, False)],
)
def test_a_plan_may_be_valid_only_within_the_approved_time(
    proposed: Change, clock: Clock, begins: int, ends: int, is_plan: bool
) -> None:
    document = proposed.document.encode()
    approved = change_plan.times_of(document)
    times = PlanTimes(approved.not_before + begins, approved.not_after + ends)
    plan = change_plan.plan_of(
        document, by="Ana", approval_kind="self_confirmed", at=clock(), reason="", times=times
    )
    assert change_plan.is_plan_of(plan, document, proposed.digest) is is_plan
    assert not change_plan.is_plan_of(plan, plan, proposed.digest)


def test_the_audit_log_has_every_event_of_a_change(
    proposed: Change, ana: Actor, config: Config, fake: FakeSite, ready: Site, clock: Clock
) -> None:
    approve(proposed, ana, config, clock())
    run_change(proposed, fake, config)
    assert [e for e in events(ready) if e.startswith("change")] == [
        "change_proposed",
        "change_checked",
        "change_approved",
        "change_started",
        "change_ended",
    ]
    assert audit.verify_chain().is_whole


def test_a_second_dry_run_changes_nothing(
    proposed: Change, fake: FakeSite, config: Config, ready: Site
) -> None:
    digest = proposed.digest
    assert (
        dry_run.run_dry_run(proposed.id, config=config, call=fake.call, now=fake.clock) == PROPOSED
    )
    assert Change.get_by_id(proposed.id).digest == digest
    assert dry_run.run_dry_run(4711, config=config, call=fake.call, now=fake.clock) == "gone"


def test_two_owners_are_two_people(
    four_eyes: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    olga = Actor.of(make_user("Olga", "owner"), "192.0.2.9")
    change = check(propose(four_eyes, ana, clock()), fake, config)
    approve(change, olga, config, clock())
    assert change.decided_by == "Olga"


def test_a_site_that_cannot_write_is_called_again(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    fake.refusing["change.check"] = "nonce_store_unavailable"
    change = check(propose(ready, ana, clock()), fake, config)
    assert (change.state, change.error_code) == ("checking", "nonce_store_unavailable")
    fake.refusing.clear()
    clock.now = change.next_attempt_at
    assert check(change, fake, config).state == "proposed"
