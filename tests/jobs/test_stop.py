"""Stop Aura: work in progress finishes first, up to a limit."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app import queue
from app.config import Config
from app.domain.actor import Actor
from app.models.base import db, use_database, utcnow
from app.models.reports import Sync
from app.models.sites import Site
from tests.chaos.real import children_of
from tests.e2e.running_aura import RunningAura
from tests.support.factories import make_site, pair, report
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.running_redis import running_redis

_TIMEOUT_S = 30
# Generous for a busy machine; waiting for the limit or for the site takes longer.
_SOON_S = 20


class SlowSite(ThreadingHTTPServer):
    """A site that sends an invalid answer once it is allowed to answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.called, self.may_answer = threading.Event(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: SlowSite

    def do_POST(self) -> None:
        self.server.called.set()
        self.server.may_answer.wait(_TIMEOUT_S)
        self.send_error(500)

    def log_message(self, *args: object) -> None:
        """Suppress the log."""


@pytest.fixture
def slow_site() -> Iterator[SlowSite]:
    with SlowSite() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.may_answer.set()
        server.shutdown()


@pytest.fixture
def syncing(
    slow_site: SlowSite,
    ana: Actor,
    config: Config,
    jobs: RecordingQueue,
    job_environment: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Sync]:
    """A sync that waits in a real queue for a worker; its site is slow."""
    site = make_site(ana, now=utcnow(), url=slow_site.url, name="Slow")
    pair(site, FakeSite(slow_site.url, Clock(utcnow()), report()), by=ana, config=config)
    sync = Sync.open_for(Site.get_by_id(site.id))
    db.close()
    monkeypatch.setenv("AURA_ALLOW_NETS", "127.0.0.0/8")
    with running_redis(config.var_dir / "r") as url:
        monkeypatch.setenv("REDIS_URL", url)
        queue.RedisBackend(url).put("sync_site", (sync.id,), 0)
        use_database(config.database_url)
        yield sync
    db.close()


@contextmanager
def worker(**settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the worker process on its own."""
    environment = {**os.environ, **settings, "AURA_WORKERS": "1"}
    process = subprocess.Popen([sys.executable, "-m", "jobs.worker"], env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def jobs_of(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the pids of the processes in which its workers run a job."""
    return [job for child in children_of(process.pid) for job in children_of(child)]


def seconds_to_end(process: subprocess.Popen[bytes]) -> float:
    began = time.monotonic()
    assert process.wait(_TIMEOUT_S) == 0
    return time.monotonic() - began


def test_a_running_job_finishes_before_its_worker_stops(syncing: Sync, slow_site: SlowSite) -> None:
    with worker() as process:
        assert slow_site.called.wait(_TIMEOUT_S)
        process.terminate()
        # Longer than after Ctrl-C; no further job starts in the meantime.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(9)
        assert Sync.get_by_id(syncing.id).is_open
        slow_site.may_answer.set()
        assert seconds_to_end(process) < _SOON_S
    assert Sync.get_by_id(syncing.id).state == "failed"


@pytest.mark.parametrize(
    ("how", "least"),
    [(signal.SIGTERM, 2), (signal.SIGINT, 4)],
    ids=["after the limit", "soon after Ctrl-C"],
)
def test_a_job_that_exceeds_the_limit_is_killed(
    syncing: Sync, slow_site: SlowSite, how: signal.Signals, least: float
) -> None:
    limit = 2 if how == signal.SIGTERM else 600
    with worker(AURA_STOP_SECONDS=str(limit)) as process:
        assert slow_site.called.wait(_TIMEOUT_S)
        (job,) = jobs_of(process)
        process.send_signal(how)
        assert least <= seconds_to_end(process) < _SOON_S
    assert not Path(f"/proc/{job}").exists()
    # The schedule queues the sync again.
    assert Sync.get_by_id(syncing.id).is_open


def test_an_idle_worker_stops_at_once(syncing: Sync, slow_site: SlowSite) -> None:
    slow_site.may_answer.set()
    with worker() as process:
        assert slow_site.called.wait(_TIMEOUT_S)
        while Sync.get_by_id(syncing.id).is_open:
            time.sleep(0.1)
        process.terminate()
        assert seconds_to_end(process) < _SOON_S


def test_a_request_in_progress_is_answered() -> None:
    aura = RunningAura()
    try:
        with socket.create_connection(("127.0.0.1", aura.port), timeout=_TIMEOUT_S) as browser:
            head = f"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1:{aura.port}\r\nConnection: close\r\n"
            form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n"
            browser.sendall(f"{head}{form}\r\nema".encode())
            # The request has been handed to a thread, which waits for the rest of the form.
            time.sleep(2)
            stopped: list[int] = []
            stop = threading.Thread(target=lambda: stopped.append(aura.stop(signal.SIGTERM)))
            stop.start()
            time.sleep(2)
            assert stopped == []
            browser.sendall(b"il=x&b")
            answer = b"".join(iter(lambda: browser.recv(65536), b""))
        stop.join(_TIMEOUT_S)
    finally:
        aura.remove()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Form refused" in answer
    assert stopped == [0], aura.output
