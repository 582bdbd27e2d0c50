"""Stop all updates with one switch: nothing is approved, released, sent or sent again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import auto_update_rules, execution, stop_switch
from app.domain.connection import revocation
from app.domain.errors import (
    ChangesStopped,
    Forbidden,
    Invalid,
    ReauthenticationRequired,
    StaleState,
)
from app.domain.permissions import REAUTH_MAX_AGE
from app.models.audit import AuditEntry
from app.models.base import db
from app.models.change_stops import ChangeStop
from app.models.changes import APPROVED, EXPIRED, PROPOSED, RUNNING, SUCCEEDED, WAITING, Change
from app.models.sites import Site
from tests.support.audit_entries import events
from tests.support.factories import approve, check, propose, read_report, run_change
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.rules import terms, the_change

pytestmark = pytest.mark.both_databases


@pytest.fixture
def stop(ana: Actor, ben: Actor, clock: Clock) -> Callable[[], stop_switch.Affected]:
    def stop_all() -> stop_switch.Affected:
        return stop_switch.stop_changes(
            "the host was broken into", by=ben, confirmed_at=clock(), now=clock()
        )

    return stop_all


@pytest.fixture
def approved(proposed: Change, ana: Actor, config: Config, clock: Clock) -> Change:
    return approve(proposed, ana, config, clock())


def start(by: Actor, clock: Clock) -> stop_switch.Affected:
    return stop_switch.start_changes(by=by, confirmed_at=clock(), now=clock())


def test_a_stop_is_stored_with_its_reason_actor_and_time(stop, ben, clock, proposed):
    assert stop() == stop_switch.Affected(running=0, waiting=0)
    found = ChangeStop.current()
    assert (found.reason, found.stopped_by) == ("the host was broken into", "Ben")
    assert found.stopped_at == clock()
    assert AuditEntry.head().event == "updates_stopped"


def test_an_owner_resumes_updates_and_the_stop_stays_recorded(stop, ana, ben, clock):
    stop()
    with pytest.raises(Forbidden):
        start(ben, clock)
    clock.advance(minutes=5)
    start(ana, clock)
    assert ChangeStop.current() is None
    stored = ChangeStop.get()
    assert (stored.started_by, stored.started_at) == ("Ana", clock())
    assert AuditEntry.head().event == "updates_started"


def test_a_viewer_may_not_stop_updates(cleo, dora, clock):
    for person in (cleo, dora):
        with pytest.raises(Forbidden):
            stop_switch.stop_changes("why not", by=person, confirmed_at=clock(), now=clock())
    assert ChangeStop.current() is None


def test_stopping_and_resuming_need_a_recent_password(stop, ana, clock):
    earlier = clock() - REAUTH_MAX_AGE
    with pytest.raises(ReauthenticationRequired):
        stop_switch.stop_changes("why", by=ana, confirmed_at=earlier, now=clock())
    stop()
    with pytest.raises(ReauthenticationRequired):
        stop_switch.start_changes(by=ana, confirmed_at=earlier, now=clock())


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_stop_needs_a_reason(ana, clock, reason):
    with pytest.raises(Invalid):
        stop_switch.stop_changes(reason, by=ana, confirmed_at=clock(), now=clock())
    assert ChangeStop.current() is None


def test_stopping_twice_is_one_stop(stop, ana, clock):
    stop()
    with pytest.raises(StaleState):
        stop()
    assert ChangeStop.select().count() == 1
    start(ana, clock)
    with pytest.raises(StaleState):
        start(ana, clock)


# ---- the effects ----


def test_nothing_is_approved(stop, ana, proposed, config, clock):
    stop()
    with pytest.raises(ChangesStopped) as refused:
        approve(proposed, ana, config, clock())
    assert "broken into" not in refused.value.message  # a client user may read this
    assert Change.get_by_id(proposed.id).state == PROPOSED
    start(ana, clock)
    assert approve(proposed, ana, config, clock()).state == APPROVED


def test_an_approved_update_waits_and_goes_on_afterwards(
    stop, ana, approved, fake, config, clock, jobs
):
    stop()
    fake.calls.clear()
    assert run_change(approved, fake, config) == APPROVED
    assert fake.calls == []
    jobs.jobs.clear()
    clock.advance(minutes=5)
    assert execution.recover_changes(clock()) == 0
    assert jobs.jobs == []
    assert start(ana, clock).waiting == 1
    assert execution.recover_changes(clock()) == 1
    assert jobs.names() == ["run_change"]
    assert run_change(approved, fake, config) == SUCCEEDED


def test_an_approved_update_expires_when_its_time_passes_meanwhile(stop, approved, clock):
    stop()
    clock.advance(days=4)
    execution.recover_changes(clock())
    assert Change.get_by_id(approved.id).state == EXPIRED


def test_an_update_waiting_for_its_site_is_not_resent(stop, approved, fake, config, clock, jobs):
    Change.update(state=WAITING, outcome_reason="busy").execute()
    stop()
    fake.calls.clear()
    jobs.jobs.clear()
    clock.advance(minutes=30)
    assert execution.recover_changes(clock()) == 0
    assert run_change(approved, fake, config) == WAITING
    assert fake.calls == []


def test_an_update_stopped_between_claim_and_call_is_not_sent(
    stop, ana, approved, fake, config, clock, jobs, ready
):
    def look(url: str, **more: object) -> object:
        """Have Ben stop everything while Aura checks the site's home page."""
        assert Change.get_by_id(approved.id).state == RUNNING
        stop()
        return fake.look(url, **more)

    fake.calls.clear()
    state = execution.run_change(
        approved.id, config=config, call=fake.call, look=look, now=fake.clock
    )
    assert state == WAITING
    assert fake.calls == []
    change = Change.get_by_id(approved.id)
    assert (change.outcome_reason, change.sent_at, change.leased_until) == (
        "changes_stopped",
        None,
        None,
    )
    assert events(ready)[-1] == "change_postponed"
    start(ana, clock)
    jobs.jobs.clear()
    assert execution.recover_changes(clock()) == 1
    assert run_change(change, fake, config) == SUCCEEDED


