"""Requesting the syncs of many due sites takes bounded memory and few statements."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import datetime

import pytest
from peewee import chunked

from app import queue
from app.config import Config
from app.domain.actor import Actor
from app.domain.inventory import site_sync
from app.models.reports import DONE, Sync
from app.models.sites import ACTIVE, Site
from tests.support.fakes import Clock, RecordingQueue
from tests.support.queries import counted_queries

FEW, MANY = 1_000, 4_000
# Each site adds the id of its sync, in a result row and in lists.
MOST_BYTES_A_SITE = 250


def add_sites(first: int, last: int, by: Actor, now: datetime) -> None:
    rows = (
        {
            "name": f"Site {number}",
            "url": f"https://site{number}.example",
            "endpoint": f"https://site{number}.example/wp-json/siteagent/v1/rpc",
            "server_address": f"192.0.2.{number % 200}",
            "state": ACTIVE,
            "added_at": now,
            "added_by": by.id,
        }
        for number in range(first, last)
    )
    for batch in chunked(rows, 500):
        Site.insert_many(batch).execute()


def peak_of(work: Callable[[], object]) -> int:
    """Return the peak of memory in bytes that the work allocates."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def request_all_syncs(config: Config, clock: Clock) -> Callable[[], None]:
    """Return a function that requests, loses and recovers the syncs of all sites."""

    def request_all() -> None:
        Sync.update(state=DONE).execute()
        clock.advance(days=1)
        while site_sync.request_due(clock(), every_minutes=15):
            pass
        site_sync.recover(config, clock.advance(minutes=6))

    return request_all


class Counting:
    """A queue that only counts the syncs of its jobs: the jobs themselves are in Redis."""

    def __init__(self) -> None:
        self.syncs = 0

    def put(self, name: str, ids: tuple[int, ...], delay_s: int) -> None:
        self.syncs += len(ids)


def test_more_sites_take_little_more_memory(
    request_all_syncs: Callable[[], None], ana: Actor, clock: Clock
) -> None:
    counting = Counting()
    queue.use(counting)
    add_sites(0, FEW, ana, clock())
    request_all_syncs()
    few = peak_of(request_all_syncs)
    assert counting.syncs == 4 * FEW
    add_sites(FEW, MANY, ana, clock())
    many = peak_of(request_all_syncs)
    assert counting.syncs == 4 * FEW + 2 * MANY
    assert many - few < (MANY - FEW) * MOST_BYTES_A_SITE, f"{few} and {many} bytes"


@pytest.mark.both_databases
def test_a_round_needs_few_statements_and_its_jobs_are_bounded(
    ana: Actor, clock: Clock, jobs: RecordingQueue
) -> None:
    add_sites(0, MANY, ana, clock())
    with counted_queries() as statements:
        requested = site_sync.request_due(clock(), every_minutes=15)
    assert len(requested) == 2 * (MANY // 15)
    assert len(statements) <= 6
    sizes = [len(ids) for _, ids, _ in jobs.jobs]
    assert max(sizes) == site_sync.SITES_AT_ONCE
    assert sum(sizes) == len(requested)
