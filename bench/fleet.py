"""How fast a thousand sites are synced, over real HTTP, by the code of the job.

The sites run in a process of their own and answer after 300 ms. Twenty of a thousand share a
server, which has a loopback address of its own. The floor is the waiting alone: that time for each
site, divided among the places. `python -m bench.fleet 10000` syncs that many sites by one worker,
one job after the other, and measures the memory that the worker needs.
"""

from __future__ import annotations

import multiprocessing
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import patch

from app import queue
from app.config import Config
from app.domain.actor import Actor
from app.domain.inventory import site_sync
from app.http import site_client
from app.models.base import db, use_database, utcnow
from app.models.reports import Sync
from app.protocol import SentRequest
from bench.measure import Figure
from jobs.concurrent import PLACES, Concurrently
from tests.support.config import make_config
from tests.support.factories import make_site, make_user, pair, plugin, report
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.prepared_databases import EMPTY, PreparedDatabases, SqliteFiles

SITES, SERVERS, SILENT = 1000, 50, 50
ANSWERS_AFTER_S = 0.3
_SILENT_FOR_S, _POLL_S = 3600, 5.0
_PLUGINS = 13
_MOST_OF_FLOOR, _MOST_DELAY = 1.5, 1.05
_KEYID = re.compile(r'keyid="([^"]+)"')


class LiveClock(Clock):
    """The current time."""

    def __call__(self) -> datetime:
        return utcnow()


class _Server(ThreadingHTTPServer):
    """The web server of some of the sites, each at its own path."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: str, all_sites: _Sites) -> None:
        super().__init__((address, 0), _Handler)
        self.all_sites = all_sites

    @property
    def origin(self) -> str:
        return f"http://{self.server_address[0]}:{self.server_port}"


class _Sites:
    """All sites by the name in their path, and their servers."""

    def __init__(self) -> None:
        self.sites: dict[str, FakeSite] = {}
        self.silent: frozenset[str] = frozenset()
        self.servers = [_Server(f"127.0.1.{number}", self) for number in range(1, SERVERS + 1)]

    def serve_forever(self) -> None:
        threads = [
            threading.Thread(target=server.serve_forever, args=(_POLL_S,))
            for server in self.servers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        sites = self.server.all_sites
        name = self.path.split("/")[1]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(_SILENT_FOR_S if name in sites.silent else ANSWERS_AFTER_S)
        url = f"{self.server.origin}{self.path}"
        named = _KEYID.search(self.headers.get("Signature-Input", ""))
        request = SentRequest(url, dict(self.headers.items()), body, "", named[1] if named else "")
        status, headers, answer = sites.sites[name].receive(request)
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(answer))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Write nothing."""


def figures(count: int = SITES) -> Iterator[Figure]:
    """Sync all sites for the first time, again without news, and again with silent ones."""
    with _fleet(count) as (sites, config):
        yield from _measured(sites, config, count)


def figures_of_jobs(count: int) -> Iterator[Figure]:
    """Sync all sites for the first time and again without news, by one worker."""
    with _fleet(count) as (sites, config), _serving(sites):
        for name, what in (("sync.jobs.first", "first syncs"), ("sync.jobs", "syncs without news")):
            _forget_peak()
            before = _memory("VmRSS")
            wall, cpu, _ = _sync_all(config, at_once=site_sync.SITES_AT_ONCE)
            grown = _memory("VmHWM") - before
            ours = f"{count} {what} by one worker"
            seconds = {ours: wall, "waiting alone": count * ANSWERS_AFTER_S / PLACES}
            yield Figure.ratio(name, ours, "waiting alone", seconds)
            yield Figure.absolute(f"{name}.cpu_ms", "CPU for each", cpu / count * 1000, "ms")
            yield Figure.absolute(f"{name}.memory_mb", "memory for them", grown, "MB")


