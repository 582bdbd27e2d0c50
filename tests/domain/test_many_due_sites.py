"""However many sites are due, requesting their syncs takes bounded memory and few statements."""

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
# The id of its sync, in a row of the result and in lists.
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
    for some in chunked(rows, 500):
        Site.insert_many(some).execute()


def peak_of(work: Callable[[], object]) -> int:
    """Return the most bytes that were in use at once, more than before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def everything_is_requested(config: Config, clock: Clock) -> Callable[[], None]:
    """Let all sites be due, and have their syncs requested, lost and found again."""

    def request_all() -> None:
        Sync.update(state=DONE).execute()
        clock.advance(days=1)
        while site_sync.request_due(clock(), every_minutes=15):
            pass
        site_sync.recover(config, clock.advance(minutes=6))

    return request_all


class Counting:
    """A queue that knows only how many syncs its jobs are for: the jobs themselves are in Redis."""

    def __init__(self) -> None:
        self.syncs = 0

    def put(self, name: str, ids: tuple[int, ...], delay_s: int) -> None:
        self.syncs += len(ids)


def test_more_sites_take_little_more_memory(
    everything_is_requested: Callable[[], None], ana: Actor, clock: Clock
) -> None:
    counting = Counting()
    queue.use(counting)
    add_sites(0, FEW, ana, clock())
    everything_is_requested()
    few = peak_of(everything_is_requested)
    assert counting.syncs == 4 * FEW
    add_sites(FEW, MANY, ana, clock())
    many = peak_of(everything_is_requested)
    assert counting.syncs == 4 * FEW + 2 * MANY
    assert many - few < (MANY - FEW) * MOST_BYTES_A_SITE, f"{few} and {many} bytes"


@pytest.mark.both_databases
def test_a_round_needs_few_statements_and_its_jobs_are_bounded(
    ana: Actor, clock: Clock, jobs: RecordingQueue
) -> None:
    add_sites(0, MANY, ana, clock())
    with counted_queries() as statements:
        asked = site_sync.request_due(clock(), every_minutes=15)
    assert len(asked) == 2 * (MANY // 15)
    assert len(statements) <= 6
    sizes = [len(ids) for _, ids, _ in jobs.jobs]
    assert max(sizes) == site_sync.SITES_AT_ONCE
    assert sum(sizes) == len(asked)
