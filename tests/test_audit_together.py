"""A long audit log is read by several processes, which find what one would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.read_together import CHANGES, ENTRIES

ROOT = Path(__file__).parents[1]


def test_several_find_what_one_finds(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.read_together", tmp_path],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    found = dict(zip((*CHANGES, "a child dies"), json.loads(done.stdout), strict=True))
    for change, (several, one) in found.items():
        assert several.pop("shared"), change
        assert not one.pop("shared")
        if one["broken_at"] is not None:
            # How far each had come when it stopped is no part of what was found.
            several.pop("head"), one.pop("head")
        assert several == one, change
    assert found[""][0] == {**found[""][1], "entries": ENTRIES, "broken_at": None, "anchors": 2}
    broken = [several["broken_at"] for several, _ in found.values()]
    assert broken == [None, 1, 90, 101, 101, 100, 200, 2, 131, 101, None]


def test_a_process_with_threads_or_an_open_transaction_reads_alone(tmp_path: Path) -> None:
    """The children would be born into others' locks, or see less than this process does."""
    subprocess.run([sys.executable, "-c", _ASKED, tmp_path / "a.db"], cwd=ROOT, check=True)


_ASKED = """
import sys, threading
from app.domain.audit import parallel as together
from app.models.base import db, transaction, use_database

together.processor_count = lambda: 2
use_database("sqlite:///:memory:")
assert not together.is_possible()
use_database(f"sqlite:///{sys.argv[1]}")
with db.connection_context():
    db.execute_sql("CREATE TABLE a (b)")
    assert together.is_possible()
    with transaction():
        assert not together.is_possible()
    wait = threading.Event()
    threading.Thread(target=wait.wait).start()
    try:
        assert not together.is_possible()
    finally:
        wait.set()
"""
