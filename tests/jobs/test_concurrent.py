"""Sync many sites at once: waiting for replies overlaps, and Aura's own code takes turns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from app import queue
from app.config import Config
from app.domain.actor import Actor
from app.domain.inventory import site_sync
from app.http.site_client import Channel, Reply
from app.models.base import db, transaction, utcnow
from app.models.call_log import OK, SiteCall
from app.models.reports import Report, Sync
from app.models.sites import Site
from jobs import concurrent, tasks
from jobs.concurrent import PLACES_AT_A_SERVER, Concurrently, Overlapping
from tests.support.factories import make_site, pair, read_report, report
from tests.support.fakes import Clock, FakeSite, RecordingQueue

pytestmark = pytest.mark.usefixtures("database")

_TIMEOUT_S = 20


class OneAtATime:
    """Notice when two threads are inside at the same time."""

    def __init__(self) -> None:
        self._inside = 0
        self.was_shared = False

    def visit(self) -> None:
        self._inside += 1
        self.was_shared = self.was_shared or self._inside > 1
        threading.Event().wait(0.001)
        self._inside -= 1


def test_waiting_overlaps_and_everything_else_takes_turns() -> None:
    together, own = threading.Barrier(20, timeout=_TIMEOUT_S), OneAtATime()
    ended = []

    def ask(number: int, nonce: Callable[[], None]) -> int:
        nonce()
        together.wait()
        return number

    def work(number: int, overlapping: Overlapping) -> None:
        own.visit()
        ended.append(overlapping(ask)(number, nonce=own.visit))
        own.visit()

    Concurrently(work, places=20).run(range(20))
    assert sorted(ended) == list(range(20))
    assert not own.was_shared


def test_no_more_sites_are_called_at_once_than_there_are_slots() -> None:
    asked = most = 0
    counting = threading.Lock()

    def ask() -> None:
        nonlocal asked, most
        with counting:
            asked += 1
            most = max(most, asked)
        threading.Event().wait(0.002)
        with counting:
            asked -= 1

    Concurrently(lambda _, overlapping: overlapping(ask)(), places=3).run(range(30))
    assert most <= 3


def test_slow_sites_do_not_keep_the_others_waiting() -> None:
    """With two slots, two sites answer only once all others are done."""
    others_done, done = threading.Event(), []

    def work(number: int, overlapping: Overlapping) -> None:
        if number < 2:
            assert overlapping(others_done.wait)(_TIMEOUT_S)
        done.append(number)
        if len(done) == 10:
            others_done.set()

    Concurrently(work, places=2, slow_after_s=0.05).run(range(12))
    assert set(done[:10]) == set(range(2, 12))
    assert set(done[10:]) == {0, 1}


def test_the_number_of_threads_for_slow_sites_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrent, "MOST_THREADS", 3)
    threads = set()

    def work(_: int, overlapping: Overlapping) -> None:
        threads.add(threading.get_ident())
        overlapping(threading.Event().wait)(0.05)

    Concurrently(work, places=1, slow_after_s=0.001).run(range(12))
    assert len(threads) <= 3


def test_sites_of_one_server_are_called_a_few_at_a_time() -> None:
    """Four sites of the server are called and answer only once all others are done."""
    several_asked, others_done, counting = threading.Event(), threading.Event(), threading.Lock()
    asked = most = 0
    done: list[int] = []

    def ask() -> None:
        nonlocal asked, most
        with counting:
            asked += 1
            most = max(most, asked)
        if most == PLACES_AT_A_SERVER:
            several_asked.set()
        assert others_done.wait(_TIMEOUT_S)
        with counting:
            asked -= 1

    def work(number: int, overlapping: Overlapping) -> None:
        if number < 10:
            overlapping(ask)()
        else:
            assert overlapping(several_asked.wait)(_TIMEOUT_S)
        done.append(number)
        if len(done) == 20:
            others_done.set()

    Concurrently(work, servers=dict.fromkeys(range(10), "192.0.2.7")).run(range(30))
    assert set(done[:20]) == set(range(10, 30))
    assert sorted(done[20:]) == list(range(10))
    assert most == PLACES_AT_A_SERVER


def test_servers_take_turns() -> None:
    order: list[int] = []
    servers = {0: "a", 1: "a", 2: "a", 3: "b", 4: "b", 5: ""}
    Concurrently(lambda number, _: order.append(number), servers=servers, places=1).run(range(6))
    assert order == [0, 3, 5, 1, 4, 2]


def test_work_that_cannot_start_in_time_is_left() -> None:
    done: list[int] = []
    servers = dict.fromkeys(range(6), "a")
    late = Concurrently(lambda number, _: done.append(number), servers=servers, begin_within_s=0)
    late.run(range(6))
    assert (done, late.left) == ([], [0, 1, 2, 3, 4, 5])


def test_work_that_started_in_time_finishes() -> None:
    """The first four sites need not hurry; those that did not start with them are left."""
    done: list[int] = []

    def work(number: int, overlapping: Overlapping) -> None:
        overlapping(threading.Event().wait)(0.6)
        done.append(number)

    slow = Concurrently(work, servers=dict.fromkeys(range(6), "a"), begin_within_s=0.3)
    slow.run(range(6))
    assert sorted(done) == [0, 1, 2, 3]
    assert slow.left == [4, 5]


def test_an_error_is_raised_at_the_end_and_stops_no_other_site() -> None:
    ended = []

    def work(number: int, overlapping: Overlapping) -> None:
        overlapping(threading.Event().wait)(0.001)
        if number % 2:
            raise ValueError(number)
        ended.append(number)

    with pytest.raises(ExceptionGroup) as raised:
        Concurrently(work).run(range(6))
    assert sorted(ended) == [0, 2, 4]
    assert sorted(error.args[0] for error in raised.value.exceptions) == [1, 3, 5]


def test_no_transaction_waits_for_a_site() -> None:
    def work(_: int, overlapping: Overlapping) -> None:
        with db.connection_context(), transaction():
            overlapping(threading.Event().wait)(0)

    with pytest.raises(ExceptionGroup) as raised:
        Concurrently(work).run([1])
    assert "must not wait" in str(raised.value.exceptions[0])


# ---- syncs ----


@pytest.fixture
def fakes(ana: Actor, config: Config, jobs: RecordingQueue) -> dict[int, FakeSite]:
    """Eight paired sites whose first report Aura has not requested yet."""
    created, clock = {}, Clock(utcnow())
    for number in range(8):
        fake = FakeSite(f"https://site{number}.example", clock, report())
        fake.report["wordpress"] |= {"home": fake.home, "site_url": fake.home}
        site = make_site(ana, now=clock(), url=fake.home, name=f"Site {number}")
        created[pair(site, fake, by=ana, config=config).id] = fake
    return created


@pytest.mark.both_databases
def test_the_server_of_a_site_is_the_address_that_last_answered(
    fakes: dict[int, FakeSite], config: Config
) -> None:
    moved = min(fakes)
    fakes[moved].address = "192.0.2.7"
    syncs = [sync.id for sync in Sync.select().order_by(Sync.site)]
    before = Sync.servers(syncs)
    assert before[syncs[0]] == "site0.example"
    read_report(Site.get_by_id(moved), fakes[moved], config=config)
    assert Sync.servers(syncs) == {**before, syncs[0]: "192.0.2.7"}


def test_sites_of_one_server_are_in_the_same_job(
    fakes: dict[int, FakeSite], jobs: RecordingQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_sync, "SITES_AT_ONCE", 4)
    syncs = [sync.id for sync in Sync.select().order_by(Sync.site)]
    Site.update(server_address="192.0.2.7").where(Site.id.in_(list(fakes)[1::2])).execute()
    jobs.jobs.clear()
    assert site_sync.enqueue_together(syncs) == 8
    assert jobs.jobs == [
        ("sync_sites", tuple(syncs[1::2]), 0),
        ("sync_sites", tuple(syncs[::2]), 0),
    ]


def test_sites_that_failed_are_in_a_job_of_their_own_after_the_others(
    fakes: dict[int, FakeSite], jobs: RecordingQueue
) -> None:
    syncs = [sync.id for sync in Sync.select().order_by(Sync.site)]
    Site.update(consecutive_failures=1).where(Site.id.in_(list(fakes)[:2])).execute()
    jobs.jobs.clear()
    site_sync.enqueue_together(syncs)
    assert [ids for _, ids, _ in jobs.jobs] == [tuple(syncs[2:]), tuple(syncs[:2])]


@pytest.mark.usefixtures("job_environment")
def test_a_job_leaves_what_it_cannot_start_in_time_to_another_job(
    fakes: dict[int, FakeSite], jobs: RecordingQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_BEGIN_WITHIN_S", 0)
    monkeypatch.setattr(queue, "RedisBackend", lambda url: jobs)
    syncs = tuple(sync.id for sync in Sync.select().order_by(Sync.site))
    jobs.jobs.clear()
    db.close()
    assert tasks.sync_sites(*syncs) == 0
    assert jobs.jobs == [("sync_sites", syncs, 0)]
    assert {sync.state for sync in Sync.select()} == {"queued"}


@pytest.mark.both_databases
@pytest.mark.usefixtures("job_environment")
def test_the_sites_of_a_job_are_called_at_the_same_time(
    fakes: dict[int, FakeSite], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = min(fakes)
    # The refusal is raised before the call reaches this barrier.
    together = threading.Barrier(len(fakes) - 1, timeout=_TIMEOUT_S)

    def call(channel: Channel, op: str, arguments: dict[str, Any], **options: Any) -> Reply:
        reply = fakes[channel.site_id].call(channel, op, arguments, **options)
        together.wait()
        return reply

    monkeypatch.setattr(tasks.site_client, "call", call)
    fakes[refused].refusing["report"] = "unknown_operation"
    syncs = [sync.id for sync in Sync.select().order_by(Sync.site)]
    db.close()
    assert tasks.sync_sites(*syncs, 4711) == len(fakes) + 1
    assert db.is_closed()
    states = {sync.site_id: sync.state for sync in Sync.select()}
    assert states == {site_id: "failed" if site_id == refused else "done" for site_id in fakes}
    assert {synced.site_id for synced in Report.select()} == fakes.keys() - {refused}
    outcomes = [call.outcome for call in SiteCall.select().where(SiteCall.op == "report")]
    assert sorted(outcomes) == [OK] * 7 + ["refused_by_site"]
    assert {site.consecutive_failures for site in Site.select()} == {0, 1}