def test_running_updates_are_counted_and_their_results_still_read(
    stop, approved, fake, config, clock
):
    fake.during = lambda op: counted.append(stop())
    counted: list[stop_switch.Affected] = []
    assert run_change(approved, fake, config) == SUCCEEDED
    assert counted == [stop_switch.Affected(running=1, waiting=0)]


def test_rules_propose_and_release_nothing(stop, ana, ready, fake, config, clock):
    auto_update_rules.create_rule(terms(clock), by=ana, confirmed_at=clock(), now=clock())
    stop()
    assert auto_update_rules.propose_due(clock()) == 0
    start(ana, clock)
    assert auto_update_rules.propose_due(clock()) == 1
    check(the_change(), fake, config)
    stop()
    assert auto_update_rules.approve_due(config, clock()) == 0
    start(ana, clock)
    assert auto_update_rules.approve_due(config, clock()) == 1


def test_syncs_pre_checks_and_revocations_continue(stop, ready, ben, fake, config, clock):
    stop()
    assert read_report(ready, fake, config=config).state == "done"
    assert check(propose(ready, ben, clock()), fake, config).state == PROPOSED
    revocation.revoke_access(ready, by=ben, now=clock())
    assert Site.get_by_id(ready.id).state == "revoking"


def test_the_stop_is_read_under_the_lock_of_the_claim(
    stop, approved: Change, fake: FakeSite, config: Config, clock: Clock, jobs: RecordingQueue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A claim reads the stop inside its transaction, which holds the single write lock."""
    in_transaction: list[bool] = []
    current = ChangeStop.current

    def record_transaction() -> ChangeStop | None:
        in_transaction.append(bool(db.in_transaction()))
        return current()

    monkeypatch.setattr(ChangeStop, "current", record_transaction)
    assert run_change(approved, fake, config) == SUCCEEDED
    assert in_transaction == [True, True]
