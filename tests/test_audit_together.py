"""A long trail is read by several processes, which find what one would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from app.domain.audit import together
from tests.read_together import CHANGES, ENTRIES

ROOT = Path(__file__).parents[1]


def test_several_find_what_one_finds(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.read_together", tmp_path],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    found = dict(zip(CHANGES, json.loads(done.stdout), strict=True))
    for change, (several, one) in found.items():
        assert several.pop("shared"), change
        assert not one.pop("shared")
        if one["broken_at"] is not None:
            # How far each had come when it stopped is no part of what was found.
            several.pop("head"), one.pop("head")
        assert several == one, change
    assert found[""][0] == {**found[""][1], "entries": ENTRIES, "broken_at": None, "anchors": 2}
    broken = [several["broken_at"] for change, (several, _) in found.items() if change]
    assert broken == [1, 90, 101, 101, 100, 200, 2, 131, 101]


def test_a_process_with_threads_is_not_forked() -> None:
    assert together.processors() >= 1
    done = subprocess.run([sys.executable, "-c", _WITH_A_THREAD], cwd=ROOT, check=True)
    assert done.returncode == 0


_WITH_A_THREAD = """
import threading
from app.domain.audit import together
from app.models.base import use_database
use_database("sqlite:///:memory:")
together.processors = lambda: 2
assert together.is_possible()
wait = threading.Event()
threading.Thread(target=wait.wait).start()
try:
    assert not together.is_possible()
finally:
    wait.set()
"""
