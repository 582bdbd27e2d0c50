"""Find the true outcome of a change whose reply is lost or whose worker dies."""

from __future__ import annotations

from typing import Any

import pytest

from app.config import Config
from app.domain import audit
from app.domain.actor import Actor
from app.domain.changes import approvals, execution, proposals, settlement
from app.domain.changes.change_times import Start
from app.http.errors import ErrorCode
from app.models.base import transaction
from app.models.changes import (
    APPROVED,
    CHECKING,
    ENDED,
    PROPOSED,
    UNKNOWN,
    Change,
)
from app.models.sites import Site
from tests.support.audit_entries import events
from tests.support.change_runs import Do, installs
from tests.support.factories import (
    AKISMET,
    approve,
    check,
    propose,
)
from tests.support.fakes import Clock, FakeSite, RecordingQueue


class Killed(BaseException):
    """Raised at the moment when the worker's process dies."""


# ---- the reply is lost ----


def test_a_lost_reply_is_unknown_and_settled_later(
    approved: Change, fake: FakeSite, run: Do, settle: Do, jobs: RecordingQueue, ready: Site
) -> None:
    fake.losing.add("change.run")
    assert run(approved) == UNKNOWN
    assert jobs.jobs == [("settle_change", (approved.id,), 30)]
    fake.clock.advance(seconds=40)
    assert settle(approved) == "succeeded"
    assert installs(fake, approved) == 1
    assert approved.evidence["after"]["version"] == "5.3.1"
    assert [e for e in events(ready) if e.startswith("change_")][-2:] == [
        "change_outcome_unknown",
        "change_ended",
    ]


@pytest.mark.parametrize(
    "error_code", [ErrorCode.too_slow, ErrorCode.web_page, ErrorCode.bad_reply_signature]
)
def test_an_answer_without_a_valid_signature_is_unknown(
    approved: Change, fake: FakeSite, run: Do, error_code: ErrorCode
) -> None:
    fake.failing = [error_code]
    assert run(approved) == UNKNOWN
    assert approved.error_code == error_code


@pytest.mark.parametrize(
    "error_code", [ErrorCode.dns, ErrorCode.connection_refused, ErrorCode.tls_expired]
)
def test_without_a_connection_the_update_failed_and_never_arrived(
    approved: Change, fake: FakeSite, run: Do, error_code: ErrorCode
) -> None:
    fake.failing = [error_code]
    assert run(approved) == "failed"
    assert (approved.outcome_reason, approved.is_incident) == ("never_arrived", False)
    assert approved.probe_after == {}


def test_a_site_s_denial_counts_only_once_the_request_has_expired(
    approved: Change, fake: FakeSite, run: Do, settle: Do
) -> None:
    fake.failing = [ErrorCode.too_slow]
    run(approved)
    fake.clock.advance(seconds=60)
    assert settle(approved) == UNKNOWN
    fake.clock.advance(seconds=420)
    assert settle(approved) == "failed"
    assert approved.outcome_reason == "never_arrived"


def test_a_site_that_still_works_is_asked_until_it_has_finished(
    approved: Change, fake: FakeSite, run: Do, settle: Do
) -> None:
    fake.changes.killed.add(approved.op_id)
    assert run(approved) == UNKNOWN
    fake.clock.advance(minutes=1)
    assert settle(approved) == UNKNOWN
    fake.changes.reconcile(approved.op_id)
    fake.clock.advance(minutes=5)
    assert settle(approved) == "rolled_back"
    assert approved.outcome_reason == "interrupted"


def test_a_success_that_is_still_watched_is_not_final(
    approved: Change, fake: FakeSite, run: Do, settle: Do
) -> None:
    fake.changes.watched_until = int(fake.clock().timestamp()) + 600
    assert run(approved) == UNKNOWN
    assert approved.outcome_reason == "still_watched"
    fake.clock.advance(minutes=11)
    assert settle(approved) == "succeeded"


