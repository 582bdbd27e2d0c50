"""Changes by the hundred while everything breaks: `make chaos`, seeded, so that a run can be had
again.

Workers die between any two calls, replies are lost, sites are killed midway, jobs are
delivered twice, the queue loses some and is away now and then. What the sites really did
is then compared with what Aura says of it.
"""

from __future__ import annotations

import logging
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from redis.exceptions import ConnectionError as RedisDown

from app import queue
from app.config import Config
from app.domain import approvals, audit, changes, dry_runs, execution, settling
from app.domain.actor import Actor
from app.domain.changes import Wanted, Window
from app.faults import Fault
from app.models import migrate
from app.models.audit import Entry
from app.models.base import db, use_database
from app.models.changes import ENDED, PROPOSED, Change
from app.models.sites import Site
from tests.factories import make_member, make_site, pair, plugin, read_report, report
from tests.fakes import Clock, FakeSite, RecordingQueue, at

SITES = 10
ROUNDS = 2000
PLAYS = (
    *[("succeeded", "")] * 7,
    ("rolled_back", "fatal_after"),
    ("rolled_back", "probe_worse"),
    ("failed", "version_wrong_after"),
)
# Faults of the way there: the first few never reach the site.
LOST_ON_THE_WAY = (Fault.connection_refused, Fault.too_slow, Fault.broken_off, Fault.web_page)


class Killed(BaseException):
    """The worker's process is gone."""


@dataclass
class Counts:
    """What was done to the changes, and what must be zero."""

    changes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    double_executions: int = 0
    wrong_outcomes: int = 0
    missing_entries: int = 0
    not_ended: int = 0
    chain_is_whole: bool = False
    seconds: float = 0.0


@dataclass
class Chaos:
    """One run in a database of its own."""

    config: Config
    dice: random.Random
    clock: Clock
    jobs: RecordingQueue
    ana: Actor
    ben: Actor
    sites: dict[int, FakeSite] = field(default_factory=dict)
    broken: Counter[str] = field(default_factory=Counter)

    def chance(self, one_in: int) -> bool:
        return self.dice.randrange(one_in) == 0

    # ---- what is broken ----

    def call(self, fake: FakeSite) -> Any:
        def call(channel: Any, op: str, arguments: Any, **more: Any) -> Any:
            self._perhaps_die("before a call")
            if self.chance(12):
                self._count("lost on the way")
                fake.failing = [self.dice.choice(LOST_ON_THE_WAY)]
            if op.startswith("change.") and self.chance(8):
                self._count("reply lost")
                fake.losing.add(op)
            if op == "change.run" and self.chance(12):
                self._count("site killed midway")
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
        if self.chance(14):
            self._count(f"worker killed {where}")
            raise Killed

    def _count(self, what: str) -> None:
        self.broken[what] += 1

    # ---- what happens meanwhile ----

    def turn(self) -> None:
        """Some jobs run, some twice, some never; then a little time passes."""
        waiting, self.jobs.jobs = self.jobs.jobs, []
        self.dice.shuffle(waiting)
        for name, ids, _ in waiting:
            if self.chance(10):
                self._count("job lost")
                continue
            self.work(name, ids[0])
            if self.chance(6):
                self._count("job delivered twice")
                self.work(name, ids[0])
        self.jobs.down = RedisDown("away") if self.chance(10) else None
        self.clock.advance(seconds=self.dice.choice((1, 5, 30, 90, 300)))
        for fake in self.sites.values():
            for op_id in list(fake.changes.running):
                fake.changes.reconcile(op_id)
        if self.chance(3):
            execution.recover(self.clock())

    def work(self, name: str, change_id: int) -> None:
        runs = {
            "check_change": dry_runs.run,
            "run_change": execution.run,
            "settle_change": settling.settle,
        }
        if name not in runs:
            return
        fake = self.sites[Change.get_by_id(change_id).site_id]
        told: dict[str, Any] = {"call": self.call(fake), "now": self.clock}
        if name != "check_change":
            told["look"] = self.look(fake)
        try:
            runs[name](change_id, config=self.config, **told)
        except Killed:
            fake.failing, fake.losing = [], set()

    def people(self) -> None:
        """Ana approves what waits, and looks after what went wrong."""
        for change in Change.select().where(Change.state == PROPOSED):
            approvals.approve(
                change,
                by=self.ana,
                seen=change.digest,
                confirmed_at=self.clock(),
                config=self.config,
                now=self.clock(),
            )
        for change in Change.select().where(Change.is_incident, Change.state.in_(ENDED)):
            changes.close_incident(change, by=self.ana, note="looked", now=self.clock())


def run(seed: int, count: int, folder: Path) -> Counts:
    """Have `count` changes live through it and compare; the same seed is the same run."""
    began = time.monotonic()
    counts = compared(made(seed, count, folder))
    counts.seconds = time.monotonic() - began
    return counts


