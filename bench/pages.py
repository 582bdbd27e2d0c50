"""What the pages of a thousand sites cost, requested as an owner, on both databases.

`python -m bench.pages` prints what each kind of page costs.
"""

from __future__ import annotations

import gc
import shutil
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from statistics import median

from flask import Flask

from app import queue
from app.config import Config
from app.domain.actor import Actor
from app.factory import create_app
from app.models import migrate
from app.models.accounts import User, UserSession
from app.models.base import db, use_database, utcnow
from bench.large_fleet import cached_database
from bench.measure import Figure
from bench.postgres_copy import copy_to_postgres
from tests.support.browsers import Person, signed_in
from tests.support.config import make_config
from tests.support.crawl import crawl, kind_of
from tests.support.fakes import RecordingQueue
from tests.support.postgres import Cluster
from tests.support.queries import counted_queries

_ROUNDS, _WARM_UP = 40, 5
_PAGE_MS, _PAGE_KB, _QUERIES = 50, 60, 12
_REPORT_MS, _REPORT_MB = 300, 40
_REPORT = "page.report_year"


@dataclass(frozen=True)
class Cost:
    """What one request for a page costs; the milliseconds are the 95th percentile.

    `cpu_ms` is the median of the processor's time in this process. Other work on the machine
    lengthens that less, and it leaves out PostgreSQL.
    """

    path: str
    ms: float
    cpu_ms: float
    kb: float
    queries: int


def figures() -> Iterator[Figure]:
    """Measure on SQLite, and on PostgreSQL where its programs are installed."""
    with tempfile.TemporaryDirectory(prefix="aura-bench-") as folder:
        # The year in the database has a sync each hour; with others expected, it is full of gaps.
        config = make_config(Path(folder), sync_every_minutes=60)
        shutil.copyfile(cached_database(), config.var_dir / "aura.db")
        migrate.to_newest(config.database_url, config.var_dir)
        use_database(config.database_url)
        yield from _figures(config, "")
        try:
            cluster = Cluster.create()
        except RuntimeError as why:
            print(f"  PostgreSQL was not measured: {why}", file=sys.stderr)
            return
        try:
            postgres = replace(config, database_url=cluster.url())
            cluster.blank()
            copy_to_postgres(config, postgres)
            yield from _figures(postgres, ".postgresql")
        finally:
            db.close()
            cluster.remove()


def _figures(config: Config, suffix: str) -> Iterator[Figure]:
    on = " on PostgreSQL" if suffix else ""
    person = _owner(config)
    named = _named_pages()
    costs = []
    for name, path in named.items():
        cost = _measured(person, path)
        target = _REPORT_MS if name == _REPORT else _PAGE_MS
        note = f" p95, {cost.cpu_ms:.0f} of CPU, {cost.kb:.0f} kB, {cost.queries} queries"
        what = name.removeprefix("page.") + on
        yield Figure.absolute(name + suffix, what, cost.ms, "ms", note=note, target=target)
        costs.append(cost)
    megabytes = _peak_megabytes(person, named[_REPORT])
    what = f"memory of a report_year{on}"
    yield Figure.absolute(f"{_REPORT}.mb{suffix}", what, megabytes, "MB", target=_REPORT_MB)
    pages = [cost for cost in costs if cost.path != named[_REPORT]]
    pages += _other_costs(person, {kind_of(path) for path in named.values()})
    slowest = max(pages, key=lambda cost: cost.ms)
    what, note = f"slowest page{on}", f": {kind_of(slowest.path)}"
    yield Figure.absolute(
        f"page.slowest{suffix}", what, slowest.ms, "ms", note=note, target=_PAGE_MS
    )
    largest = max(pages, key=lambda cost: cost.kb)
    what, note = f"largest page{on}", f": {kind_of(largest.path)}"
    yield Figure.absolute(
        f"page.largest{suffix}", what, largest.kb, "kB", note=note, target=_PAGE_KB
    )
    busiest = max(pages, key=lambda cost: cost.queries)
    what, note = f"most queries{on}", f": {kind_of(busiest.path)}"
    yield Figure.absolute(
        f"page.queries{suffix}", what, busiest.queries, "", note=note, target=_QUERIES
    )


def _owner(config: Config) -> Person:
    app: Flask = create_app(config)
    app.test_client_class = Person
    queue.use(RecordingQueue())
    with db.connection_context():
        owner = Actor.of(User.get(User.role == "owner"), "")
    with db.connection_context():
        person: Person = signed_in(app, owner)
    # As the supervisor does before it starts the web process.
    gc.collect()
    gc.freeze()
    return person


def _named_pages() -> dict[str, str]:
    """Return one address of each page whose figure has a name."""
    with db.connection_context():
        # One with a history, and the client of most sites.
        (site_id,) = db.execute_sql(
            "SELECT site_id FROM change WHERE state = 'succeeded' GROUP BY site_id"
            " ORDER BY COUNT(*) DESC, site_id LIMIT 1"
        ).fetchone()
        (client_id,) = db.execute_sql(
            "SELECT client_id FROM site GROUP BY client_id ORDER BY COUNT(*) DESC, client_id"
            " LIMIT 1"
        ).fetchone()
        (change_id,) = db.execute_sql(
            "SELECT MAX(id) FROM change WHERE state = 'proposed'"
        ).fetchone()
    today = utcnow().date()
    period = f"from={today - timedelta(days=364)}&to={today}"
    return {
        "page.overview": "/",
        "page.sites": "/sites",
        "page.site": f"/sites/{site_id}",
        "page.updates": "/updates",
        "page.change": f"/changes/{change_id}",
        "page.activity": "/activity",
        _REPORT: f"/clients/{client_id}/report?{period}",
    }


def _other_costs(person: Person, known: set[str]) -> list[Cost]:
    """Return the costs of one page of each other kind that links lead to."""

    def fetch(address: str) -> str:
        return str(person.get(address, follow_redirects=True).text)

    found = [address for address, _ in crawl(fetch) if kind_of(address) not in known]
    return [_measured(person, address, _ROUNDS // 4) for address in found]


def _measured(person: Person, path: str, rounds: int = _ROUNDS) -> Cost:
    seconds, cpu, size, queries = [], [], 0, 0
    for number in range(_WARM_UP + rounds):
        if not number:
            # Only the first page of a minute also records that the session is in use.
            with db.connection_context():
                UserSession.update(last_seen_at=utcnow() - timedelta(minutes=2)).execute()
            with counted_queries() as statements:
                answer = person.get(path, follow_redirects=True)
            size, queries = len(answer.data), len(statements)
            if answer.status_code != 200:
                raise RuntimeError(f"{path} answers {answer.status_code}")
            continue
        began, cpu_began = time.perf_counter(), time.process_time()
        _ = person.get(path, follow_redirects=True).data
        if number >= _WARM_UP:
            seconds.append(time.perf_counter() - began)
            cpu.append(time.process_time() - cpu_began)
    p95 = sorted(seconds)[int(len(seconds) * 0.95)]
    return Cost(path, p95 * 1000, median(cpu) * 1000, size / 1000, queries)


def _peak_megabytes(person: Person, path: str) -> float:
    """Return how much more memory Python uses at most while it answers."""
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in person.get(path).iter_encoded():
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (peak - before) / 1e6


if __name__ == "__main__":
    for figure in figures():
        print(figure.line(), flush=True)
