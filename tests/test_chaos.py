"""Two hundred changes while everything breaks: done at most once, told truly, written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.models.base import db
from app.models.changes import FAILED, SUCCEEDED, Change
from tests import chaos


def test_what_is_said_of_two_hundred_changes_is_what_happened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = chaos.run(seed=20261124, count=200, folder=tmp_path)
    db.close()
    with capsys.disabled():
        print(f"\n{chaos.told(counts)}")
    assert counts.changes == 200
    assert (counts.double_executions, counts.wrong_outcomes, counts.missing_entries) == (0, 0, 0)
    assert counts.not_ended == 0
    assert counts.chain_is_whole
    # Otherwise nothing was put to the test.
    assert {"succeeded", "failed", "rolled_back"} <= set(counts.outcomes)
    assert min(counts.broken.values()) > 0
    assert len(counts.broken) == 8


def test_a_lie_and_a_gap_would_be_seen(tmp_path: Path) -> None:
    world = chaos.made(seed=1, count=10, folder=tmp_path)
    assert chaos.compared(world).wrong_outcomes == 0
    one = Change.get(Change.state == SUCCEEDED)
    Change.update(state=FAILED).where(Change.id == one.id).execute()
    world.sites[one.site_id].changes.installs[one.op_id] += 1
    Change.update(id=4711).where(Change.id == one.id + 1).execute()
    counts = chaos.compared(world)
    db.close()
    assert counts.wrong_outcomes == 1
    assert counts.double_executions == 1
    assert counts.missing_entries == 1
