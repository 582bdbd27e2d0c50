"""Aura verifies the audit log on request and every night, and reports the result."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.config import Config
from app.domain import audit
from app.domain.actor import Actor
from app.domain.audit import Anchor, EntryFilter, verification
from app.domain.audit.documents import entry_document
from app.domain.errors import Forbidden, NotFound, StaleState
from app.models.audit import ABANDONED, BROKEN, QUEUED, RUNNING, WHOLE, AuditEntry, Verification
from app.models.open_matters import OpenMatters
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from tests.support.audit_entries import fill
from tests.support.database_tampering import without_guards
from tests.support.fakes import Clock, RecordingQueue, at

pytestmark = pytest.mark.both_databases


def request(by: Actor, clock: Clock) -> Verification:
    return verification.request_verification(by=by, now=clock())


def break_entry(seq: int) -> None:
    without_guards()
    AuditEntry.update(body="{}").where(AuditEntry.seq == seq).execute()


def test_a_requested_verification_is_queued_run_and_recorded(
    cleo: Actor, site: Site, clock: Clock, jobs: RecordingQueue
) -> None:
    run = request(cleo, clock)
    assert jobs.jobs[-1][:2] == ("verify_audit_log", (run.id,))
    entries = AuditEntry.head().seq
    assert verification.run_verification(run.id, now=clock) == WHOLE
    run.refresh()
    assert (run.entries, run.total, run.requested_by) == (entries, entries, "Cleo")
    document = entry_document(AuditEntry.head())
    assert (document["event"], document["facts"]["entries"]) == ("audit_log_verified", entries)
    assert verification.run_verification(run.id, now=clock) == WHOLE, (
        "a job delivered twice runs once"
    )
    assert AuditEntry.head().seq == entries + 1


def test_two_requests_at_once_are_one(ana: Actor, ben: Actor, site: Site, clock: Clock) -> None:
    assert request(ana, clock).id == request(ben, clock).id
    assert Verification.select().count() == 1


def test_a_finding_stays_on_pages_until_an_owner_confirms_it(
    ana: Actor, ben: Actor, site: Site, clock: Clock
) -> None:
    fill(3)
    break_entry(2)
    run = request(ana, clock)
    assert verification.run_verification(run.id, now=clock) == BROKEN
    assert (
        OpenMatters.read(EVERYTHING).broken.id,
        OpenMatters.read(EVERYTHING).broken.broken_at,
    ) == (run.id, 2)
    assert (
        entry_document(audit.find_entries(EntryFilter(event="verification_failed"))[0])["facts"][
            "broken_at"
        ]
        == 2
    )
    with pytest.raises(Forbidden):
        verification.acknowledge_failure(run.id, by=ben, now=clock())
    verification.acknowledge_failure(run.id, by=ana, now=clock())
    assert OpenMatters.read(EVERYTHING).broken is None
    with pytest.raises(StaleState):
        verification.acknowledge_failure(run.id, by=ana, now=clock())
    with pytest.raises(NotFound):
        verification.acknowledge_failure(4711, by=ana, now=clock())


def test_a_checkpoint_of_a_site_is_compared(ana: Actor, site: Site, clock: Clock) -> None:
    fill(2)
    run = request(ana, clock)
    held = Anchor(99, "0" * 64, "the site Bakery")
    assert verification.run_verification(run.id, anchors=lambda: [held], now=clock) == BROKEN
    assert "and the site Bakery has proof of them" in Verification.get_by_id(run.id).reason


def test_a_client_user_cannot_request_a_verification(dora: Actor, clock: Clock) -> None:
    with pytest.raises(Forbidden):
        request(dora, clock)


def test_the_log_is_verified_once_every_night(site: Site, jobs: RecordingQueue) -> None:
    assert verification.queue_due_verification(at("2026-11-25 02:59")) == 1, "no run yet"
    verification.run_verification(Verification.latest().id, now=lambda: at("2026-11-25 02:59"))
    assert verification.queue_due_verification(at("2026-11-25 02:59")) == 0
    assert verification.queue_due_verification(at("2026-11-25 03:00")) == 1
    verification.run_verification(Verification.latest().id, now=lambda: at("2026-11-25 03:00"))
    assert verification.queue_due_verification(at("2026-11-25 23:00")) == 0
    assert verification.queue_due_verification(at("2026-11-26 03:01")) == 1
    assert Verification.latest().requested_by == "the schedule"


def test_an_empty_audit_log_is_not_verified(database: Config, jobs: RecordingQueue) -> None:
    assert verification.queue_due_verification(at("2026-11-25 03:00")) == 0


def test_a_verification_without_its_job_or_worker_is_found(
    ana: Actor, site: Site, clock: Clock, jobs: RecordingQueue
) -> None:
    run = request(ana, clock)
    jobs.jobs.clear()
    assert verification.queue_due_verification(clock() + timedelta(minutes=6)) == 1
    assert jobs.jobs[-1][:2] == ("verify_audit_log", (run.id,))
    run.move(to=RUNNING, when=(QUEUED,), heartbeat_at=clock())
    assert verification.queue_due_verification(clock() + timedelta(minutes=4)) == 0
    assert verification.queue_due_verification(clock() + timedelta(minutes=6)) == 1
    run.refresh()
    assert run.state == ABANDONED
    assert not audit.find_entries(EntryFilter(event="audit_log_verified")), "no result is recorded"
