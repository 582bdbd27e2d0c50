"""What Aura's processes together cost the machine: memory, CPU when idle, and the time to start.

Aura is started as `make run` does, in a folder of its own. Its processes are the supervisor and all
below it, with Redis. The figures need /proc, so they are for Linux.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from app import queue
from app.domain.inventory import site_sync
from app.models.base import db, use_database, utcnow
from app.models.sites import Site
from bench.measure import Figure
from tests.chaos.real import children_of
from tests.e2e.running_aura import RunningAura
from tests.fleet.build import build_fleet
from tests.fleet.fleet import Fleet
from tests.fleet.server import SiteServer

# An idle period contains several runs of the schedule, which are part of being idle.
SETTLES_S, IDLE_S, BUSY_S = 30, 240, 40
SITES, BROWSERS = 60, 4
_PAGES = ("/", "/sites", "/updates", "/activity", "/settings/system")
_SAMPLED_EVERY_S = 0.5
_LONGEST_REQUEST_S = 60
_MOST_IDLE_MB, _MOST_IDLE_PERCENT = 250, 0.3
_CSRF_TOKEN = re.compile(r'name="csrf_token"[^>]* value="([^"]+)"')
_PSS = re.compile(rb"^Pss:\s+(\d+) kB$", re.MULTILINE)
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def figures(idle_s: float = IDLE_S) -> Iterator[Figure]:
    """Start Aura, leave it alone, then sync its sites and read its pages."""
    began = time.perf_counter()
    aura = RunningAura()
    try:
        requests.get(f"{aura.url}/sign-in", timeout=_LONGEST_REQUEST_S).raise_for_status()
        first_page_s = time.perf_counter() - began
        yield Figure.absolute("start.first_page_s", "first page after", first_page_s, "s")
        time.sleep(SETTLES_S)
        percent = 100 * _cpu_in(aura, idle_s) / idle_s
        memory, number = _memory_mb(aura), len(_processes(aura))
        note = f" in {number} processes"
        yield Figure.absolute(
            "memory.idle_mb", "memory when idle", memory, "MB", note=note, target=_MOST_IDLE_MB
        )
        note = f" of a core in {idle_s:.0f} s"
        yield Figure.absolute(
            "idle.cpu_percent", "CPU when idle", percent, "%", note=note, target=_MOST_IDLE_PERCENT
        )
        busy = _busy_memory_mb(aura)
        note = f" at most, {SITES} sites and {BROWSERS} browsers"
        yield Figure.absolute("memory.busy_mb", "memory when busy", busy, "MB", note=note)
    finally:
        aura.remove()


def _busy_memory_mb(aura: RunningAura) -> float:
    """Return the most memory in use while sites are synced and pages are read."""
    # The history of the sites is written without Aura, because it would go on with it.
    aura.stop()
    use_database(aura.config.database_url)
    with SiteServer(0) as server, db.connection_context():
        fleet = build_fleet(aura.config, SITES, address=server.address)
        server.start(fleet)
        aura.start()
        queue.use(queue.RedisBackend(aura.config.redis_url))
        until = time.monotonic() + BUSY_S
        most = 0.0
        with _browsers(aura, fleet, until):
            while time.monotonic() < until:
                site_sync.request_syncs(Site.select(), by=fleet.owner, now=utcnow())
                most = max(most, _memory_mb(aura))
                time.sleep(_SAMPLED_EVERY_S)
        server.shutdown()
    return most


@contextmanager
def _browsers(aura: RunningAura, fleet: Fleet, until: float) -> Iterator[None]:
    """Read pages until then, in several sessions.

    Raises: ExceptionGroup of what the browsers raised.
    """
    email = next(one.email for one in fleet.logins if one.role == "owner")
    errors: list[Exception] = []

    def browse() -> None:
        try:
            _read_pages(aura.url, email, fleet.password, until)
        except (requests.RequestException, AssertionError) as error:
            errors.append(error)

    threads = [threading.Thread(target=browse) for _ in range(BROWSERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()
    if errors:
        raise ExceptionGroup("pages could not be read", errors)


def _read_pages(url: str, email: str, password: str, until: float) -> None:
    with requests.Session() as browser:
        page = browser.get(f"{url}/sign-in", timeout=_LONGEST_REQUEST_S)
        token = _CSRF_TOKEN.search(page.text)
        assert token, "the sign-in page has no CSRF token"
        form = {"email": email, "password": password, "csrf_token": token[1], "next": ""}
        signed_in = browser.post(f"{url}/sign-in", data=form, timeout=_LONGEST_REQUEST_S)
        assert "/sign-in" not in signed_in.url, "the owner could not sign in"
        while time.monotonic() < until:
            for path in _PAGES:
                browser.get(url + path, timeout=_LONGEST_REQUEST_S).raise_for_status()


def _cpu_in(aura: RunningAura, seconds: float) -> float:
    """Return the CPU seconds of all processes in a period, also of those that ended in it."""
    before = _cpu_s(aura)
    time.sleep(seconds)
    return _cpu_s(aura) - before


def _cpu_s(aura: RunningAura) -> float:
    """Return the CPU seconds until now; a process that ended is counted by its parent."""
    stats = (_file(pid, "stat").rpartition(b")")[2].split() for pid in _processes(aura))
    # See proc(5): utime, stime, cutime and cstime.
    return sum(sum(map(int, words[11:15])) for words in stats) / _TICKS_PER_S


def _memory_mb(aura: RunningAura) -> float:
    """Return the proportional set size: a page that several processes share counts once."""
    found = (_PSS.search(_file(pid, "smaps_rollup")) for pid in _processes(aura))
    return sum(int(pss[1]) for pss in found if pss) * 1024 / 1e6


def _processes(aura: RunningAura) -> list[int]:
    """Return the supervisor and every process below it."""
    found = [aura.pid]
    for pid in found:
        found.extend(children_of(pid))
    return found


def _file(pid: int, name: str) -> bytes:
    """Return a file of a process, or nothing if the process has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    for figure in figures():
        print(figure.line(), flush=True)
