"""compose.yaml with two schedulers and three workers, one of which is killed every 20 seconds.

    python -m tests.chaos.containers [sites [changes]]

All sites are synced and some are updated meanwhile. Images and settings are those of a real
installation, with all timeouts unchanged. The sites are in this process and reply after 300 ms.
Afterwards Aura's results are compared with the logs of the sites.
"""

from __future__ import annotations

import logging
import random
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from app import queue
from app.config import Config
from app.domain.audit.documents import entry_document
from app.domain.inventory import site_sync
from app.models.alerts import Alert
from app.models.audit import AuditEntry
from app.models.base import db, use_database, utcnow
from app.models.call_log import SiteCall
from app.models.reports import DONE, OPEN, Report, Sync
from app.models.sites import Site
from tests.chaos.counting import Counts, count
from tests.chaos.fleet import Fleet
from tests.chaos.wire import Wire, served
from tests.containers.composition import Composition, composed, kill_everything
from tests.support.config import make_config
from tests.support.fakes import RecordingQueue

SITES, CHANGES = 1000, 200
KILL_EVERY_S = 20
_CHANGES_A_SITE = 2
_ANSWERS_AFTER_S = 0.3
_LOOK_EVERY_S = 1.0
# Jobs that have not ended by then count as lost.
_PATIENCE_S = 2400
_PRIVATE_NETWORKS = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"


@dataclass
class SyncCounts:
    """The results of the requested syncs, and counts that must be zero."""

    requested: int
    outcomes: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    stored_twice: int = 0
    unknown_calls: int = 0
    alerts: int = 0

    @property
    def is_clean(self) -> bool:
        return not any((self.lost, self.stored_twice, self.unknown_calls, self.alerts))

    def __str__(self) -> str:
        outcomes = ", ".join(f"{what} {times}" for what, times in sorted(self.outcomes.items()))
        return (
            f"{self.requested} syncs\n"
            f"  outcomes: {outcomes}\n"
            f"  lost {self.lost}, stored twice {self.stored_twice}, calls that Aura does not know"
            f" {self.unknown_calls}, alerts {self.alerts}"
        )


def run(folder: Path, sites: int = SITES, changes: int = CHANGES) -> tuple[SyncCounts, Counts]:
    """Sync the sites and make the changes while workers are killed, and compare."""
    dice = random.Random(1)
    wire = Wire(dice, late_s=0, answers_after_s=_ANSWERS_AFTER_S)
    with _running(folder) as (aura, config), served(wire, aura.gateway_of("sites")) as address:
        _say("pairing the sites")
        fleet = _built(config, wire, address, sites, changes, dice)
        began, heard = utcnow(), {fake.home: fake.heard for fake in fleet.sites.values()}
        queue.use(queue.RedisBackend(config.redis_url))
        requested = _request_everything(fleet, began)
        two = ("--scale", "scheduler=2")
        aura.compose("up", "--detach", "--no-build", "--no-deps", *two, "worker", "scheduler")
        took, kills = _storm(aura, fleet, began)
        aura.compose("stop", "worker", "scheduler")
        broken = Counter({f"workers killed, one every {KILL_EVERY_S} s": kills})
        _say(f"everything has ended after {took:.0f} s")
        return count_syncs(fleet, requested, began, heard), count(fleet.sites, broken)


@contextmanager
def _running(folder: Path) -> Iterator[tuple[Composition, Config]]:
    """Run the composition without its workers and scheduler, with this process as a part of it."""
    keys = make_config(folder)
    name, key = keys.sealing_keys[0]
    settings = {
        "AURA_ALLOW_NETS": _PRIVATE_NETWORKS,
        "AURA_SECRET_KEY": keys.secret_key,
        "AURA_SEALING_KEYS": f"{name}:{urlsafe_b64encode(key).decode()}",
    }
    with composed(folder, **settings) as aura:
        aura.compose("stop", "worker", "scheduler")
        postgres, redis = aura.ip_of("postgres", "backend"), aura.ip_of("redis", "backend")
        config = make_config(
            folder,
            database_url=f"postgresql://aura:{aura.settings['POSTGRES_PASSWORD']}@{postgres}/aura",
            redis_url=f"redis://:{aura.settings['REDIS_PASSWORD']}@{redis}:6379/0",
        )
        use_database(config.database_url)
        with db.connection_context():
            yield aura, config