def made(seed: int, count: int, folder: Path) -> Chaos:
    """A world in which every change has ended, or all rounds are over."""
    chaos = _world(seed, folder)
    _propose(chaos, count)
    for _ in range(ROUNDS):
        if not Change.select().where(Change.state.not_in(ENDED)).exists():
            break
        chaos.people()
        chaos.turn()
    return chaos


def _world(seed: int, folder: Path) -> Chaos:
    config = Config.for_tests(folder)
    use_database(config.database_url)
    db.connect(reuse_if_open=True)
    migrate.apply_missing()
    jobs = RecordingQueue()
    queue.use(jobs)
    ana = Actor.of(make_member("Ana", "owner"), "192.0.2.1")
    ben = Actor.of(make_member("Ben", "operator"), "192.0.2.2")
    return Chaos(config, random.Random(seed), Clock(at("2026-11-24 10:00")), jobs, ana, ben)


def _propose(chaos: Chaos, count: int) -> None:
    each = -(-count // SITES)
    for number in range(SITES):
        url = f"https://site{number}.example"
        site = make_site(chaos.ana, now=chaos.clock(), url=url, name=f"Site {number}")
        fake = FakeSite(url, chaos.clock, _report(each))
        for plugin_number in range(each):
            fake.changes.plays[f"p{plugin_number}/p.php"] = chaos.dice.choice(PLAYS)
        pair(site, fake, by=chaos.ana, config=chaos.config)
        read_report(site, fake, config=chaos.config)
        site = Site.get_by_id(site.id)
        chaos.sites[site.id] = fake
        now = chaos.clock()
        changes.propose(
            [Wanted(site, "plugin", f"p{one}/p.php", "1.1") for one in range(each)],
            by=chaos.ben,
            reason="",
            window=Window(now, now + timedelta(days=13)),
            now=now,
        )


def _report(plugins: int) -> dict[str, Any]:
    told = report()
    usual = told["updates"]["plugins"][0]
    idents = [f"p{number}/p.php" for number in range(plugins)]
    told["plugins"] = [plugin(ident, name=ident, version="1.0") for ident in idents]
    told["updates"]["plugins"] = [{**usual, "id": ident, "version": "1.1"} for ident in idents]
    return told


def compared(chaos: Chaos) -> Counts:
    """What Aura says, beside what the sites' own books and disks say."""
    counts = Counts(broken=chaos.broken, chain_is_whole=audit.verify_chain().is_whole)
    trail: dict[int, Counter[str]] = {}
    for entry in Entry.select():
        facts = _facts(entry)
        if "change_id" in facts:
            trail.setdefault(facts["change_id"], Counter())[entry.event] += 1
    for change in Change.select():
        fake = chaos.sites[change.site_id]
        counts.changes += 1
        counts.outcomes[change.state] += 1
        counts.not_ended += change.state not in ENDED
        counts.double_executions += fake.changes.installs[change.op_id] > 1
        counts.wrong_outcomes += (change.state, change.outcome_reason) != _truth(change, fake)
        counts.missing_entries += not _is_told(change, trail.get(change.id, Counter()))
    return counts


def _facts(entry: Entry) -> dict[str, Any]:
    facts: dict[str, Any] = entry.document()["facts"]
    return facts


def _truth(change: Change, fake: FakeSite) -> tuple[str, str]:
    """What really happened, by the site's own books and disk."""
    if change.op_id not in fake.changes.ledger:
        never_sent = "expired" if change.digest == "" else "failed"
        return never_sent, "never_arrived" if never_sent == "failed" else ""
    told = fake.changes.ledger[change.op_id][1]
    on_disk = fake.changes.version_of(fake, "plugin", change.ident)
    if told["outcome"] == "succeeded" and on_disk != "1.1":
        return "a lie", ""
    return told["outcome"], told["reason"] or ""


def _is_told(change: Change, told: Counter[str]) -> bool:
    """Each thing that happened to it, once."""
    once = {"change_proposed": 1}
    if change.digest:
        once |= {"change_checked": 1, "change_approved": 1, "change_ended": 1}
        return told["change_started"] >= 1 and all(told[name] == n for name, n in once.items())
    return all(told[name] == n for name, n in once.items())


def told(counts: Counts) -> str:
    """The counts as people read them."""
    return (
        f"{counts.changes} changes in {counts.seconds:.1f} s\n"
        f"  broken: {dict(sorted(counts.broken.items()))}\n"
        f"  outcomes: {dict(sorted(counts.outcomes.items()))}\n"
        f"  double executions {counts.double_executions}, wrong outcomes {counts.wrong_outcomes},"
        f" missing entries {counts.missing_entries}, not ended {counts.not_ended},"
        f" chain whole: {counts.chain_is_whole}"
    )


def main() -> None:
    """`python -m tests.chaos [changes] [seed ...]`."""
    logging.getLogger("app.queue").setLevel(logging.ERROR)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for seed in [int(text) for text in sys.argv[2:]] or [1, 2, 3]:
        with tempfile.TemporaryDirectory() as folder:
            counts = run(seed, count, Path(folder))
            db.close()
        print(f"seed {seed}: {told(counts)}")


if __name__ == "__main__":
    main()
