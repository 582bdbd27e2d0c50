"""Simulate all failures in one process. The same seed gives the same run.

Workers die between any two calls, replies are lost, sites are killed midway, jobs are
delivered twice, the queue loses some and is away now and then.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.exceptions import ConnectionError as RedisDown

from app import queue
from app.domain.changes import dry_run, execution, settlement
from app.http.errors import ErrorCode
from app.models import migrate
from app.models.base import db, use_database
from app.models.changes import Change
from tests.chaos.counting import Counts, count
from tests.chaos.fleet import Fleet
from tests.support.config import make_config
from tests.support.fakes import Clock, FakeSite, RecordingQueue, at

SITES = 10
ROUNDS = 2000
# Connection errors; the first few never reach the site.
LOST_ON_THE_WAY = (
    ErrorCode.connection_refused,
    ErrorCode.too_slow,
    ErrorCode.broken_off,
    ErrorCode.web_page,
)


class Killed(BaseException):
    """The worker's process was killed."""


@dataclass
class Chaos:
    """One run in its own database."""

    fleet: Fleet
    dice: random.Random
    clock: Clock
    jobs: RecordingQueue
    broken: Counter[str] = field(default_factory=Counter)

    def chance(self, one_in: int) -> bool:
        return self.dice.randrange(one_in) == 0

    def breaks(self, what: str, one_in: int) -> bool:
        """Return whether this kind of failure occurs now, and count it."""
        if not self.chance(one_in):
            return False
        self.broken[what] += 1
        return True

    # ---- failures ----

    def call(self, fake: FakeSite) -> Any:
        def call(channel: Any, op: str, arguments: Any, **more: Any) -> Any:
            self._perhaps_die("before a call")
            if self.breaks("calls lost on the way", 12):
                fake.failing = [self.dice.choice(LOST_ON_THE_WAY)]
            if op.startswith("change.") and self.breaks("replies lost", 8):
                fake.losing.add(op)
            if op == "change.run" and self.breaks("sites killed midway", 12):
                fake.changes.killed.add(arguments["op_id"])
            reply = fake.call(channel, op, arguments, **more)
            self._perhaps_die("after a call")
            return reply

        return call

    def look(self, fake: FakeSite) -> Any:
        def look(url: str, **more: Any) -> Any:
            self._perhaps_die("while looking")
            return fake.look(url, **more)

        return look

    def _perhaps_die(self, where: str) -> None:
        if self.breaks(f"workers killed {where}", 14):
            raise Killed

    # ---- progress ----

    def turn(self) -> None:
        """Run some jobs, some of them twice and some never; then let time pass."""
        waiting, self.jobs.jobs = self.jobs.jobs, []
        self.dice.shuffle(waiting)
        for name, ids, _ in waiting:
            if self.breaks("jobs lost", 10):
                continue
            self.work(name, ids[0])
            if self.breaks("jobs delivered twice", 6):
                self.work(name, ids[0])
        self.jobs.down = RedisDown("away") if self.breaks("queue away", 10) else None
        self.clock.advance(seconds=self.dice.choice((1, 5, 30, 90, 300)))
        for fake in self.fleet.sites.values():
            for op_id in list(fake.changes.running):
                fake.changes.reconcile(op_id)
        if self.chance(3):
            execution.recover_changes(self.clock())

    def work(self, name: str, change_id: int) -> None:
        runs = {
            "check_change": dry_run.run_dry_run,
            "run_change": execution.run_change,
            "settle_change": settlement.settle_change,
        }
        if name not in runs:
            return
        fake = self.fleet.sites[Change.get_by_id(change_id).site_id]
        options: dict[str, Any] = {"call": self.call(fake), "now": self.clock}
        if name != "check_change":
            options["look"] = self.look(fake)
        try:
            runs[name](change_id, config=self.fleet.config, **options)
        except Killed:
            fake.failing, fake.losing = [], set()


def run(seed: int, changes: int, folder: Path) -> Counts:
    """Make this many changes during the failures, and compare. Leaves the database open."""
    chaos = made(seed, changes, folder)
    return count(chaos.fleet.sites, chaos.broken)


def made(seed: int, changes: int, folder: Path) -> Chaos:
    """Return a world in which every change has ended, or all rounds are over."""
    config = make_config(folder)
    use_database(config.database_url)
    db.connect(reuse_if_open=True)
    migrate.apply_missing()
    jobs, clock, dice = RecordingQueue(), Clock(at("2026-11-24 10:00")), random.Random(seed)
    queue.use(jobs)
    fleet = Fleet(config, clock)
    homes = [f"https://site{number}.example" for number in range(SITES)]
    fleet.add(homes, -(-changes // SITES), dice)
    fleet.propose()
    chaos = Chaos(fleet, dice, clock, jobs)
    for _ in range(ROUNDS):
        if fleet.is_done:
            break
        fleet.look_after()
        chaos.turn()
    return chaos
