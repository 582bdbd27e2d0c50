"""Many changes while everything breaks: done at most once, told truly, written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.changes import execution
from app.models.base import db
from app.models.changes import FAILED, SUCCEEDED, Change
from tests.chaos import impatience, played
from tests.chaos.counting import count

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
def test_what_is_said_of_many_changes_is_what_happened(
    changes: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = played.run(seed=20261124, changes=changes, folder=tmp_path)
    db.close()
    with capsys.disabled():
        print(f"\n{counts}")
    assert counts.changes == changes
    assert counts.is_clean
    # Otherwise nothing was put to the test.
    assert {"succeeded", "failed", "rolled_back"} <= set(counts.outcomes)
    assert set(counts.broken) == BREAKAGES


def test_a_lie_and_a_gap_would_be_seen(tmp_path: Path) -> None:
    chaos = played.made(seed=1, changes=10, folder=tmp_path)
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


def test_every_time_that_real_chaos_shortens_is_one_of_auras() -> None:
    usual = execution.REQUEST_TIMEOUT_S
    with impatience.shortened():
        assert execution.REQUEST_TIMEOUT_S == impatience.ORDER_S
    assert usual == execution.REQUEST_TIMEOUT_S
