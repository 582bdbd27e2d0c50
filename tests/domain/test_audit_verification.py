"""The audit log is read again on a wish and every night, and what is found is told."""

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


def ask(by: Actor, clock: Clock) -> Verification:
    return verification.request_verification(by=by, now=clock())


def broken(seq: int) -> None:
    without_guards()
    AuditEntry.update(body="{}").where(AuditEntry.seq == seq).execute()


def test_a_wish_is_queued_carried_out_and_told(
    cleo: Actor, site: Site, clock: Clock, jobs: RecordingQueue
) -> None:
    asked = ask(cleo, clock)
    assert jobs.jobs[-1][:2] == ("verify_audit_log", (asked.id,))
    entries = AuditEntry.head().seq
    assert verification.run_verification(asked.id, now=clock) == WHOLE
    asked.refresh()
    assert (asked.entries, asked.total, asked.requested_by) == (entries, entries, "Cleo")
    told = entry_document(AuditEntry.head())
    assert (told["event"], told["facts"]["entries"]) == ("audit_log_verified", entries)
    assert verification.run_verification(asked.id, now=clock) == WHOLE, (
        "delivered twice it is done once"
    )
    assert AuditEntry.head().seq == entries + 1


def test_two_wishes_at_once_are_one(ana: Actor, ben: Actor, site: Site, clock: Clock) -> None:
    assert ask(ana, clock).id == ask(ben, clock).id
    assert Verification.select().count() == 1


def test_what_is_found_stands_on_pages_until_an_owner_looked(
    ana: Actor, ben: Actor, site: Site, clock: Clock
) -> None:
    fill(3)
    broken(2)
    asked = ask(ana, clock)
    assert verification.run_verification(asked.id, now=clock) == BROKEN
    assert (
        OpenMatters.read(EVERYTHING).broken.id,
        OpenMatters.read(EVERYTHING).broken.broken_at,
    ) == (asked.id, 2)
    assert (
        entry_document(audit.find_entries(EntryFilter(event="verification_failed"))[0])["facts"][
            "broken_at"
        ]
        == 2
    )
    with pytest.raises(Forbidden):
        verification.acknowledge_failure(asked.id, by=ben, now=clock())
    verification.acknowledge_failure(asked.id, by=ana, now=clock())
    assert OpenMatters.read(EVERYTHING).broken is None
    with pytest.raises(StaleState):
        verification.acknowledge_failure(asked.id, by=ana, now=clock())
    with pytest.raises(NotFound):
        verification.acknowledge_failure(4711, by=ana, now=clock())


def test_checkpoints_held_elsewhere_are_asked_for(ana: Actor, site: Site, clock: Clock) -> None:
    fill(2)
    asked = ask(ana, clock)
    held = Anchor(99, "0" * 64, "the site Bakery")
    assert verification.run_verification(asked.id, anchors=lambda: [held], now=clock) == BROKEN
    assert "and the site Bakery has proof of them" in Verification.get_by_id(asked.id).reason


def test_a_stranger_to_the_agency_asks_for_nothing(dora: Actor, clock: Clock) -> None:
    with pytest.raises(Forbidden):
        ask(dora, clock)


def test_every_night_it_is_read_once(site: Site, jobs: RecordingQueue) -> None:
    assert verification.queue_due_verification(at("2026-11-25 02:59")) == 1, "none was made yet"
    verification.run_verification(Verification.latest().id, now=lambda: at("2026-11-25 02:59"))
    assert verification.queue_due_verification(at("2026-11-25 02:59")) == 0
    assert verification.queue_due_verification(at("2026-11-25 03:00")) == 1
    verification.run_verification(Verification.latest().id, now=lambda: at("2026-11-25 03:00"))
    assert verification.queue_due_verification(at("2026-11-25 23:00")) == 0
    assert verification.queue_due_verification(at("2026-11-26 03:01")) == 1
    assert Verification.latest().requested_by == "the schedule"


def test_an_aura_without_an_audit_log_reads_none(database: Config, jobs: RecordingQueue) -> None:
    assert verification.queue_due_verification(at("2026-11-25 03:00")) == 0


def test_a_reading_whose_job_or_worker_was_lost_is_found(
    ana: Actor, site: Site, clock: Clock, jobs: RecordingQueue
) -> None:
    asked = ask(ana, clock)
    jobs.jobs.clear()
    assert verification.queue_due_verification(clock() + timedelta(minutes=6)) == 1
    assert jobs.jobs[-1][:2] == ("verify_audit_log", (asked.id,))
    asked.move(to=RUNNING, when=(QUEUED,), heartbeat_at=clock())
    assert verification.queue_due_verification(clock() + timedelta(minutes=4)) == 0
    assert verification.queue_due_verification(clock() + timedelta(minutes=6)) == 1
    asked.refresh()
    assert asked.state == ABANDONED
    assert not audit.find_entries(EntryFilter(event="audit_log_verified")), (
        "nothing is claimed of it"
    )
