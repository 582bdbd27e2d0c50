"""Many sites at once: their waiting overlaps, Aura's own code takes turns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.http.site_client import Channel, Reply
from app.models.base import db, transaction, utcnow
from app.models.call_log import OK, SiteCall
from app.models.reports import Report, Sync
from app.models.sites import Site
from jobs import concurrent, tasks
from jobs.concurrent import Concurrently, Overlapping
from tests.support.factories import make_site, pair, report
from tests.support.fakes import Clock, FakeSite, RecordingQueue

pytestmark = pytest.mark.usefixtures("database")

_PATIENCE_S = 20


class OneAtATime:
    """Notices when two threads are inside at the same time."""

    def __init__(self) -> None:
        self._inside = 0
        self.was_shared = False

    def visit(self) -> None:
        self._inside += 1
        self.was_shared = self.was_shared or self._inside > 1
        threading.Event().wait(0.001)
        self._inside -= 1


def test_waiting_overlaps_and_everything_else_takes_turns() -> None:
    together, own = threading.Barrier(20, timeout=_PATIENCE_S), OneAtATime()
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


def test_no_more_sites_are_asked_at_once_than_there_are_places() -> None:
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
    """With two places, two sites that answer only once all others are done."""
    others_done, done = threading.Event(), []

    def work(number: int, overlapping: Overlapping) -> None:
        if number < 2:
            assert overlapping(others_done.wait)(_PATIENCE_S)
        done.append(number)
        if len(done) == 10:
            others_done.set()

    Concurrently(work, places=2, slow_after_s=0.05).run(range(12))
    assert set(done[:10]) == set(range(2, 12))
    assert set(done[10:]) == {0, 1}


def test_there_is_a_limit_for_slow_sites_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrent, "MOST_THREADS", 3)
    threads = set()

    def work(_: int, overlapping: Overlapping) -> None:
        threads.add(threading.get_ident())
        overlapping(threading.Event().wait)(0.05)

    Concurrently(work, places=1, slow_after_s=0.001).run(range(12))
    assert len(threads) <= 3


def test_what_fails_is_raised_at_the_end_and_stops_no_other() -> None:
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
    """Eight paired sites, whose first report Aura has not asked for yet."""
    made, clock = {}, Clock(utcnow())
    for number in range(8):
        fake = FakeSite(f"https://site{number}.example", clock, report())
        fake.report["wordpress"] |= {"home": fake.home, "site_url": fake.home}
        site = make_site(ana, now=clock(), url=fake.home, name=f"Site {number}")
        made[pair(site, fake, by=ana, config=config).id] = fake
    return made


@pytest.mark.both_databases
def test_the_sites_of_a_job_are_asked_at_the_same_time(
    fakes: dict[int, FakeSite], config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURA_VAR", str(config.var_dir))
    monkeypatch.setenv("DATABASE_URL", config.database_url)
    monkeypatch.setenv("REDIS_URL", f"unix://{config.var_dir}/nobody")
    monkeypatch.setenv("AURA_SEALING_KEYS", "t1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
    refused = min(fakes)
    # The refusal is raised before it gets here.
    together = threading.Barrier(len(fakes) - 1, timeout=_PATIENCE_S)

    def call(channel: Channel, op: str, arguments: dict[str, Any], **options: Any) -> Reply:
        reply = fakes[channel.site_id].call(channel, op, arguments, **options)
        together.wait()
        return reply

    monkeypatch.setattr(tasks.site_client, "call", call)
    fakes[refused].refusing["report"] = "unknown_operation"
    asked = [sync.id for sync in Sync.select().order_by(Sync.site)]
    db.close()
    assert tasks.sync_sites(*asked, 4711) == len(fakes) + 1
    assert db.is_closed()
    states = {sync.site_id: sync.state for sync in Sync.select()}
    assert states == {site_id: "failed" if site_id == refused else "done" for site_id in fakes}
    assert {one.site_id for one in Report.select()} == fakes.keys() - {refused}
    outcomes = [call.outcome for call in SiteCall.select().where(SiteCall.op == "report")]
    assert sorted(outcomes) == [OK] * 7 + ["refused_by_site"]
    assert {site.consecutive_failures for site in Site.select()} == {0, 1}
