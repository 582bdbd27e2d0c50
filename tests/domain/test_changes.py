"""What people decide about changes: every allowed and every forbidden move, and who may."""

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
    """The site of a client who asks for a second person."""
    client = Client.named("Bakery Ltd")
    client.set_approval_mode(FOUR_EYES)
    Site.update(client=client).where(Site.id == ready.id).execute()
    return Site.get_by_id(ready.id)


# ---- the life of a change ----


def test_a_change_moves_only_as_the_table_allows(ready: Site, ben: Actor, clock: Clock) -> None:
    change = propose(ready, ben, clock())
    for was, to in product(STATES, STATES):
        Change.update(state=was).execute()
        change.refresh()
        allowed = to in ALLOWED[was]
        assert (was, to, change.move(to)) == (was, to, allowed)
        assert change.state == (to if allowed else was)


def test_nothing_leads_back_to_approved_and_nothing_out_of_an_end() -> None:
    assert [state for state, onwards in ALLOWED.items() if APPROVED in onwards] == [PROPOSED]
    assert set(ENDED) == {
        "succeeded", "failed", "rolled_back", "refused", "rejected", "expired", "cancelled",
    }  # fmt: skip


# ---- approving ----


def test_an_approval_releases_exactly_what_was_shown(
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


def test_whoever_proposed_it_may_release_it_and_is_shown_as_that(
    proposed: Change, ben: Actor, config: Config, clock: Clock
) -> None:
    approve(proposed, ben, config, clock())
    assert proposed.how == "self_confirmed"


def test_where_two_are_asked_for_the_proposer_is_not_the_approver(
    four_eyes: Site, ben: Actor, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    change = check(propose(four_eyes, ben, clock()), fake, config)
    with pytest.raises(Forbidden, match="second person"):
        release(change, ben, config, clock())
    change.refresh()
    assert change.state == PROPOSED
    approve(change, ana, config, clock())
    assert change.how == "second_person"


def test_a_client_who_asks_for_two_in_between_gets_two(
    proposed: Change, ready: Site, ben: Actor, config: Config, clock: Clock
) -> None:
    client = Client.named("Bakery Ltd")
    client.set_approval_mode(FOUR_EYES)
    Site.update(client=client).execute()
    with pytest.raises(Forbidden):
        release(proposed, ben, config, clock())


@pytest.mark.parametrize("change_of_heart", [{"role": "viewer"}, {"disabled_at": "now"}])
def test_a_role_that_was_taken_meanwhile_releases_nothing(
    proposed: Change, ana: Actor, config: Config, clock: Clock, change_of_heart: dict[str, Any]
) -> None:
    if "disabled_at" in change_of_heart:
        change_of_heart = {"disabled_at": clock()}
    User.update(**change_of_heart).where(User.id == ana.id).execute()
    with pytest.raises(Forbidden):
        release(proposed, ana, config, clock())


def test_a_password_typed_long_ago_releases_nothing(
    proposed: Change, ana: Actor, config: Config, clock: Clock
) -> None:
    with pytest.raises(ReauthenticationRequired):
        release(proposed, ana, config, clock(), confirmed_at=clock() - REAUTH_MAX_AGE)
    release(
        proposed, ana, config, clock(), confirmed_at=clock() - REAUTH_MAX_AGE + timedelta(seconds=1)
    )


@pytest.mark.parametrize("seen", ["", "0" * 64, "x"])
def test_another_digest_releases_nothing(
    proposed: Change, ana: Actor, config: Config, clock: Clock, seen: str
) -> None:
    with pytest.raises(StaleChange):
        release(proposed, ana, config, clock(), seen=seen)
    assert Change.get_by_id(proposed.id).state == PROPOSED


def test_before_the_dry_run_there_is_nothing_to_approve(
    ready: Site, ben: Actor, ana: Actor, config: Config, clock: Clock
) -> None:
    with pytest.raises(StaleChange):
        release(propose(ready, ben, clock()), ana, config, clock())


@pytest.mark.parametrize(
    "column", [{"kid": "another.1"}, {"from_version": "5.2"}, {"not_after": "past"}]
)
def test_an_approval_is_void_when_the_site_is_not_as_it_was(
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


def test_together_means_all_or_none(
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
    seen = {one.id: one.digest for one in both}
    told: dict[str, Any] = {"by": ana, "confirmed_at": clock(), "config": config}
    with pytest.raises(StaleChange):
        approvals.approve_changes(both, seen={**seen, both[1].id: "0" * 64}, now=clock(), **told)
    assert {one.state for one in Change.select()} == {PROPOSED}
    assert approvals.approve_changes(both, seen=seen, now=clock(), **told) == 2
    assert {one.state for one in Change.select()} == {APPROVED}


# ---- not approving ----


def test_a_rejection_says_why(proposed: Change, ana: Actor, clock: Clock, ready: Site) -> None:
    with pytest.raises(Invalid):
        approvals.reject_change(proposed, by=ana, reason="  ", now=clock())
    approvals.reject_change(proposed, by=ana, reason="not before Friday", now=clock())
    assert (proposed.state, proposed.decision) == ("rejected", "not before Friday")
    with pytest.raises(StaleChange):
        approvals.reject_change(proposed, by=ana, reason="again", now=clock())
    assert events(ready)[-1] == "change_rejected"


def test_what_is_approved_can_be_cancelled_until_it_begins(
    proposed: Change, ana: Actor, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    approve(proposed, ana, config, clock())
    proposals.cancel_change(proposed, by=ben, now=clock())
    assert run_change(proposed, fake, config) == "cancelled"
    assert not fake.changes.installs
    with pytest.raises(StaleState):
        proposals.cancel_change(proposed, by=ben, now=clock())


def test_what_nobody_decides_expires(
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
def test_a_plan_that_says_anything_else_is_not_the_approved_one(
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
def test_a_plan_may_be_valid_for_a_part_of_the_approved_time_only(
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


def test_the_audit_log_of_a_change_is_whole(
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


def test_asking_twice_for_the_dry_run_changes_nothing(
    proposed: Change, fake: FakeSite, config: Config, ready: Site
) -> None:
    digest = proposed.digest
    assert (
        dry_run.run_dry_run(proposed.id, config=config, call=fake.call, now=fake.clock) == PROPOSED
    )
    assert Change.get_by_id(proposed.id).digest == digest
    assert dry_run.run_dry_run(4711, config=config, call=fake.call, now=fake.clock) == "gone"


def test_ana_and_olga_are_two(
    four_eyes: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    olga = Actor.of(make_user("Olga", "owner"), "192.0.2.9")
    change = check(propose(four_eyes, ana, clock()), fake, config)
    approve(change, olga, config, clock())
    assert change.decided_by == "Olga"


def test_a_site_that_cannot_write_just_now_is_asked_again(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    fake.refusing["change.check"] = "nonce_store_unavailable"
    change = check(propose(ready, ana, clock()), fake, config)
    assert (change.state, change.error_code) == ("checking", "nonce_store_unavailable")
    fake.refusing.clear()
    clock.now = change.next_attempt_at
    assert check(change, fake, config).state == "proposed"
