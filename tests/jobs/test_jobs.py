"""Give a worker ids, and check what its jobs do with those rows."""

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

# An address that Aura never calls unless its network is listed, so no network is needed.
REFUSED_ADDRESS = "http://127.0.0.1:9"


@pytest.fixture
def local(ana: Actor, jobs: RecordingQueue) -> Site:
    """A site at the refused address."""
    return make_site(ana, now=utcnow(), url=REFUSED_ADDRESS, name="Door")


@pytest.fixture
def connected(local: Site, ana: Actor, config: Config) -> Site:
    """The same site, paired before its address was refused."""
    return pair(local, FakeSite(local.url, Clock(utcnow()), report()), by=ana, config=config)


@pytest.fixture
def job_context(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment of a job: this test's database, and no Redis."""
    monkeypatch.setenv("AURA_VAR", str(config.var_dir))
    monkeypatch.setenv("DATABASE_URL", config.database_url)
    monkeypatch.setenv("REDIS_URL", f"unix://{config.var_dir}/nobody")
    monkeypatch.setenv("AURA_SEALING_KEYS", "t1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
    db.close()
    yield
    db.close()


def test_pair_site_tries_once_and_leaves_no_connection_open(
    local: Site, ana: Actor, config: Config, job_context: None
) -> None:
    token, _ = pairing.issue_token(local, by=ana, config=config, now=utcnow())
    db.close()
    assert tasks.pair_site(token.id) == "waiting"
    assert db.is_closed()
    token = Pairing.get_by_id(token.id)
    assert (token.attempts, token.error_code) == (1, "address_refused")
    assert Site.get_by_id(local.id).state == PAIRING


def test_sync_site_calls_the_site_and_returns_the_state(connected: Site, job_context: None) -> None:
    sync = Sync.open_for(connected)
    assert tasks.sync_site(sync.id) == "failed"
    assert Sync.get_by_id(sync.id).error_code == "address_refused"
    assert tasks.sync_site(sync.id) == "failed"
    assert Site.get_by_id(connected.id).consecutive_failures == 1


def test_deliver_revocation_leaves_an_unreachable_site_without_keys(
    connected: Site, ana: Actor, job_context: None
) -> None:
    revocation.revoke_access(connected, by=ana)
    assert tasks.deliver_revocation(connected.id) == REVOKED_UNREACHED
    assert set(Site.get_by_id(connected.id).keys_sealed) == {"revoke"}
    assert tasks.deliver_revocation(connected.id) == "busy"


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
def test_a_job_for_a_deleted_row_ends_quietly(
    job: Callable[[int], str], database: Config, job_context: None
) -> None:
    assert job(4711) == "gone"


def test_send_email_sends_a_message_and_leaves_no_connection_open(
    ana: Actor, config: Config, jobs: RecordingQueue, job_context: None
) -> None:
    with running_smtp() as relay:
        turn_email_on(ana, config, utcnow(), port=relay.port)
        email = outbox.request_test(by=ana, now=utcnow())
        db.close()
        assert tasks.send_email(email.id) == "sent"
        assert db.is_closed()
    assert [got.recipients for got in relay.received] == [["ana@agency.example"]]


def test_the_periodic_tasks_find_what_is_due_and_what_was_lost(
    connected: Site, ana: Actor, job_context: None
) -> None:
    nothing = dict.fromkeys(periodic.TASKS, 0)
    long_ago = utcnow() - timedelta(hours=2)
    Sync.update(requested_at=long_ago).execute()
    # The audit log was never verified, no backlog stored and no registry asked for the domain, so
    # these tasks are due at once. The sync is not due, because the lost one is still open.
    first = {
        "recover_syncs": 1,
        "verify_audit_log": 1,
        "store_backlog": 1,
        "request_due_domains": 1,
    }
    assert periodic.run() == nothing | first
    revocation.revoke_access(connected, by=ana, now=long_ago)
    assert periodic.run()["retry_revocations"] == 1
    Pairing.update(state="waiting", next_attempt_at=long_ago, leased_until=None).execute()
    assert periodic.run()["recover_pairings"] == 1


def test_the_worker_process_works_and_stops_on_sigterm(
    connected: Site, job_context: None, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = Sync.open_for(connected)
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
    assert Site.get_by_id(connected.id).state == ACTIVE