@contextmanager
def _fleet(count: int) -> Iterator[tuple[_Sites, Config]]:
    """Yield paired sites in a new database that is in use."""
    with tempfile.TemporaryDirectory(prefix="aura-bench-") as folder:
        config = make_config(Path(folder))
        PreparedDatabases(SqliteFiles(Path(folder))).restore(EMPTY, config)
        use_database(config.database_url, is_shared=True)
        sites = _Sites()
        with db.connection_context(), patch.object(queue, "_backend", RecordingQueue()):
            _build(sites, config, count)
            yield sites, config


def _build(sites: _Sites, config: Config, count: int) -> None:
    by = Actor.of(make_user("Olga", "owner"))
    clock = LiveClock(utcnow())
    for number in range(count):
        home = f"{sites.servers[number % SERVERS].origin}/{number}"
        fake = FakeSite(home, clock, report())
        fake.report["wordpress"] |= {"home": home, "site_url": home}
        fake.report["plugins"] += [plugin(id=f"plugin-{n}/main.php") for n in range(_PLUGINS - 1)]
        site = make_site(by, now=clock(), url=home, name=f"Site {number}")
        pair(site, fake, by=by, config=config)
        sites.sites[str(number)] = fake
    Sync.delete().execute()


def _measured(sites: _Sites, config: Config, count: int) -> Iterator[Figure]:
    floor = count * ANSWERS_AFTER_S / PLACES
    with _serving(sites):
        for name, what in (("sync.first", "first syncs"), ("sync.1000", "syncs without news")):
            wall, cpu, _ = _sync_all(config)
            ours, alone = f"{count} {what}", "waiting alone"
            seconds = {ours: wall, alone: floor}
            yield Figure.ratio(name, ours, alone, seconds, target=_MOST_OF_FLOOR)
            yield Figure.absolute(f"{name}.cpu_ms", "CPU for each", cpu / count * 1000, "ms")
    # Both begin with new connections. The silent ones are one at each server.
    with _serving(sites):
        usual, _, _ = _sync_all(config)
    sites.silent = frozenset(map(str, range(SILENT)))
    with _serving(sites):
        _, _, others = _sync_all(config, all_but=len(sites.silent))
    ours, without = f"the others beside {len(sites.silent)} silent", "without silent ones"
    seconds = {ours: others, without: usual * (count - len(sites.silent)) / count}
    yield Figure.ratio("sync.beside_silent", ours, without, seconds, target=_MOST_DELAY)


def _sync_all(
    config: Config, all_but: int = 0, at_once: int = sys.maxsize
) -> tuple[float, float, float]:
    """Sync all sites, `at_once` of them in a job.

    Return the seconds, the CPU seconds, and the seconds until all but some had ended.
    """
    Sync.delete().execute()
    began, cpu = time.perf_counter(), time.process_time()
    requested = _ask_all(config)
    ended: list[float] = []

    def sync(sync_id: int, overlapping: Callable[..., Callable[..., site_client.Reply]]) -> None:
        site_sync.run_sync(sync_id, config=config, call=overlapping(site_client.call))
        ended.append(time.perf_counter() - began)

    for begin in range(0, len(requested), at_once):
        job = requested[begin : begin + at_once]
        Concurrently(sync, servers=Sync.servers(job)).run(job)
    return ended[-1], time.process_time() - cpu, ended[len(requested) - 1 - all_but]


def _ask_all(config: Config) -> list[int]:
    with patch.object(site_sync, "SITES_AT_ONCE", 10**9):
        return site_sync.request_due(utcnow(), every_minutes=60)


def _forget_peak() -> None:
    """Start VmHWM again from now: Linux, proc_pid_clear_refs(5)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _memory(field: str) -> float:
    """Return a field of this process's memory in MB: Linux, proc_pid_status(5)."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"the kernel does not report {field}")


@contextmanager
def _serving(sites: _Sites) -> Iterator[None]:
    """Answer in a process of its own, whose CPU is not counted."""
    process = multiprocessing.get_context("fork").Process(target=sites.serve_forever, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


if __name__ == "__main__":
    measured = figures_of_jobs(int(sys.argv[1])) if sys.argv[1:] else figures()
    for figure in measured:
        print(figure.line(), flush=True)
