"""The worker carries out what was approved: at most once, and what it says of it is true."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.config import Config
from app.domain import audit
from app.domain.actor import Actor
from app.domain.audit.documents import entry_document
from app.domain.changes import approvals, execution, proposals, settlement
from app.domain.connection import revocation
from app.http.errors import ErrorCode
from app.models.audit import AuditEntry
from app.models.base import transaction
from app.models.changes import (
    APPROVED,
    CHECKING,
    ENDED,
    PROPOSED,
    RUNNING,
    STATES,
    UNKNOWN,
    WAITING,
    Change,
)
from app.models.reports import Component, Sync
from app.models.sites import FORKED, Site
from app.protocol import b64u, canonical, from_b64u, parse_json
from tests.support.factories import (
    AKISMET,
    approve,
    check,
    plugin,
    propose,
    read_report,
    run_change,
)
from tests.support.fakes import Clock, FakeSite, RecordingQueue

BROKEN = (500, b"<p>There has been a critical error on this website.</p>")


class Killed(BaseException):
    """The worker's process is gone."""


@pytest.fixture
def approved(
    ready: Site,
    ben: Actor,
    ana: Actor,
    fake: FakeSite,
    config: Config,
    clock: Clock,
    jobs: RecordingQueue,
) -> Change:
    """Proposed by Ben, approved by Ana, queued."""
    change = check(propose(ready, ben, clock()), fake, config)
    approve(change, ana, config, clock())
    jobs.jobs.clear()
    fake.calls.clear()
    return change


@pytest.fixture
def run(fake: FakeSite, config: Config) -> Callable[[Change], str]:
    return lambda change: run_change(change, fake, config)


@pytest.fixture
def settle(fake: FakeSite, config: Config) -> Callable[[Change], str]:
    def once(change: Change) -> str:
        state = settlement.settle_change(
            change.id, config=config, call=fake.call, look=fake.look, now=fake.clock
        )
        change.refresh()
        return state

    return once


Do = Callable[[Change], str]


def events(site: Site) -> list[str]:
    return [e.event for e in reversed(AuditEntry.newest(site_id=site.id, limit=100))]


def installs(fake: FakeSite, change: Change) -> int:
    return fake.changes.installs[change.op_id]


# ---- it works ----