def _built(
    config: Config, wire: Wire, address: str, sites: int, changes: int, dice: random.Random
) -> Fleet:
    queue.use(RecordingQueue())
    fleet = Fleet(config, utcnow)
    homes = [f"{address}/s{number}" for number in range(sites)]
    updated = -(-changes // _CHANGES_A_SITE)
    fleet.add(homes[:updated], _CHANGES_A_SITE, dice)
    fleet.add(homes[updated:], 0, dice)
    for fake in fleet.sites.values():
        wire.lay(fake.home.rpartition("/")[2], fake)
    Sync.delete().execute()
    return fleet


def _request_everything(fleet: Fleet, now: datetime) -> list[int]:
    """Request a sync of every site and propose every update; return the ids of the syncs."""
    site_sync.request_syncs(list(Site.select()), by=fleet.ana, now=now)
    requested = [sync.id for sync in Sync.select(Sync.id)]
    fleet.propose()
    return requested


def _storm(aura: Composition, fleet: Fleet, began: datetime) -> tuple[float, int]:
    """Kill a worker every 20 seconds until all has ended; return the seconds and the kills."""
    workers = aura.containers("worker")
    started = time.monotonic()
    kills = 0
    while time.monotonic() < started + _PATIENCE_S:
        fleet.look_after()
        if fleet.is_done and not Sync.select().where(Sync.state.in_(OPEN)).exists():
            break
        if time.monotonic() >= started + (kills + 1) * KILL_EVERY_S:
            kill_everything(workers[kills % len(workers)])
            kills += 1
            _say(f"{kills} workers killed; {_left(began)}")
        time.sleep(_LOOK_EVERY_S)
    return time.monotonic() - started, kills


def _left(began: datetime) -> str:
    ended = Sync.select().where(Sync.state.not_in(OPEN), Sync.requested_at >= began).count()
    return f"{ended} syncs have ended, {Sync.count_open()} are open"


def count_syncs(
    fleet: Fleet, requested: list[int], began: datetime, heard: Mapping[str, frozenset[str]]
) -> SyncCounts:
    """Compare syncs with requests; `heard` has the earlier requests of each site by address."""
    counts = SyncCounts(len(requested))
    done = set()
    for sync in Sync.select().where(Sync.id.in_(requested)):
        counts.outcomes[f"{sync.state} {sync.error_code}".strip()] += 1
        if sync.state == DONE:
            done.add(sync.site_id)
    fresh = {one.site_id for one in Report.select().where(Report.received_at >= began)}
    counts.lost = len(requested) - len(done & fresh)
    counts.stored_twice = _reports_stored_twice()
    for fake in fleet.sites.values():
        nonces = fake.heard - heard[fake.home]
        counts.unknown_calls += len(nonces) - len(SiteCall.known(nonces))
    counts.alerts = Alert.select().count()
    return counts


def _reports_stored_twice() -> int:
    """Count the reports that equal the one before, because Aura stores only new ones."""
    newest: dict[int | None, str] = {}
    twice = 0
    received = AuditEntry.select().where(AuditEntry.event == "report_received")
    for entry in received.order_by(AuditEntry.seq):
        digest = entry_document(entry)["facts"]["digest"]
        twice += newest.get(entry.site_id) == digest
        newest[entry.site_id] = digest
    return twice


def _say(words: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {words}", file=sys.stderr, flush=True)


def main() -> int:
    logging.getLogger("app.queue").setLevel(logging.ERROR)
    numbers = [int(text) for text in sys.argv[1:]]
    with tempfile.TemporaryDirectory(prefix="aura-chaos-") as folder:
        syncs, changes = run(Path(folder), *numbers)
    print(f"{syncs}\n{changes}", flush=True)
    return 0 if syncs.is_clean and changes.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
