"""A worker is handed ids, and does what they stand for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from app import queue
from app.config import Config
from app.domain.actor import Actor
from app.domain.connection import pairing, revocation
from app.domain.mail import outbox
from app.models.base import db, use_database, utcnow
from app.models.reports import Sync
from app.models.sites import ACTIVE, PAIRING, REVOKED_UNREACHED, Pairing, Site
from jobs import periodic, tasks
from tests.support.emails import turn_email_on
from tests.support.factories import make_site, pair, report
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.running_redis import running_redis
from tests.support.smtp_server import running_smtp

# An address Aura never calls unless its network is listed: a call that needs no network.
CLOSED_DOOR = "http://127.0.0.1:9"


@pytest.fixture
def door(ana: Actor, jobs: RecordingQueue) -> Site:
    """A site behind the closed door."""
    return make_site(ana, now=utcnow(), url=CLOSED_DOOR, name="Door")


@pytest.fixture
def open_door(door: Site, ana: Actor, config: Config) -> Site:
    """The same site, paired when the door was still open."""
    return pair(door, FakeSite(door.url, Clock(utcnow()), report()), by=ana, config=config)


@pytest.fixture
def job_context(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a job finds in its environment: this test's database, and no Redis."""
    monkeypatch.setenv("AURA_VAR", str(config.var_dir))
    monkeypatch.setenv("DATABASE_URL", config.database_url)
    monkeypatch.setenv("REDIS_URL", f"unix://{config.var_dir}/nobody")
    monkeypatch.setenv("AURA_SEALING_KEYS", "t1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
    db.close()
    yield
    db.close()


def test_pair_site_asks_and_leaves_no_connection_open(
    door: Site, ana: Actor, config: Config, job_context: None
) -> None:
    token, _ = pairing.issue_token(door, by=ana, config=config, now=utcnow())
    db.close()
    assert tasks.pair_site(token.id) == "waiting"
    assert db.is_closed()
    token = Pairing.get_by_id(token.id)
    assert (token.attempts, token.error_code) == (1, "address_refused")
    assert Site.get_by_id(door.id).state == PAIRING


def test_sync_site_asks_and_says_what_came_of_it(open_door: Site, job_context: None) -> None:
    sync = Sync.open_for(open_door)
    assert tasks.sync_site(sync.id) == "failed"
    assert Sync.get_by_id(sync.id).error_code == "address_refused"
    assert tasks.sync_site(sync.id) == "failed"
    assert Site.get_by_id(open_door.id).consecutive_failures == 1


def test_deliver_revocation_leaves_a_site_it_cannot_reach_without_keys(
    open_door: Site, ana: Actor, job_context: None
) -> None:
    revocation.revoke_access(open_door, by=ana)
    assert tasks.deliver_revocation(open_door.id) == REVOKED_UNREACHED
    assert set(Site.get_by_id(open_door.id).keys_sealed) == {"revoke"}
    assert tasks.deliver_revocation(open_door.id) == "busy"


@pytest.mark.parametrize(
    "job",
    [
        tasks.pair_site,
        tasks.sync_site,
        tasks.deliver_revocation,
        tasks.check_change,
        tasks.run_change,
        tasks.settle_change,
        tasks.send_email,
    ],
)
def test_a_job_for_something_that_is_gone_ends_quietly(
    job: Callable[[int], str], database: Config, job_context: None
) -> None:
    assert job(4711) == "gone"


def test_send_email_hands_a_message_over_and_leaves_no_connection_open(
    ana: Actor, config: Config, jobs: RecordingQueue, job_context: None
) -> None:
    with running_smtp() as relay:
        turn_email_on(ana, config, utcnow(), port=relay.port)
        email = outbox.request_test(by=ana, now=utcnow())
        db.close()
        assert tasks.send_email(email.id) == "sent"
        assert db.is_closed()
    assert [got.recipients for got in relay.received] == [["ana@agency.example"]]


def test_the_periodic_job_finds_what_is_due_and_what_was_lost(
    open_door: Site, ana: Actor, job_context: None
) -> None:
    nothing = dict.fromkeys(periodic.TASKS, 0)
    long_ago = utcnow() - timedelta(hours=2)
    Sync.update(requested_at=long_ago).execute()
    # The audit log was never verified, no backlog stored and no registry asked for the domain,
    # so that is due the first time.
    # The sync is not due, because the one that was lost is still open.
    first = {
        "recover_syncs": 1,
        "verify_audit_log": 1,
        "store_backlog": 1,
        "request_due_domains": 1,
    }
    assert periodic.run() == nothing | first
    revocation.revoke_access(open_door, by=ana, now=long_ago)
    assert periodic.run()["retry_revocations"] == 1
    Pairing.update(state="waiting", next_attempt_at=long_ago, leased_until=None).execute()
    assert periodic.run()["recover_pairings"] == 1


def test_the_worker_process_works_and_stops_when_told(
    open_door: Site, job_context: None, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = Sync.open_for(open_door)
    db.close()
    with running_redis(config.var_dir / "r") as url:
        monkeypatch.setenv("REDIS_URL", url)
        backend = queue.RedisBackend(url)
        worker = subprocess.Popen([sys.executable, "-m", "jobs.worker"], env=dict(os.environ))
        try:
            backend.put("sync_site", (sync.id,), 0)
            use_database(config.database_url)
            deadline = time.monotonic() + 30
            while Sync.get_by_id(sync.id).is_open and time.monotonic() < deadline:
                time.sleep(0.1)
            assert Sync.get_by_id(sync.id).error_code == "address_refused"
        finally:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(20) == 0
    assert Site.get_by_id(open_door.id).state == ACTIVE