def test_a_change_succeeds_with_evidence_and_the_list_follows(
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


def test_what_is_sent_is_what_was_stored(approved: Change, fake: FakeSite, run: Do) -> None:
    sent: list[Any] = []
    answer = fake.changes.answer
    fake.changes.answer = lambda site, document: sent.append(document) or answer(site, document)
    plan = approved.plan
    run(approved)
    assert [one["plan"] for one in sent] == [plan]


def test_delivered_twice_it_is_done_once(approved: Change, fake: FakeSite, run: Do) -> None:
    assert (run(approved), run(approved)) == ("succeeded", "succeeded")
    assert installs(fake, approved) == 1
    assert [op for op, _, _ in fake.calls] == ["change.run"]


def test_delivered_again_while_it_runs_it_is_left_alone(
    approved: Change, fake: FakeSite, run: Do
) -> None:
    seen: list[str] = []
    fake.during = lambda op: seen.append(run(Change.get_by_id(approved.id)))
    assert run(approved) == "succeeded"
    assert seen == [RUNNING]


@pytest.mark.parametrize("state", [one for one in STATES if one not in (APPROVED, WAITING)])
def test_a_job_for_what_nobody_approved_does_nothing(
    ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock, run: Do, state: str
) -> None:
    change = check(propose(ready, ben, clock()), fake, config)
    Change.update(state=state).execute()
    fake.calls.clear()
    assert run(change) == state
    assert fake.calls == []


def test_a_row_that_was_made_to_look_approved_is_not_sent(
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


def test_a_job_for_something_that_is_gone_ends_quietly(config: Config, database: Config) -> None:
    assert execution.run_change(4711, config=config) == "gone"
    assert settlement.settle_change(4711, config=config) == "gone"


# ---- truthful outcomes ----


@pytest.mark.parametrize(
    ("plays", "state", "is_incident"),
    [
        (("rolled_back", "fatal_after"), "rolled_back", False),
        (("failed", "version_wrong_after"), "failed", True),
        (("failed", ""), UNKNOWN, False),
        (("rolled_back", ""), UNKNOWN, False),
        (("splendid", ""), UNKNOWN, False),
    ],
)
def test_what_the_site_proves_is_what_is_said(
    approved: Change, fake: FakeSite, run: Do, plays: Any, state: str, is_incident: bool
) -> None:
    fake.changes.plays[AKISMET] = plays
    assert run(approved) == state
    assert approved.is_incident is is_incident


@pytest.mark.parametrize(
    "spoil",
    [
        lambda e: e["after"].update(version="5.3"),
        lambda e: e["after"].update(active=False),
        lambda e: e["after"].update(probe="fatal"),
        lambda e: e.pop("after"),
        lambda e: e.update(after=["5.3.1"]),
    ],
)
def test_a_success_without_its_evidence_is_unknown(
    approved: Change, fake: FakeSite, run: Do, spoil: Any
) -> None:
    install = fake.changes._install

    def lying(*args: Any) -> dict[str, Any]:
        told = install(*args)
        spoil(told["evidence"])
        return told

    fake.changes._install = lying
    assert run(approved) == UNKNOWN
    assert approved.outcome_reason == "no_evidence"


def telling(fake: FakeSite, change: Callable[[dict[str, Any]], object]) -> None:
    """From now on the site's evidence differs so."""
    install = fake.changes._install

    def changed(*args: Any) -> dict[str, Any]:
        told = install(*args)
        change(told["evidence"])
        return told

    fake.changes._install = changed


@pytest.mark.parametrize("before", ["ok", "fatal", "could_not_tell"])
def test_a_fatal_page_after_the_update_is_no_success_whatever_it_was_before(
    approved: Change, fake: FakeSite, run: Do, before: str
) -> None:
    telling(fake, lambda e: (e["before"].update(probe=before), e["after"].update(probe="fatal")))
    assert run(approved) == UNKNOWN
    assert approved.outcome_reason == "no_evidence"


@pytest.mark.parametrize(
    ("stale", "page", "reason"),
    [
        (False, (200, b"<p>Welcome</p>"), ""),
        (True, (200, b"<p>Welcome</p>"), "unproven"),
        (False, (503, b"Back soon"), "unproven"),
    ],
)
def test_a_version_that_nobody_saw_at_work_is_said_to_be_unproven(
    approved: Change, fake: FakeSite, run: Do, stale: bool, page: tuple[int, bytes], reason: str
) -> None:
    telling(fake, lambda e: (e["after"].update(probe="could_not_tell"), e.update(stale_code=stale)))
    fake.front_page = page
    assert run(approved) == "succeeded"
    assert approved.outcome_reason == reason


def test_what_was_seen_with_the_new_version_is_kept_beside_a_rollback(
    approved: Change, fake: FakeSite, run: Do, ready: Site
) -> None:
    error = "Uncaught Error: Call to undefined function f() in plugin.php:3"
    during = {"version": "5.3.1", "active": True, "probe": "fatal", "error": error + "\u202e"}
    fake.changes.plays[AKISMET] = ("rolled_back", "fatal_after")
    telling(fake, lambda e: e.update(during={**during, "more": 1}))
    assert run(approved) == "rolled_back"
    assert approved.evidence["during"] == {**during, "error": error}
    entry = next(
        e for e in AuditEntry.newest(site_id=ready.id, limit=9) if e.event == "change_ended"
    )
    told = entry_document(entry)["facts"]["evidence"]
    assert told["during_probe"] == "fatal"
    assert "during_error" not in told


def test_a_refusal_says_what_did_not_hold(approved: Change, fake: FakeSite, run: Do) -> None:
    fake.report["php"]["version"] = "8.3.0"
    assert run(approved) == "refused"
    assert approved.outcome_reason == "environment_changed"
    assert installs(fake, approved) == 0


def test_an_owner_who_took_the_permission_back_is_obeyed(
    approved: Change, fake: FakeSite, run: Do
) -> None:
    fake.report["agent"]["permissions"]["plugins"] = False
    assert run(approved) == "refused"
    assert approved.outcome_reason == "permission_off"


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("not_permitted", "refused"),
        ("unknown_operation", "refused"),
        ("nonce_store_unavailable", "refused"),
        ("internal_error", UNKNOWN),
        ("output_started", UNKNOWN),
        ("something_new", UNKNOWN),
    ],
)
def test_only_a_refusal_before_anything_was_done_is_one(
    approved: Change, fake: FakeSite, run: Do, code: str, state: str
) -> None:
    fake.refusing["change.run"] = code
    assert run(approved) == state


