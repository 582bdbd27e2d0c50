"""Measure Aura's own cost of front page checks, without a network."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.domain.actor import Actor
from app.domain.uptime import rounds
from app.models import migrate
from app.models.base import db, transaction, use_database
from app.models.sites import ACTIVE, Site
from app.models.uptime import SiteWatch
from bench.measure import Figure
from tests.support.config import make_config
from tests.support.factories import make_site, make_user
from tests.support.fakes import Clock
from tests.support.front_pages import FrontPages

SITES, ROUNDS = 300, 6
_EVERY = timedelta(minutes=5)
_AT = datetime(2026, 11, 30, 8, tzinfo=UTC)


def figures() -> Iterator[Figure]:
    """Measure in a temporary database."""
    with tempfile.TemporaryDirectory(prefix="aura-bench-") as folder:
        config = make_config(Path(folder))
        migrate.to_newest(config.database_url, config.var_dir)
        use_database(config.database_url)
        db.connect()
        clock = Clock(_AT)
        pages = FrontPages(clock)
        ana = make_user("Ana", "owner")
        by = Actor("user", ana.id, ana.name, "owner", "192.0.2.1")
        for number in range(SITES):
            make_site(by, now=_AT, url=f"https://site-{number}.example", name=f"Site {number}")
        Site.update(state=ACTIVE).execute()
        SiteWatch.add_missing(_AT)
        db.execute_sql("CREATE TABLE plain (id INTEGER PRIMARY KEY, at TEXT, body TEXT)")
        ours = floor = 0.0
        for turn in range(ROUNDS):
            clock.advance(seconds=_EVERY.total_seconds())
            SiteWatch.update(next_check_at=clock()).execute()
            ids = [watch.site_id for watch in SiteWatch.select(SiteWatch.site)]
            began = time.process_time()
            checked = rounds.run_round(ids, config=config, fetch=pages.fetch, now=clock)
            between = time.process_time()
            _write_plain_rows(checked, turn)
            # The first round creates the rows that later ones add to.
            if turn:
                ours += between - began
                floor += time.process_time() - between
        db.close()
    checks = SITES * (ROUNDS - 1)
    what, least = "a check of a front page, processor", "two plain rows"
    seconds = {what: ours / checks, least: floor / checks}
    yield Figure.ratio("uptime.check_cpu", what, least, seconds)


def _write_plain_rows(count: int, turn: int) -> None:
    """Write the least that a check could: one row that it took the site, and one of its result."""
    for number in range(count):
        key = turn * count + number
        for sql in (
            "INSERT INTO plain VALUES (?, ?, '')",
            "UPDATE plain SET body = ? WHERE id = ?",
        ):
            with transaction():
                values = (key, "now") if sql.startswith("INSERT") else ("up", key)
                db.execute_sql(sql, values)
