"""Run an approved change at most once, and record its true outcome."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import execution, proposals, settlement
from app.domain.connection import revocation
from app.http.errors import ErrorCode
from app.models.auto_update_rules import UpdateHold
from app.models.changes import (
    APPROVED,
    RUNNING,
    STATES,
    WAITING,
    Change,
)
from app.models.reports import Component, Sync
from app.models.sites import FORKED, Site
from app.protocol import b64u, canonical, from_b64u, parse_json
from tests.support.audit_entries import events
from tests.support.change_runs import Do, installs
from tests.support.factories import (
    AKISMET,
    approve,
    check,
    plugin,
    propose,
    read_report,
)
from tests.support.fakes import Clock, FakeSite, RecordingQueue

# ---- running a change ----


def test_a_change_succeeds_with_evidence_and_the_list_is_updated(
    approved: Change, fake: FakeSite, run: Do, ready: Site, jobs: RecordingQueue
) -> None:
    assert run(approved) == "succeeded"
    assert fake.changes.version_of(fake, "plugin", AKISMET) == "5.3.1"
    assert approved.evidence["after"] == {"version": "5.3.1", "active": True, "probe": "ok"}
    assert approved.evidence["package_sha256"] == "ab" * 32
    assert approved.probe_before["answer"] == approved.probe_after["answer"] == "ok"
    component = Component.get(Component.site == ready, Component.ident == AKISMET)
    assert (component.version, component.update_version) == ("5.3.1", None)
    assert events(ready)[-3:] == ["change_started", "site_called", "change_ended"]
    assert jobs.jobs == [("sync_site", (Sync.open_for(ready).id,), 0)]


def test_the_stored_plan_is_sent_unchanged(approved: Change, fake: FakeSite, run: Do) -> None:
    sent: list[Any] = []
    answer = fake.changes.answer
    fake.changes.answer = lambda site, document: sent.append(document) or answer(site, document)
    plan = approved.plan
    run(approved)
    assert [document["plan"] for document in sent] == [plan]


def test_a_job_delivered_twice_runs_once(approved: Change, fake: FakeSite, run: Do) -> None:
    assert (run(approved), run(approved)) == ("succeeded", "succeeded")
    assert installs(fake, approved) == 1
    assert [op for op, _, _ in fake.calls] == ["change.run"]


def test_a_job_delivered_again_meanwhile_does_nothing(
    approved: Change, fake: FakeSite, run: Do
) -> None:
    states: list[str] = []
    fake.during = lambda op: states.append(run(Change.get_by_id(approved.id)))
    assert run(approved) == "succeeded"
    assert states == [RUNNING]


@pytest.mark.parametrize("state", [one for one in STATES if one not in (APPROVED, WAITING)])
def test_a_job_for_an_unapproved_change_does_nothing(
    ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock, run: Do, state: str
) -> None:
    change = check(propose(ready, ben, clock()), fake, config)
    Change.update(state=state).execute()
    fake.calls.clear()
    assert run(change) == state
    assert fake.calls == []


def test_a_row_forged_to_look_approved_is_not_sent(
    ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock, run: Do
) -> None:
    change = check(propose(ready, ben, clock()), fake, config)
    plan = canonical({**parse_json(change.document.encode()), "approval": {"by": "Mallory"}})
    forged = {"plan": b64u(plan), "signature": b64u(bytes(64)), "next_attempt_at": clock()}
    Change.update(state=APPROVED, **forged).execute()
    fake.calls.clear()
    assert run(change) == "cancelled"
    assert change.outcome_reason == "not_what_was_approved"
    assert fake.calls == []


@pytest.mark.parametrize("column", ["plan", "signature", "digest"])
def test_an_approved_row_that_was_changed_is_not_sent(
    approved: Change, fake: FakeSite, run: Do, column: str
) -> None:
    raw = getattr(approved, column)
    if column == "plan":
        altered = parse_json(from_b64u(raw))
        altered["item"]["to"] = "6.6.6"
        raw = b64u(canonical(altered))
    else:
        raw = raw[:-2] + ("AA" if raw[-2:] != "AA" else "BB")
    Change.update(**{column: raw}).execute()
    assert run(approved) == "cancelled"
    assert fake.calls == []


def test_a_job_for_a_deleted_row_ends_quietly(config: Config, database: Config) -> None:
    assert execution.run_change(4711, config=config) == "gone"
    assert settlement.settle_change(4711, config=config) == "gone"


def test_an_update_ignored_during_the_site_check_is_not_sent(
    approved: Change, fake: FakeSite, run: Do, config: Config, ready: Site, clock: Clock
) -> None:
    def hold_meanwhile(*args: Any, **more: Any) -> Any:
        about = {"reason": "breaks the shop", "created_by": "Ana", "created_at": clock()}
        UpdateHold.put(ready, "plugin", AKISMET, **about)
        return fake.look(*args, **more)

    state = execution.run_change(
        approved.id, config=config, call=fake.call, look=hold_meanwhile, now=clock
    )
    assert (state, fake.calls) == (WAITING, [])
    assert (run(approved), approved.outcome_reason) == ("cancelled", "held")


def test_a_site_found_to_be_a_copy_meanwhile_gets_nothing(
    approved: Change, fake: FakeSite, config: Config, clock: Clock
) -> None:
    def copied_meanwhile(*args: Any, **more: Any) -> Any:
        Site.update(quarantine=FORKED).execute()
        return fake.look(*args, **more)

    state = execution.run_change(
        approved.id, config=config, call=fake.call, look=copied_meanwhile, now=clock
    )
    assert (state, fake.calls) == (WAITING, [])


# ---- approval on the site ----


def test_a_site_that_waits_for_its_administrator_is_sent_the_same_again(
    approved: Change, fake: FakeSite, run: Do, jobs: RecordingQueue
) -> None:
    fake.report["agent"]["approval_on_site"] = True
    assert run(approved) == WAITING
    assert run(approved) == WAITING
    assert [op for op, _, _ in fake.calls] == ["change.run"]
    fake.clock.advance(minutes=3)
    assert execution.recover_changes(fake.clock()) == 1
    assert jobs.jobs == [("run_change", (approved.id,), 0)]
    fake.changes.approved_here.add(approved.op_id)
    assert run(approved) == "succeeded"
    assert installs(fake, approved) == 1


def test_a_wait_without_an_answer_expires(approved: Change, fake: FakeSite, run: Do) -> None:
    fake.report["agent"]["approval_on_site"] = True
    run(approved)
    fake.clock.advance(days=4)
    execution.recover_changes(fake.clock())
    assert Change.get_by_id(approved.id).state == "expired"
    assert run(approved) == "expired"


def test_a_busy_site_is_not_a_refusal(approved: Change, fake: FakeSite, run: Do) -> None:
    fake.changes._unmet = lambda *_: ["busy"]
    assert run(approved) == WAITING
    del fake.changes._unmet
    fake.clock.advance(minutes=3)
    assert run(approved) == "succeeded"


# ---- changes since the approval ----


@pytest.mark.parametrize("what", ["keys", "quarantine", "version", "ended"])
def test_a_change_of_the_site_since_the_approval_cancels_the_update(
    approved: Change, fake: FakeSite, run: Do, ready: Site, ana: Actor, what: str
) -> None:
    if what == "keys":
        Site.update(kid=f"{ready.key_id}9").execute()
    elif what == "quarantine":
        ready.note(when=(ready.state,), quarantine=FORKED)
    elif what == "version":
        Component.update(version="5.2").execute()
    else:
        revocation.revoke_access(ready, by=ana, now=fake.clock())
    assert run(approved) == "cancelled"
    assert approved.outcome_reason == "went_stale"
    assert installs(fake, approved) == 0


def test_a_connection_that_ends_after_the_claim_stops_the_update_too(
    approved: Change, fake: FakeSite, run: Do, ready: Site, ana: Actor, config: Config
) -> None:
    def look(url: str, **more: object) -> Any:
        if Site.get_by_id(ready.id).is_paired:
            revocation.revoke_access(ready, by=ana, now=fake.clock())
        return FakeSite.look(fake, url, **more)

    state = execution.run_change(
        approved.id, config=config, call=fake.call, look=look, now=fake.clock
    )
    assert (state, fake.calls) == ("refused", [])


def test_a_change_waits_for_its_time(
    ready: Site, ben: Actor, ana: Actor, fake: FakeSite, config: Config, clock: Clock, run: Do,
    jobs: RecordingQueue,
) -> None:  # fmt: skip
    window = proposals.Window(clock() + timedelta(hours=8), clock() + timedelta(hours=10))
    change = check(propose(ready, ben, clock(), window=window), fake, config)
    approve(change, ana, config, clock())
    jobs.jobs.clear()
    assert run(change) == APPROVED
    clock.advance(hours=7)
    assert execution.recover_changes(clock()) == 0
    read_report(ready, fake, config=config)
    jobs.jobs.clear()
    clock.advance(hours=1, minutes=2)
    assert execution.recover_changes(clock()) == 1
    assert run(change) == "succeeded"


def test_a_site_at_another_address_is_quarantined(
    approved: Change, fake: FakeSite, run: Do, ready: Site
) -> None:
    fake.refusing["change.run"] = "identity_changed"
    assert run(approved) == "refused"
    assert Site.get_by_id(ready.id).quarantine == "moved"


# ---- one change at a time ----


@pytest.fixture
def two_changes(
    ready: Site, ben: Actor, ana: Actor, fake: FakeSite, config: Config, clock: Clock,
    jobs: RecordingQueue,
) -> list[Change]:  # fmt: skip
    """Two approved changes of one site."""
    fake.report["plugins"].append(plugin("shop/shop.php", name="Shop", version="1.0"))
    update = {**fake.report["updates"]["plugins"][0], "id": "shop/shop.php", "version": "2.0"}
    fake.report["updates"]["plugins"].append(update)
    read_report(ready, fake, config=config)
    changes = [
        check(propose(ready, ben, clock()), fake, config),
        check(propose(ready, ben, clock(), "shop/shop.php", "2.0"), fake, config),
    ]
    for change in changes:
        approve(change, ana, config, clock())
    jobs.jobs.clear()
    return changes


def test_a_site_runs_one_change_at_a_time(
    two_changes: list[Change], fake: FakeSite, run: Do, jobs: RecordingQueue
) -> None:
    states: list[str] = []
    fake.during = lambda op: states.append(run(Change.get_by_id(two_changes[1].id)))
    assert run(two_changes[0]) == "succeeded"
    assert states == [APPROVED]
    fake.during = None
    assert ("run_change", (two_changes[1].id,), 0) in jobs.jobs
    assert run(two_changes[1]) == "succeeded"
    assert fake.changes.order == [AKISMET, "shop/shop.php"]


@pytest.mark.parametrize("trouble", ["unknown", "failed"])
def test_after_a_failure_no_change_runs_until_a_person_has_checked(
    two_changes: list[Change], fake: FakeSite, run: Do, ana: Actor, trouble: str
) -> None:
    if trouble == "unknown":
        fake.failing = [ErrorCode.too_slow]
    else:
        fake.changes.plays[AKISMET] = ("failed", "version_wrong_after")
    assert run(two_changes[0]) == trouble
    assert run(two_changes[1]) == APPROVED
    if trouble == "unknown":
        Change.update(is_incident=True).where(Change.id == two_changes[0].id).execute()
        two_changes[0].refresh()
    proposals.close_incident(two_changes[0], by=ana, note="looked", now=fake.clock())
    assert run(two_changes[1]) == "succeeded"