def test_a_success_that_broke_the_website_outside_is_a_failure(
    approved: Change, fake: FakeSite, run: Do
) -> None:
    fake.during = lambda op: setattr(fake, "front_page", BROKEN)
    assert run(approved) == "failed"
    assert (approved.outcome_reason, approved.is_incident) == ("broke_outside", True)
    assert approved.probe_before["answer"] == "ok"
    assert approved.probe_after["answer"] == "fatal"


def test_a_website_that_was_broken_before_is_not_the_changes_error(
    approved: Change, fake: FakeSite, run: Do
) -> None:
    fake.front_page = BROKEN
    assert run(approved) == "succeeded"


# ---- the reply is lost ----


def test_a_lost_reply_is_unknown_and_settles_itself(
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
def test_whatever_is_no_signed_answer_is_unknown(
    approved: Change, fake: FakeSite, run: Do, error_code: ErrorCode
) -> None:
    fake.failing = [error_code]
    assert run(approved) == UNKNOWN
    assert approved.error_code == error_code


@pytest.mark.parametrize(
    "error_code", [ErrorCode.dns, ErrorCode.connection_refused, ErrorCode.tls_expired]
)
def test_without_a_connection_nothing_was_done_and_that_is_said(
    approved: Change, fake: FakeSite, run: Do, error_code: ErrorCode
) -> None:
    fake.failing = [error_code]
    assert run(approved) == "failed"
    assert (approved.outcome_reason, approved.is_incident) == ("never_arrived", False)
    assert approved.probe_after == {}


def test_a_site_that_never_heard_of_it_is_believed_once_the_order_is_dead(
    approved: Change, fake: FakeSite, run: Do, settle: Do
) -> None:
    fake.failing = [ErrorCode.too_slow]
    run(approved)
    fake.clock.advance(seconds=60)
    assert settle(approved) == UNKNOWN
    fake.clock.advance(seconds=420)
    assert settle(approved) == "failed"
    assert approved.outcome_reason == "never_arrived"


def test_a_site_still_at_work_is_asked_until_it_is_done(
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


def test_a_site_that_tells_nothing_for_an_hour_is_something_to_look_at(
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


def test_somebody_who_looked_while_the_site_was_asked_is_not_overruled(
    approved: Change, fake: FakeSite, run: Do, settle: Do, ana: Actor
) -> None:
    fake.failing = [ErrorCode.too_slow]
    run(approved)
    fake.clock.advance(minutes=61)
    fake.failing = [ErrorCode.too_slow]
    settle(approved)

    def look_after(op: str) -> None:
        fake.failing = [ErrorCode.too_slow]
        proposals.close_incident(approved, by=ana, note="looked", now=fake.clock())

    fake.during = look_after
    fake.clock.advance(minutes=20)
    assert settle(approved) == UNKNOWN
    assert (approved.next_attempt_at, approved.is_incident) == (None, False)


def test_asking_ends_after_a_week(approved: Change, fake: FakeSite, run: Do, settle: Do) -> None:
    fake.failing = [ErrorCode.too_slow]
    run(approved)
    fake.clock.advance(days=7)
    fake.failing = [ErrorCode.too_slow]
    assert settle(approved) == UNKNOWN
    assert (approved.next_attempt_at, approved.is_incident) == (None, True)


# ---- the site asks its own administrator ----


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


# ---- not what it was any more ----


@pytest.mark.parametrize("what", ["keys", "quarantine", "version", "ended"])
def test_what_changed_since_the_approval_calls_it_off(
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


def test_a_connection_that_ends_after_the_claim_stops_it_as_well(
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


def test_it_waits_for_its_time(
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


def test_a_site_that_lives_elsewhere_by_now_is_put_into_quarantine(
    approved: Change, fake: FakeSite, run: Do, ready: Site
) -> None:
    fake.refusing["change.run"] = "identity_changed"
    assert run(approved) == "refused"
    assert Site.get_by_id(ready.id).quarantine == "moved"


# ---- one after the other ----


@pytest.fixture
def two(
    ready: Site, ben: Actor, ana: Actor, fake: FakeSite, config: Config, clock: Clock,
    jobs: RecordingQueue,
) -> list[Change]:  # fmt: skip
    """Two approved changes of one site."""
    fake.report["plugins"].append(plugin("shop/shop.php", name="Shop", version="1.0"))
    update = {**fake.report["updates"]["plugins"][0], "id": "shop/shop.php", "version": "2.0"}
    fake.report["updates"]["plugins"].append(update)
    read_report(ready, fake, config=config)
    made = [
        check(propose(ready, ben, clock()), fake, config),
        check(propose(ready, ben, clock(), "shop/shop.php", "2.0"), fake, config),
    ]
    for change in made:
        approve(change, ana, config, clock())
    jobs.jobs.clear()
    return made


def test_a_site_does_one_thing_at_a_time(
    two: list[Change], fake: FakeSite, run: Do, jobs: RecordingQueue
) -> None:
    seen: list[str] = []
    fake.during = lambda op: seen.append(run(Change.get_by_id(two[1].id)))
    assert run(two[0]) == "succeeded"
    assert seen == [APPROVED]
    fake.during = None
    assert ("run_change", (two[1].id,), 0) in jobs.jobs
    assert run(two[1]) == "succeeded"
    assert fake.changes.order == [AKISMET, "shop/shop.php"]


@pytest.mark.parametrize("trouble", ["unknown", "failed"])
def test_after_trouble_nothing_else_is_done_until_somebody_looked(
    two: list[Change], fake: FakeSite, run: Do, ana: Actor, trouble: str
) -> None:
    if trouble == "unknown":
        fake.failing = [ErrorCode.too_slow]
    else:
        fake.changes.plays[AKISMET] = ("failed", "version_wrong_after")
    assert run(two[0]) == trouble
    assert run(two[1]) == APPROVED
    if trouble == "unknown":
        Change.update(is_incident=True).where(Change.id == two[0].id).execute()
        two[0].refresh()
    proposals.close_incident(two[0], by=ana, note="looked", now=fake.clock())
    assert run(two[1]) == "succeeded"


# ---- the worker dies ----

# Each is a moment in a run: the worker is gone there, and all before it is written down.
MOMENTS = {
    "before the claim": (Change, "claim"),
    "after the claim": (audit, "record"),
    "while looking": ("look", 0),
    "before sending": ("call", 0),
    "before looking again": ("look", 1),
    "before writing down": (settlement, "end_change"),
}


@pytest.mark.parametrize("moment", list(MOMENTS))
def test_a_worker_killed_at_any_line_leaves_a_true_end(
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


def test_a_worker_that_comes_back_late_does_not_send(
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


def test_a_worker_that_stands_still_before_its_socket_sends_nothing_that_still_counts(
    approved: Change, fake: FakeSite, run: Do, settle: Do, ready: Site
) -> None:
    """For over seven minutes, exactly after it wrote down that it would send: meanwhile others
    have found out that the site never heard of it, and said so."""
    said: list[str] = []

    def stand_still(op: str) -> None:
        fake.during = None
        fake.clock.advance(minutes=5)
        execution.recover_changes(fake.clock())
        fake.clock.advance(minutes=3)
        said.append(settle(Change.get_by_id(approved.id)))

    fake.during = stand_still
    assert run(approved) == "failed"
    assert said == ["failed"]
    assert approved.outcome_reason == "never_arrived"
    assert [op for op, _, _ in fake.calls] == ["change.run", "change.status"]
    assert installs(fake, approved) == 0
    assert fake.changes.version_of(fake, "plugin", AKISMET) == "5.3"
    assert events(ready).count("change_ended") == 1


def test_a_call_that_was_held_up_here_never_arrived(
    approved: Change, fake: FakeSite, run: Do
) -> None:
    fake.failing = [ErrorCode.held_up]
    assert run(approved) == "failed"
    assert (approved.outcome_reason, approved.is_incident) == ("never_arrived", False)


def test_a_site_whose_clock_is_slow_may_hear_of_it_for_longer(
    approved: Change, fake: FakeSite, run: Do, settle: Do
) -> None:
    fake.clock_ahead_s = -400
    fake.failing = [ErrorCode.too_slow]
    run(approved)
    fake.clock.advance(seconds=480)
    assert settle(approved) == UNKNOWN
    fake.clock.advance(seconds=400)
    assert settle(approved) == "failed"


def test_the_periodic_job_queues_what_the_queue_lost(
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


def test_nothing_is_signed_before_it_is_released(
    ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    change = propose(ready, ben, clock())
    assert (change.state, change.signature, change.plan) == (CHECKING, "", "")
    check(change, fake, config)
    assert (change.state, change.signature, change.plan) == (PROPOSED, "", "")
    with transaction():
        assert not approvals.sign_and_queue(
            Change(document=""), None, by=ben, approval_kind="", approver="", seen="",
            may_be_proposer=True, now=clock(),
        )  # fmt: skip