@pytest.mark.parametrize("ahead_s", [-50, 50])
def test_the_watch_after_a_success_uses_the_site_s_clock(
    approved: Change, fake: FakeSite, run: Do, settle: Do, ahead_s: int
) -> None:
    fake.clock_ahead_s = ahead_s
    fake.changes.watched_until = int(fake.clock().timestamp()) + ahead_s + 600
    assert run(approved) == UNKNOWN
    fake.clock.advance(seconds=570)
    assert settle(approved) == UNKNOWN
    fake.clock.advance(minutes=6)
    assert settle(approved) == "succeeded"


def test_a_site_that_is_silent_for_an_hour_needs_checking(
    approved: Change, fake: FakeSite, run: Do, settle: Do, ready: Site, ana: Actor
) -> None:
    fake.failing = [ErrorCode.too_slow]
    run(approved)
    fake.clock.advance(minutes=61)
    fake.failing = [ErrorCode.too_slow]
    assert settle(approved) == UNKNOWN
    assert approved.is_incident
    proposals.close_incident(approved, by=ana, note="the new version is there", now=fake.clock())
    assert (approved.state, approved.next_attempt_at) == (UNKNOWN, None)
    fake.clock.advance(days=1)
    assert settle(approved) == UNKNOWN
    assert not Change.select().where(Change.is_incident).exists()


def test_a_check_by_a_person_is_not_overridden_by_a_later_reply(
    approved: Change, fake: FakeSite, run: Do, settle: Do, ana: Actor
) -> None:
    fake.failing = [ErrorCode.too_slow]
    run(approved)
    fake.clock.advance(minutes=61)
    fake.failing = [ErrorCode.too_slow]
    settle(approved)

    def check_meanwhile(op: str) -> None:
        fake.failing = [ErrorCode.too_slow]
        proposals.close_incident(approved, by=ana, note="looked", now=fake.clock())

    fake.during = check_meanwhile
    fake.clock.advance(minutes=20)
    assert settle(approved) == UNKNOWN
    assert (approved.next_attempt_at, approved.is_incident) == (None, False)


def test_settling_ends_after_a_week(approved: Change, fake: FakeSite, run: Do, settle: Do) -> None:
    fake.failing = [ErrorCode.too_slow]
    run(approved)
    fake.clock.advance(days=7)
    fake.failing = [ErrorCode.too_slow]
    assert settle(approved) == UNKNOWN
    assert (approved.next_attempt_at, approved.is_incident) == (None, True)


# ---- the worker dies ----

# Moments of a run at which the worker dies; everything before that moment is stored.
MOMENTS = {
    "before the claim": (Change, "claim"),
    "after the claim": (audit, "record"),
    "while looking": ("look", 0),
    "before sending": ("call", 0),
    "before looking again": ("look", 1),
    "before writing down": (settlement, "end_change"),
}


@pytest.mark.parametrize("moment", list(MOMENTS))
def test_a_worker_killed_at_any_moment_leaves_the_true_outcome(
    approved: Change, fake: FakeSite, config: Config, settle: Do, run: Do, ready: Site,
    monkeypatch: pytest.MonkeyPatch, moment: str,
) -> None:  # fmt: skip
    place, which = MOMENTS[moment]
    looks = 0

    def die(*_: object, **__: object) -> Any:
        raise Killed

    def look(url: str, **more: object) -> Any:
        nonlocal looks
        looks += 1
        if place == "look" and looks == which + 1:
            raise Killed
        return fake.look(url, **more)

    if place == "call":
        fake.during = die
    elif not isinstance(place, str):
        monkeypatch.setattr(place, which, die)
    with pytest.raises(Killed):
        execution.run_change(approved.id, config=config, call=fake.call, look=look, now=fake.clock)
    monkeypatch.undo()
    fake.during = None
    for _ in range(12):
        fake.clock.advance(minutes=5)
        execution.recover_changes(fake.clock())
        approved.refresh()
        state = run(approved) if approved.state == APPROVED else settle(approved)
        if state in ENDED:
            break
    assert installs(fake, approved) <= 1
    expected = "succeeded" if installs(fake, approved) else "failed"
    assert approved.state == expected
    assert approved.outcome_reason == ("" if installs(fake, approved) else "never_arrived")
    assert audit.verify_chain().is_whole
    assert events(ready).count("change_ended") == 1


