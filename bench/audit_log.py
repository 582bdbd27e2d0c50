"""The audit log under load: verification, appending with four writers, and search."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM, Actor
from app.domain.audit import EntryFilter
from app.domain.audit.chain import log_uuid
from app.domain.audit.events import SiteCalled
from app.models import migrate
from app.models.audit import AuditEntry
from app.models.base import db, transaction, use_database
from bench.bulk_log import BulkLog, StoredEntry
from bench.measure import Figure, interleaved
from tests.support.config import make_config

VERIFIED, FOUND_IN, WRITERS, EACH = 300_000, 1_000_000, 4, 500
_LEAST_A_SECOND, _APPEND_MS, _PAGE_MS = 300_000, 5, 60
_COMPONENTS = [f"plugin-{number}/plugin-{number}.php" for number in range(200)]


def figures() -> Iterator[Figure]:
    """Measure in temporary databases."""
    with tempfile.TemporaryDirectory(prefix="aura-bench-") as folder:
        yield from _verifying(Path(folder))
    with tempfile.TemporaryDirectory(prefix="aura-bench-") as folder:
        yield from _appending(Path(folder))
    with tempfile.TemporaryDirectory(prefix="aura-bench-") as folder:
        yield from _finding(Path(folder))


def _verifying(folder: Path) -> Iterator[Figure]:
    _made(folder, VERIFIED)
    bodies = [body.encode() for (body,) in db.execute_sql("SELECT body FROM audit").fetchall()]
    work = {
        "reading the audit log again": audit.verify_chain,
        "hashing its bytes alone": lambda: [sha256(body).digest() for body in bodies],
    }
    seconds = interleaved(work, 3)
    rate = VERIFIED / seconds["reading the audit log again"]
    what, note = "entries verified in a second", f"of {VERIFIED:,}"
    yield Figure.absolute("audit.verify_per_s", what, rate, "", note=note, least=_LEAST_A_SECOND)
    what, floor = "reading the audit log again", "hashing its bytes alone"
    yield Figure.ratio("audit.verify", what, floor, seconds)


def _appending(folder: Path) -> Iterator[Figure]:
    """Four processes, each waiting for its turn; the floor inserts one row into one table, with
    the same four."""
    config = _made(folder, 0)
    ours = _written_by_four(config, "audit")
    floor = _written_by_four(config, "plain")
    what = "append, p95, four writers"
    yield Figure.absolute("audit.append_p95", what, _p95(ours), "ms", target=_APPEND_MS)
    seconds = {"append, median": _median(ours) / 1000, "one plain row": _median(floor) / 1000}
    yield Figure.ratio("audit.append", "append, median", "one plain row", seconds)


def _written_by_four(config: Config, what: str) -> list[float]:
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.audit_log", what, config.database_url],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ},
        )
        for _ in range(WRITERS)
    ]
    said = [writer.communicate()[0] for writer in writers]
    return [float(line) for text in said for line in text.splitlines()]


def _write(what: str, url: str) -> None:
    """Write as one of four processes, with some milliseconds between entries."""
    use_database(url)
    db.connect()
    db.execute_sql("CREATE TABLE IF NOT EXISTS plain (id INTEGER PRIMARY KEY, body TEXT)")
    by = Actor("user", 1, "Ana", "owner", "192.0.2.1")
    for number in range(EACH):
        began = time.perf_counter()
        with transaction():
            if what == "audit":
                event = SiteCalled(site_id=1, op="report", outcome="ok", elapsed_ms=number)
                audit.record(event, by)
            else:
                db.execute_sql("INSERT INTO plain (body) VALUES (?)", ("x" * 300,))
        print((time.perf_counter() - began) * 1000)
        time.sleep(0.02)


def _finding(folder: Path) -> Iterator[Figure]:
    """Measure pages of fifty entries with each filter, also with old, rare and no results."""
    _made(folder, FOUND_IN)
    middle = _at(FOUND_IN // 2)
    pages = {
        "the newest": (EntryFilter(), None),
        "one site": (EntryFilter(site=17), None),
        "one client": (EntryFilter(client=3), None),
        "one component on a site": (EntryFilter(site=17, component=_COMPONENTS[17]), None),
        "an outcome that is rare": (EntryFilter(outcome="rolled_back"), None),
        "a month long ago": (EntryFilter(since=middle, until=middle + timedelta(days=30)), None),
        "a site in that month": (
            EntryFilter(site=17, since=middle, until=middle + timedelta(days=30)),
            None,
        ),
        "a page far back": (EntryFilter(site=17), FOUND_IN // 3),
        "two words": (EntryFilter(words="plugin-17 failed"), None),
        "a word that is nowhere": (EntryFilter(words="nowhere"), None),
        "a person without entries": (EntryFilter(person=99), None),
    }
    taken: list[float] = []
    worst, slowest = 0.0, ""
    for name, (which, before) in pages.items():
        for _ in range(20):
            began = time.perf_counter()
            audit.find_entries(which, 51, before=before)
            took = (time.perf_counter() - began) * 1000
            taken.append(took)
            if took > worst:
                worst, slowest = took, name
    what = f"a page of {FOUND_IN:,} entries, p95"
    yield Figure.absolute("audit.page_p95", what, _p95(taken), "ms", target=_PAGE_MS)
    what, note = "the slowest of them", f": {slowest}"
    yield Figure.absolute("audit.page_slowest", what, worst, "ms", note=note)
    floor = interleaved(
        {
            "a page, median": lambda: audit.find_entries(EntryFilter(site=17), 51),
            "the same rows by number": lambda: list(
                AuditEntry.select()
                .where(AuditEntry.seq > FOUND_IN - 51)
                .order_by(AuditEntry.seq.desc())
            ),
        },
        30,
    )
    yield Figure.ratio("audit.page", "a page, median", "the same rows by number", floor)


def _p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


# ---- an audit log of many entries, written as record() writes them, but in bulk ----


def _at(number: int) -> datetime:
    return datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=30 * number)


def _made(folder: Path, count: int) -> Config:
    config = make_config(folder)
    migrate.to_newest(config.database_url, config.var_dir)
    use_database(config.database_url)
    db.connect()
    if count:
        _fill(config, count)
    return config


def _fill(config: Config, count: int) -> None:
    dice, uuid = random.Random(7), log_uuid()
    path = config.database_url.removeprefix("sqlite:///")
    db.close()
    numbers = range(1, count + 1)
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA synchronous = off")
        BulkLog(raw, uuid).write(
            StoredEntry.of(_entry(dice, _at(number), dice.randrange(60))) for number in numbers
        )
        raw.execute("ANALYZE")
        raw.commit()
    db.connect()


def _entry(dice: random.Random, at: datetime, site: int) -> dict[str, object]:
    """Mostly calls; one in twenty is a change that ended, few of them badly."""
    if dice.random() < 0.05:
        component = dice.choice(_COMPONENTS)
        outcome = "rolled_back" if dice.random() < 0.001 else dice.choice(("succeeded", "failed"))
        facts: dict[str, object] = {
            "kind": "plugin",
            "ident": component,
            "name": component,
            "outcome": outcome,
            "change_id": dice.randrange(10_000),
        }
        event = "change_ended"
    else:
        facts = {"op": "report", "outcome": "ok", "elapsed_ms": dice.randrange(900)}
        event = "site_called"
    return {
        "v": 1,
        "at": at.isoformat(),
        "event": event,
        "actor": {"kind": SYSTEM.kind, "id": None},
        "site": site,
        "client": site % 20,
        "facts": facts,
        "private": None,
    }


if __name__ == "__main__":
    _write(*sys.argv[1:])
