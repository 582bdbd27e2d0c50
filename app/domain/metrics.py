"""What a monitoring system reads about this installation: numbers, and no names of sites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from app import queue_status
from app.config import Config
from app.models.call_log import SiteCall
from app.models.reports import Sync
from app.models.sites import Site
from app.queue_status import QueueStatus, QueueUnreachable

_CALLS_OF = timedelta(hours=1)


@dataclass(frozen=True)
class Metrics:
    """The state at one moment. Times are in seconds, and None if there is nothing to measure.

    `sync_lag_s` is the age of the oldest last sync of all sites that answer. `calls` of the last
    hour are by operation and outcome. `queue` is None while Redis does not answer.
    """

    sites: Mapping[str, int]
    sync_lag_s: float | None
    open_syncs: int
    calls: Mapping[tuple[str, str], int]
    queue: QueueStatus | None
    job_waits_s: float | None
    scheduler_silent_s: float | None


def read_metrics(config: Config, now: datetime) -> Metrics:
    """Measure now. A Redis that does not answer is part of the result."""
    try:
        found = queue_status.read_status(config.redis_url)
    except QueueUnreachable:
        found = None
    return Metrics(
        sites=Site.count_by_connection(),
        sync_lag_s=_age(Site.oldest_success(), now),
        open_syncs=Sync.count_open(),
        calls=SiteCall.count_since(now - _CALLS_OF),
        queue=found,
        job_waits_s=_age(found.oldest_at if found else None, now),
        scheduler_silent_s=_age(found.scheduler_seen_at if found else None, now),
    )


def _age(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else max((now - moment).total_seconds(), 0.0)
