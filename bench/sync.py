"""What a sync without news costs Aura: time of the processor, and space in the database.

The site is a simulated one that signs and verifies in the same process, without a network. The
same signed call alone is the floor. What a round of the schedule costs is shared by hundreds of
sites and not counted.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from app import queue
from app.config import Config
from app.domain.actor import SCHEDULE
from app.domain.connection import calls
from app.domain.crosscheck import site_log
from app.domain.inventory import site_sync
from app.models.base import db, use_database
from app.models.reports import Sync
from app.models.sites import Site
from bench.measure import Figure
from tests.support.config import make_config
from tests.support.fakes import FakeSite, RecordingQueue
from tests.support.prepared_databases import READY, PreparedDatabases, SqliteFiles

SYNCS = 480
_MOST_PERMANENT, _CPU_MS = 100, 6


def figures() -> Iterator[Figure]:
    """Twenty days of a site that is synced every hour and does not change, after as many days.

    By then, for each new entry of the site's log an older one is reduced to its digest.
    """
    with tempfile.TemporaryDirectory(prefix="aura-bench-") as folder:
        config = replace(make_config(Path(folder)), sync_every_minutes=60)
        made = PreparedDatabases(SqliteFiles(Path(folder))).restore(READY, config)
        assert made is not None
        use_database(config.database_url)
        jobs = RecordingQueue()
        with db.connection_context(), patch.object(queue, "_backend", jobs):
            yield from _unchanged(config, made, jobs)


def _unchanged(config: Config, fake: FakeSite, jobs: RecordingQueue) -> Iterator[Figure]:
    site = Site.get()
    for _ in range(SYNCS):
        _sync(site, config, fake, jobs)
    before, prunable_before = _size(config), _prunable()
    spent = _cpu_of(lambda: [_sync(site, config, fake, jobs) for _ in range(SYNCS)])
    grown = (_size(config) - before) / SYNCS
    prunable = (_prunable() - prunable_before) / SYNCS
    channel = calls.channel_to(site, config)
    alone = _cpu_of(
        lambda: [fake.call(channel, "report", {"have": None}, by="Ben") for _ in range(SYNCS)]
    )
    ours = "sync without news"
    seconds = {ours: spent / SYNCS, "one signed call": alone / SYNCS}
    yield Figure.ratio("sync.unchanged", ours, "one signed call", seconds)
    cpu = spent / SYNCS * 1000
    yield Figure.absolute("sync.cpu_ms_per_site", "its CPU", cpu, "ms", target=_CPU_MS)
    yield Figure.absolute("sync.db_bytes", "its growth of the database", grown, "bytes")
    what, permanent = "of that never deleted", grown - prunable
    yield Figure.absolute(
        "sync.db_bytes_unchanged", what, permanent, "bytes", target=_MOST_PERMANENT
    )


def _sync(site: Site, config: Config, fake: FakeSite, jobs: RecordingQueue) -> None:
    jobs.jobs.clear()
    sync = Sync.ask(site, requested_by=SCHEDULE.name, now=fake.clock.advance(hours=1))
    state = site_sync.run_sync(sync.id, config=config, call=fake.call, now=fake.clock)
    assert state == "done"
    if "read_log" in jobs.names():
        site_log.read_site_log(site.id, config=config, call=fake.call, now=fake.clock)


def _cpu_of(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _size(config: Config) -> int:
    """Return the bytes of the database without unused pages."""
    db.execute_sql("VACUUM")
    db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return (config.var_dir / "aura.db").stat().st_size


def _prunable() -> float:
    """Return the bytes of the rows that Aura deletes after some time, with their indexes."""
    names = ("site_call", "sync")
    owned = f"SELECT name FROM sqlite_master WHERE tbl_name IN {names}"
    found = db.execute_sql(f"SELECT SUM(pgsize) FROM dbstat WHERE name IN ({owned})").fetchone()
    return float(found[0] or 0)
