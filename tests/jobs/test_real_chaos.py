"""Kill Aura's own processes, Redis and PostgreSQL during a few changes; `make chaos` runs hundreds.

The checks are those of tests/unit/test_chaos.py; here the processes really die.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import real


@pytest.mark.nightly
def test_recorded_outcomes_match_reality_after_real_crashes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = real.run(seed=20261126, changes=20, folder=tmp_path, sites=10)
    with capsys.disabled():
        print(f"\n{counts}")
    assert counts.changes == 20
    assert counts.is_clean, (tmp_path / "processes.txt").read_text()
    # Without these crashes the test would prove nothing.
    deaths = {"jobs killed midway", "workers killed", "Redis killed", "PostgreSQL restarted"}
    assert deaths <= set(counts.broken)
