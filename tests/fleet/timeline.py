"""Simulate a month in seconds: events in order, with the jobs that a worker would run."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from app.config import Config
from app.domain.audit import verification
from app.domain.changes import (
    dry_run,
    execution,
    package_checks,
    release_comparisons,
    settlement,
)
from app.domain.connection import revocation, rotation
from app.domain.crosscheck import site_log
from app.domain.diagnostics import runs
from app.domain.inventory import site_sync
from app.domain.rollouts import looks, upkeep
from app.http.connection_trace import Trace
from app.http.errors import CallError, ErrorCode
from app.http.site_client import Channel, ProbeResponse, Reply
from app.models.base import utcnow
from tests.fleet import releases
from tests.fleet.site import FleetSite
from tests.support.fakes import Clock

# How long a job waits for a worker.
_QUEUED_FOR = timedelta(seconds=2)


class FleetClock(Clock):
    """A clock with the time of the history, and the real time after its end."""

    is_live = False

    def __init__(self, begins_at: datetime, ends_at: datetime) -> None:
        super().__init__(begins_at)
        self.ends_at = ends_at

    def __call__(self) -> datetime:
        return utcnow() if self.is_live else self.now


class Wire:
    """Calls to every site of the fleet, without a network."""

    def __init__(self) -> None:
        self.sites: dict[int, FleetSite] = {}

    def call(self, channel: Channel, op: str, arguments: dict[str, Any], **more: Any) -> Reply:
        return self.sites[channel.site_id].call(channel, op, arguments, **more)

    def call_bearer(self, endpoint: str, document: dict[str, Any], **more: Any) -> Any:
        return self._at(endpoint).call_bearer(endpoint, document, **more)

    def look(self, url: str, **more: Any) -> ProbeResponse:
        try:
            return self._at(url).look(url, **more)
        except LookupError:
            why = CallError(ErrorCode.dns, {"detail": "no such name"})
            return ProbeResponse(url, Trace(), error=why)

    def _at(self, url: str) -> FleetSite:
        for site in self.sites.values():
            if url.startswith((f"{site.home}/", f"{site.home}?")):
                return site
        raise LookupError(url)


class Timeline:
    """Events by time. As the queue, it runs each job soon after it was enqueued.

    The clock has the time of the event, and advances while a site installs an update.
    """

    def __init__(self, clock: FleetClock, wire: Wire, config: Config) -> None:
        self.clock, self.wire, self.config = clock, wire, config
        self._numbers = itertools.count()
        self._events: list[tuple[datetime, int, Callable[..., object], tuple[Any, ...]]] = []
        # Jobs that are lost: pairing happens at once, and reading every log each time takes long.
        self.lost_jobs = {"pair_site", "read_log", "recheck_site"}

    def at(self, when: datetime, event: Callable[..., object], *args: Any) -> None:
        """Call `event` with `args` at this time. Events at the same time keep their order."""
        heapq.heappush(self._events, (when, next(self._numbers), event, args))

    def run(self, until: datetime) -> None:
        """Run all events that are due by this time, and leave the clock there."""
        while self._events and self._events[0][0] <= until:
            when, _, event, args = heapq.heappop(self._events)
            self.clock.now = max(self.clock.now, when)
            event(*args)
        self.clock.now = max(self.clock.now, until)

    # ---- as the queue ----

    def put(self, name: str, ids: tuple[int, ...], delay_s: int) -> None:
        if name not in self.lost_jobs:
            self.at(
                self.clock.now + timedelta(seconds=delay_s) + _QUEUED_FOR, self._work, name, ids
            )

    def _work(self, name: str, ids: tuple[int, ...]) -> None:
        world: dict[str, Any] = {"config": self.config, "now": self.clock, "call": self.wire.call}
        looking = {**world, "look": self.wire.look}
        simple: dict[str, tuple[Callable[..., object], dict[str, Any]]] = {
            "check_change": (dry_run.run_dry_run, world),
            "run_change": (execution.run_change, looking),
            "settle_change": (settlement.settle_change, looking),
            "run_diagnostics_on_site": (runs.run_diagnostics, looking),
            "rotate_keys": (rotation.run_rotation, world),
            "read_log": (site_log.read_site_log, world),
            "verify_audit_log": (verification.run_verification, {"now": self.clock}),
        }
        if name in simple:
            job, job_args = simple[name]
            job(*ids, **job_args)
            return
        match name:
            case "sync_site" | "sync_sites":
                for sync_id in ids:
                    site_sync.run_sync(sync_id, **world)
            case "check_package" | "compare_release":
                self._download(name, *ids)
            case "advance_rollout" | "look_at_rollout":
                self._work_on_rollout(name, *ids)
            case "deliver_revocation":
                bearer = {"call_bearer": self.wire.call_bearer}
                revocation.deliver_revocation(*ids, **world, **bearer)
            case _:
                raise ValueError(f"no site of the fleet can do {name}")

    def _download(self, name: str, row_id: int) -> None:
        options: dict[str, Any] = {
            "config": self.config,
            "now": self.clock,
            "fetch": releases.fetch,
        }
        if name == "check_package":
            package_checks.check_package(row_id, **options)
            release_comparisons.resume_with(row_id, self.clock())
        else:
            release_comparisons.compare(row_id, **options)

    def _work_on_rollout(self, name: str, row_id: int) -> None:
        if name == "advance_rollout":
            upkeep.advance_rollout(row_id, self.clock())
        else:
            looks.look_at_rollout(row_id, config=self.config, look=self.wire.look, now=self.clock)
