"""Aura's own processes, Redis and PostgreSQL killed under a few changes; `make chaos` has hundreds.

The tests of what Aura says are the same as in tests/unit/test_chaos.py; here the deaths are real.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import real


@pytest.mark.nightly
def test_what_is_said_after_real_deaths_is_what_happened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = real.run(seed=20261126, changes=20, folder=tmp_path, sites=10)
    with capsys.disabled():
        print(f"\n{counts}")
    assert counts.changes == 20
    assert counts.is_clean, (tmp_path / "processes.txt").read_text()
    # Otherwise nothing was put to the test.
    deaths = {"jobs killed midway", "workers killed", "Redis killed", "PostgreSQL restarted"}
    assert deaths <= set(counts.broken)