def test_a_worker_that_continues_too_late_does_not_send(
    approved: Change, fake: FakeSite, config: Config
) -> None:
    def slow_look(url: str, **more: object) -> Any:
        fake.clock.advance(minutes=5)
        execution.recover_changes(fake.clock())
        return fake.look(url, **more)

    state = execution.run_change(
        approved.id, config=config, call=fake.call, look=slow_look, now=fake.clock
    )
    assert (state, fake.calls) == (UNKNOWN, [])


def test_a_worker_delayed_before_its_request_sends_nothing_valid(
    approved: Change, fake: FakeSite, run: Do, settle: Do, ready: Site
) -> None:
    """The worker pauses for over seven minutes just after it recorded that it would send the
    request. Meanwhile another worker finds that the site has no such change, and records that.
    """
    outcomes: list[str] = []

    def pause_worker(op: str) -> None:
        fake.during = None
        fake.clock.advance(minutes=5)
        execution.recover_changes(fake.clock())
        fake.clock.advance(minutes=3)
        outcomes.append(settle(Change.get_by_id(approved.id)))

    fake.during = pause_worker
    assert run(approved) == "failed"
    assert outcomes == ["failed"]
    assert approved.outcome_reason == "never_arrived"
    assert [op for op, _, _ in fake.calls] == ["change.run", "change.status"]
    assert installs(fake, approved) == 0
    assert fake.changes.version_of(fake, "plugin", AKISMET) == "5.3"
    assert events(ready).count("change_ended") == 1


def test_a_request_delayed_in_aura_never_arrived(approved: Change, fake: FakeSite, run: Do) -> None:
    fake.failing = [ErrorCode.held_up]
    assert run(approved) == "failed"
    assert (approved.outcome_reason, approved.is_incident) == ("never_arrived", False)


def test_a_site_whose_clock_is_slow_may_receive_the_request_for_longer(
    approved: Change, fake: FakeSite, run: Do, settle: Do
) -> None:
    fake.clock_ahead_s = -400
    fake.failing = [ErrorCode.too_slow]
    run(approved)
    fake.clock.advance(seconds=480)
    assert settle(approved) == UNKNOWN
    fake.clock.advance(seconds=400)
    assert settle(approved) == "failed"


def test_the_periodic_job_queues_lost_jobs_again(
    ready: Site, ben: Actor, ana: Actor, fake: FakeSite, config: Config, clock: Clock,
    jobs: RecordingQueue,
) -> None:  # fmt: skip
    change = propose(ready, ben, clock())
    jobs.jobs.clear()
    assert execution.recover_changes(clock()) == 0
    clock.advance(minutes=2)
    assert execution.recover_changes(clock()) == 1
    assert jobs.names() == ["check_change"]
    check(change, fake, config)
    assert execution.recover_changes(clock.advance(minutes=2)) == 0
    approve(change, ana, config, clock())
    jobs.jobs.clear()
    assert execution.recover_changes(clock.advance(minutes=2)) == 1
    assert jobs.names() == ["run_change"]


def test_nothing_is_signed_before_the_approval(
    ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    change = propose(ready, ben, clock())
    assert (change.state, change.signature, change.plan) == (CHECKING, "", "")
    check(change, fake, config)
    assert (change.state, change.signature, change.plan) == (PROPOSED, "", "")
    with transaction():
        assert not approvals.sign_and_queue(
            Change(document=""), None, by=ben, approval_kind="", approver="", seen="",
            may_be_proposer=True, start=Start(clock()), now=clock(),
        )  # fmt: skip
