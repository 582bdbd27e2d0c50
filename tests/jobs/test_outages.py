"""Survive an outage of Redis, PostgreSQL or a process: report it, and recover without a person."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis
from redis.exceptions import RedisError

from app import queue
from app.domain.actor import Actor
from app.domain.audit import record, verification
from app.domain.audit.events import SyncRequested
from app.factory import create_app
from app.models.audit import WHOLE, Verification
from app.models.base import db, transaction, use_database, utcnow
from app.run import bundled_redis
from tests.chaos.real import children_of
from tests.e2e.running_aura import RunningAura
from tests.support.config import make_config
from tests.support.factories import make_user
from tests.support.postgres import Cluster, Given
from tests.support.prepared_databases import EMPTY, PreparedDatabases

_TIMEOUT_S = 60


def wait_until(condition: str, holds) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError(f"not within {_TIMEOUT_S} s: {condition}")


# ---- the bundled Redis ----


@pytest.fixture
def aura() -> Iterator[RunningAura]:
    running = RunningAura()
    yield running
    running.remove()


@pytest.mark.nightly
def test_a_killed_bundled_redis_is_restarted_and_work_goes_on(
    aura: RunningAura,
) -> None:
    client = Redis.from_url(aura.config.redis_url)
    use_database(aura.config.database_url)
    queue.use(queue.RedisBackend(aura.config.redis_url))
    with db.connection_context():
        by = Actor.of(make_user("Olga", "owner"))
        with transaction():
            record(SyncRequested(sync_id=1), by)
        assert verify_log(by) == WHOLE
        for _ in range(2):
            first = pid_of(client)
            os.kill(first, signal.SIGKILL)
            wait_until("another Redis answers", lambda pid=first: pid_of(client) not in (0, pid))
            assert verify_log(by) == WHOLE
    assert aura.output.count("Restarting it") == 2
    assert aura.stop() == 0, aura.output


def test_a_redis_that_dies_repeatedly_is_given_up_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bundled_redis, "MOST_RESTARTS", 1)
    given_up: list[str] = []
    redis = bundled_redis.RedisServer(tmp_path / "redis.sock")
    redis.start()
    redis.watch(gave_up=given_up.append)
    client = Redis(unix_socket_path=str(tmp_path / "redis.sock"))
    first = pid_of(client)
    os.kill(first, signal.SIGKILL)
    wait_until("another Redis answers", lambda: pid_of(client) not in (0, first))
    os.kill(pid_of(client), signal.SIGKILL)
    wait_until("it is given up", lambda: given_up != [])
    assert caplog.text.count("Restarting it; jobs wait meanwhile") == 1
    assert "again after 1 restarts" in given_up[0]
    redis.stop()


def test_a_redis_that_cannot_be_started_again_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled_redis, "MOST_RESTARTS", 1)
    given_up: list[str] = []
    redis = bundled_redis.RedisServer(tmp_path / "redis.sock")
    redis.start()
    redis.watch(gave_up=given_up.append)
    monkeypatch.setattr(bundled_redis, "_command", lambda _path: ["/no/such/program"])
    os.kill(pid_of(Redis(unix_socket_path=str(tmp_path / "redis.sock"))), signal.SIGKILL)
    wait_until("it is given up", lambda: given_up != [])
    assert "again after 1 restarts" in given_up[0]
    redis.stop()
    with pytest.raises(bundled_redis.RedisUnavailable, match="could not be started"):
        redis.start()


def test_a_redis_that_cannot_start_is_refused_with_its_own_error(tmp_path: Path) -> None:
    redis = bundled_redis.RedisServer(tmp_path / "none" / "redis.sock")
    with pytest.raises(bundled_redis.RedisUnavailable, match="No such file or directory"):
        redis.start()


def test_a_queue_damaged_by_a_power_cut_does_not_prevent_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "redis.sock"
    redis, client = bundled_redis.RedisServer(path), Redis(unix_socket_path=str(path))
    redis.start()
    client.set("key", "value")
    redis.stop()
    # Since Redis 7, the file is in a folder.
    (written,) = [*tmp_path.glob("*.aof"), *tmp_path.glob("appendonlydir/*.incr.aof")]
    written.write_text("no commands of Redis")
    for _ in range(2):
        redis = bundled_redis.RedisServer(path)
        redis.start()
        assert client.dbsize() == 0
        redis.stop()
    assert caplog.text.count("Aura starts with an empty one") == 1
    assert any(file.name.endswith(".damaged") for file in tmp_path.iterdir())


@pytest.mark.nightly
def test_if_the_web_process_dies_everything_ends_and_names_it(aura: RunningAura) -> None:
    os.kill(part_of(aura, "web"), signal.SIGKILL)
    wait_until("everything has ended", lambda: aura.has_ended)
    assert aura.stop() == 1
    assert "The web process was killed by signal 9" in aura.output


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["worker", "scheduler"])
def test_a_worker_and_the_scheduler_are_replaced(aura: RunningAura, name: str) -> None:
    first = part_of(aura, name)
    os.kill(first, signal.SIGKILL)
    wait_until("there is another one", lambda: part_of(aura, name, besides=first))
    wait_until("it says so", lambda: f"The {name} process was killed by signal 9" in aura.output)
    assert not aura.has_ended
    assert aura.stop() == 0, aura.output


@pytest.mark.nightly
def test_a_bundled_redis_without_its_socket_is_replaced(aura: RunningAura) -> None:
    client = Redis.from_url(aura.config.redis_url)
    first = pid_of(client)
    (aura.var / "redis.sock").unlink()
    wait_until("another Redis answers", lambda: pid_of(client) not in (0, first))
    assert "stopped answering. Restarting it" in aura.output
    assert aura.stop() == 0, aura.output


def test_a_second_aura_on_the_same_data_is_refused(aura: RunningAura) -> None:
    environment = {**os.environ, "AURA_VAR": str(aura.var), "PORT": str(aura.port + 1)}
    second = subprocess.run(
        [sys.executable, "-m", "app.run.serve"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    assert second.returncode == 1
    assert f"Aura is already running on the data in {aura.var}" in second.stderr
    assert "Choose another" not in second.stderr
    assert pid_of(Redis.from_url(aura.config.redis_url)) > 0
    assert aura.stop() == 0, aura.output


def test_a_killed_supervisor_leaves_no_process_running(aura: RunningAura) -> None:
    parts = [part_of(aura, name) for name in ("web", "worker", "scheduler")]
    redis = pid_of(Redis.from_url(aura.config.redis_url))
    aura.kill()
    aura.start()
    for pid in (*parts, redis):
        wait_until(f"process {pid} has ended", lambda pid=pid: not is_running(pid))
    assert aura.stop() == 0, aura.output


@pytest.mark.nightly
def test_the_port_of_a_killed_aura_is_awaited(aura: RunningAura) -> None:
    gunicorn = part_of(aura, "web")
    # A stopped process cannot notice that its supervisor is gone, and keeps the port open.
    os.kill(gunicorn, signal.SIGSTOP)
    aura.kill()
    later = threading.Timer(4, os.kill, (gunicorn, signal.SIGCONT))
    later.start()
    aura.start()
    assert not is_running(gunicorn)
    assert aura.stop() == 0, aura.output


def part_of(aura: RunningAura, name: str, besides: int = 0) -> int:
    """Return the pid of a process that the supervisor has started; 0 if there is none."""
    for pid in children_of(aura.pid):
        if pid != besides and Path(f"/proc/{pid}/comm").read_text() == f"aura-{name}\n":
            return pid
    return 0


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def pid_of(client: Redis) -> int:
    """Return the pid of the Redis that answers; 0 while none does."""
    try:
        info = client.info("server")
    except RedisError:
        return 0
    return int(info["process_id"])


def verify_log(by: Actor) -> str:
    """Have the real worker verify the audit log; return the state in which that ends."""
    requested = verification.request_verification(by=by, now=utcnow())
    wait_until("the audit log is read", lambda: not Verification.get_by_id(requested.id).is_open)
    return Verification.get_by_id(requested.id).state


# ---- PostgreSQL ----


@pytest.fixture
def app(postgres: Cluster | Given, tmp_path) -> Iterator[Flask]:
    """Aura on a PostgreSQL that can be stopped."""
    cluster = postgres if isinstance(postgres, Cluster) else Cluster.create()
    config = make_config(tmp_path, database_url=cluster.url())
    PreparedDatabases(cluster).restore(EMPTY, config)
    flask_app = create_app(config)
    flask_app.config["cluster"] = cluster
    yield flask_app
    db.close()
    if cluster is not postgres:
        cluster.remove()


def test_an_outage_of_the_database_is_reported_and_recovers(app: Flask) -> None:
    browser, cluster = app.test_client(), app.config["cluster"]
    assert browser.get("/sign-in").status_code == 200
    cluster.stop()
    try:
        for _ in range(2):
            away = browser.get("/sign-in")
            assert (away.status_code, away.headers["Retry-After"]) == (503, "10")
            assert "The database does not answer" in away.text
            assert "either completed or not started" in away.text
    finally:
        cluster.start()
    assert browser.get("/sign-in").status_code == 200


def test_a_broken_connection_is_replaced_at_the_next_request(app: Flask) -> None:
    browser, cluster = app.test_client(), app.config["cluster"]
    assert browser.get("/sign-in").status_code == 200
    cluster.stop()
    cluster.start()
    assert browser.get("/sign-in").status_code == 200
