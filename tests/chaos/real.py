"""Aura's own processes on a real Redis and a real PostgreSQL, each killed at random.

The seed decides the failures and what happens to each message. The timing of the processes is not
reproducible, so the same seed gives the same failures but not the same run.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from redis import Redis
from redis.exceptions import RedisError

from app import queue
from app.config import Config
from app.models.base import db, use_database, utcnow
from app.models.changes import Change
from app.run import bundled_redis
from app.run.bundled_redis import RedisServer
from tests.chaos import short_timeouts
from tests.chaos.counting import Counts, count
from tests.chaos.fleet import Fleet
from tests.chaos.wire import Wire, served
from tests.support.config import make_config
from tests.support.postgres import Cluster
from tests.support.prepared_databases import EMPTY, PreparedDatabases

ROOT = Path(__file__).parents[2]
SITES = 20
_WORKER, _SCHEDULE = "jobs.worker", "jobs.schedule"
# A run that has not ended by then never will. Open changes are counted.
_PATIENCE_S = 1500
_END_S = 30
_LONGEST_FREEZE_S = 17


@dataclass
class Aura:
    """The processes of one Aura, ended with the block that made it."""

    config: Config
    cluster: Cluster
    redis: Redis
    dice: random.Random
    broken: Counter[str]
    parts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    frozen: dict[int, float] = field(default_factory=dict)

    def start(self, part: str) -> None:
        environment = {
            **os.environ,
            "AURA_VAR": str(self.config.var_dir),
            "DATABASE_URL": self.config.database_url,
            "REDIS_URL": self.config.redis_url,
            "AURA_SEALING_KEYS": _as_text(self.config.sealing_keys),
            "AURA_SECRET_KEY": self.config.secret_key,
            "AURA_ALLOW_NETS": "127.0.0.0/8",
        }
        with (self.config.var_dir / "processes.txt").open("ab") as output:
            self.parts[part] = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.short_timeouts", part],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def end(self) -> None:
        """Stop every part, and kill those that do not end."""
        self.thaw(everything=True)
        for process in self.parts.values():
            process.terminate()
        over = time.monotonic() + _END_S
        # Includes workers whose pool was killed, which end on their own.
        while any(process.poll() is None for process in self.parts.values()) or self._all():
            if time.monotonic() > over:
                for pid in self._all():
                    _tell(pid, signal.SIGKILL)
            time.sleep(0.1)

    def _all(self) -> list[int]:
        """Return every running process of this Aura."""
        ours = f"AURA_VAR={self.config.var_dir}".encode()
        return [pid for pid in _processes() if ours in _file(pid, "environ").split(b"\0")]

    # ---- failures ----

    def one_breaks(self) -> None:
        """Cause a random failure, beginning with kinds that have not occurred yet."""
        found = self._breakages
        new = [one for one in found if not self.broken[one[0]]]
        what, how = self.dice.choice(new or found)
        if how():
            self.broken[what] += 1

    @property
    def _breakages(self) -> list[tuple[str, Callable[[], bool]]]:
        return [
            *[("jobs killed midway", self._kill_a_job)] * 7,
            *[("workers killed", self._kill_a_worker)] * 4,
            *[("jobs frozen", self._freeze_a_job)] * 3,
            *[("jobs delivered twice", self._deliver_again)] * 4,
            *[("Redis killed", self._kill_redis)] * 2,
            ("queue emptied", self._empty_the_queue),
            ("whole pools killed", lambda: self._kill_part(_WORKER)),
            ("schedules killed", lambda: self._kill_part(_SCHEDULE)),
            ("PostgreSQL restarted", self._restart_postgres),
        ]

    def _kill_a_worker(self) -> bool:
        return self._kill_one(children_of(self.parts[_WORKER].pid))

    def _kill_a_job(self) -> bool:
        return self._kill_one(self._jobs())

    def _jobs(self) -> list[int]:
        """Return the child processes of the workers, which run one job each."""
        workers = children_of(self.parts[_WORKER].pid)
        return [pid for worker in workers for pid in children_of(worker)]

    def _kill_one(self, pids: list[int]) -> bool:
        return bool(pids) and _tell(self.dice.choice(sorted(pids)), signal.SIGKILL)

    def _freeze_a_job(self) -> bool:
        pids = [pid for pid in self._jobs() if pid not in self.frozen]
        if not pids:
            return False
        pid = self.dice.choice(sorted(pids))
        self.frozen[pid] = time.monotonic() + self.dice.uniform(1, _LONGEST_FREEZE_S)
        return _tell(pid, signal.SIGSTOP)

    def thaw(self, *, everything: bool = False) -> None:
        """Resume processes that were stopped for long enough."""
        for pid, until in list(self.frozen.items()):
            if everything or time.monotonic() >= until:
                del self.frozen[pid]
                _tell(pid, signal.SIGCONT)

    def _kill_part(self, part: str) -> bool:
        """Kill a part. Its children are left to end on their own."""
        self.parts[part].kill()
        self.parts[part].wait()
        self.start(part)
        return True

    def _deliver_again(self) -> bool:
        """Enqueue a job again that was queued before or has ended, as an attacker in Redis can."""
        found = [change.id for change in Change.select().where(Change.digest != "")]
        if found:
            queue.enqueue("run_change", self.dice.choice(found))
        return bool(found)

    def _kill_redis(self) -> bool:
        try:
            return _tell(int(self.redis.info("server")["process_id"]), signal.SIGKILL)
        except RedisError:
            return False  # Redis is still down from the last failure.

    def _empty_the_queue(self) -> bool:
        try:
            return bool(self.redis.flushall())
        except RedisError:
            return False

    def _restart_postgres(self) -> bool:
        self.cluster.stop()
        time.sleep(self.dice.uniform(0, 2))
        self.cluster.start()
        db.close()
        db.connect()
        return True


def run(seed: int, changes: int, folder: Path, sites: int = SITES) -> Counts:
    """Make this many changes during the failures, and compare the results.

    Needs what tests/postgres.py needs. What the processes printed stays in
    `folder`/processes.txt.
    """
    dice = random.Random(seed)
    with ExitStack() as stack:
        stack.enter_context(short_timeouts.shortened())
        wire = Wire(random.Random(dice.random()), late_s=short_timeouts.ORDER_S + 1)
        address = stack.enter_context(served(wire))
        aura = stack.enter_context(_running(folder, dice, wire.broken))
        fleet = Fleet(aura.config, utcnow)
        fleet.add([f"{address}/s{number}" for number in range(sites)], -(-changes // sites), dice)
        for fake in fleet.sites.values():
            wire.lay(fake.home.rpartition("/")[2], fake)
        fleet.propose()
        _storm(aura, wire, fleet)
        aura.end()
        return count(fleet.sites, wire.broken)


def _storm(aura: Aura, wire: Wire, fleet: Fleet) -> None:
    wire.is_calm = False
    for part in (_WORKER, _SCHEDULE):
        aura.start(part)
    over = time.monotonic() + _PATIENCE_S
    while time.monotonic() < over and not fleet.is_done:
        fleet.look_after()
        time.sleep(aura.dice.uniform(0.1, 1.5))
        aura.thaw()
        wire.reconcile()
        aura.one_breaks()


@contextmanager
def _running(folder: Path, dice: random.Random, broken: Counter[str]) -> Iterator[Aura]:
    """Run Redis, PostgreSQL and Aura, and end every process afterwards."""
    cluster = Cluster.create()
    socket = folder / "redis.sock"
    # Redis is killed often here, so its warnings about crashes are not of interest.
    quiet = patch.object(logging.getLogger(bundled_redis.__name__), "disabled", True)
    with quiet, patch.object(bundled_redis, "WITHIN_S", 0):
        redis = RedisServer(socket)
        redis.start()
        redis.watch(gave_up=_fail)
        try:
            config = make_config(folder, database_url=cluster.url())
            PreparedDatabases(cluster).restore(EMPTY, config)
            use_database(config.database_url)
            db.connect()
            queue.use(queue.RedisBackend(config.redis_url))
            aura = Aura(config, cluster, Redis(unix_socket_path=str(socket)), dice, broken)
            try:
                yield aura
            finally:
                aura.end()
        finally:
            redis.stop()
            db.close()
            cluster.remove()


def _fail(why: str) -> None:
    raise RuntimeError(why)


def children_of(parent: int) -> list[int]:
    """Return the running child processes of a process."""
    found = []
    for pid in _processes():
        words = _file(pid, "stat").rpartition(b")")[2].split()
        if words and int(words[1]) == parent and words[0] != b"Z":
            found.append(pid)
    return found


def _processes() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]


def _file(pid: int, name: str) -> bytes:
    """Read a file of a process in /proc; empty if the process has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _tell(pid: int, what: signal.Signals) -> bool:
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        return False
    return True


def _as_text(keys: tuple[tuple[str, bytes], ...]) -> str:
    return ",".join(f"{name}:{urlsafe_b64encode(raw).decode()}" for name, raw in keys)
