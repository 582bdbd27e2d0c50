"""The simulated chaos run, and that its counts find each kind of error."""

from __future__ import annotations

from pathlib import Path

import pytest
from peewee import fn

from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.audit.events import ReportReceived
from app.domain.changes import execution
from app.models.base import db, transaction
from app.models.call_log import SiteCall
from app.models.changes import FAILED, SUCCEEDED, Change
from app.models.reports import Report, Sync
from app.models.sites import Site
from tests.chaos import short_timeouts, simulated
from tests.chaos.containers import count_syncs
from tests.chaos.counting import count
from tests.support.factories import read_report

BREAKAGES = {
    "calls lost on the way",
    "jobs delivered twice",
    "jobs lost",
    "queue away",
    "replies lost",
    "sites killed midway",
    "workers killed after a call",
    "workers killed before a call",
    "workers killed while looking",
}


@pytest.mark.parametrize("changes", [40, pytest.param(200, marks=pytest.mark.nightly)])
def test_recorded_results_match_what_happened(
    changes: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = simulated.run(seed=20261124, changes=changes, folder=tmp_path)
    db.close()
    with capsys.disabled():
        print(f"\n{counts}")
    assert counts.changes == changes
    assert counts.is_clean
    # Otherwise the run tested nothing.
    assert {"succeeded", "failed", "rolled_back"} <= set(counts.outcomes)
    assert set(counts.broken) == BREAKAGES


def test_a_wrong_result_and_a_missing_entry_are_counted(tmp_path: Path) -> None:
    chaos = simulated.made(seed=1, changes=10, folder=tmp_path)
    sites = chaos.fleet.sites
    assert count(sites, chaos.broken).is_clean
    one = Change.get(Change.state == SUCCEEDED)
    Change.update(state=FAILED).where(Change.id == one.id).execute()
    sites[one.site_id].changes.installs[one.op_id] += 1
    sites[one.site_id].changes.asked[one.op_id] += 1
    Change.update(id=4711).where(Change.id == one.id + 1).execute()
    counts = count(sites, chaos.broken)
    db.close()
    assert counts.sent_twice == 1
    assert counts.wrong_outcomes == 1
    assert counts.double_executions == 1
    assert counts.missing_entries == 1
    assert not counts.is_clean


def _store_again(report: Report) -> None:
    """Store a report twice, as two workers would that both consider it new."""
    again = ReportReceived(
        site_id=report.site_id,
        digest=report.digest,
        components=1,
        available_updates=0,
        dropped_fields=[],
    )
    with transaction():
        audit.record(again, SYSTEM)


def test_a_lost_sync_and_an_unknown_call_are_counted(tmp_path: Path) -> None:
    chaos = simulated.made(seed=1, changes=10, folder=tmp_path)
    fleet, began = chaos.fleet, chaos.clock()
    requests = {fake.home: frozenset() for fake in fleet.sites.values()}
    syncs = []
    for number, fake in fleet.sites.items():
        requests[fake.home] = fake.heard
        syncs.append(read_report(Site.get_by_id(number), fake, config=fleet.config).id)
    assert count_syncs(fleet, syncs, began, requests).is_clean
    Sync.update(state=FAILED).where(Sync.id == syncs[0]).execute()
    Report.delete().where(Report.site == Sync.get_by_id(syncs[1]).site).execute()
    SiteCall.delete().where(SiteCall.id == SiteCall.select(fn.MAX(SiteCall.id))).execute()
    _store_again(Report.get())
    counts = count_syncs(fleet, syncs, began, requests)
    db.close()
    assert (counts.lost, counts.stored_twice, counts.unknown_calls) == (2, 1, 1)
    assert not counts.is_clean


def test_every_shortened_timeout_exists_in_aura() -> None:
    usual = execution.REQUEST_TIMEOUT_S
    with short_timeouts.shortened():
        assert execution.REQUEST_TIMEOUT_S == short_timeouts.ORDER_S
    assert usual == execution.REQUEST_TIMEOUT_S
