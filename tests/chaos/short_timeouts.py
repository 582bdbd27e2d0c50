"""Shorten Aura's timeouts, so that hours of failures and retries take minutes.

Their order stays the same: a lease is longer than the work that holds it, and a site that has not
received a request by START_REFUSED_AFTER refuses it from then on.
`python -m tests.chaos.short_timeouts jobs.worker` runs a part of Aura with them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from unittest.mock import patch

from app import protocol, queue
from app.domain.changes import dry_run, execution, settlement, site_probe
from app.domain.inventory import site_sync
from app.http import site_client
from jobs import schedule

ORDER_S = 4.0

SHORTENED = {
    protocol: {"MAX_SKEW_S": 14},
    site_client: {"MAX_START_DELAY_S": 4.0},
    site_probe: {"PROBE_TIMEOUT_S": 2.0},
    execution: {
        "REQUEST_TIMEOUT_S": ORDER_S,
        "LEASE": timedelta(seconds=14),
        "STUCK_GRACE": timedelta(seconds=1),
        "LOST_AFTER": timedelta(seconds=3),
    },
    settlement: {
        "LEASE": timedelta(seconds=45),
        "FIRST_RETRY": timedelta(seconds=1),
        "LONGEST_RETRY": timedelta(seconds=8),
        "START_REFUSED_AFTER": timedelta(seconds=22),
    },
    dry_run: {
        "LEASE": timedelta(seconds=45),
        "FIRST_RETRY": timedelta(seconds=1),
        "LONGEST_RETRY": timedelta(seconds=8),
    },
    site_sync: {"STUCK_AFTER": timedelta(seconds=60), "LOST_AFTER": timedelta(seconds=60)},
    schedule: {"EVERY_S": 4},
}
JOB_TIMEOUT_S = 12


@contextmanager
def shortened() -> Iterator[None]:
    """Use the short timeouts for as long as the block lasts."""
    with ExitStack() as stack:
        for module, values in SHORTENED.items():
            stack.enter_context(patch.multiple(module, **values))
        stack.enter_context(patch.dict(queue.OPTIONS, job_timeout=JOB_TIMEOUT_S))
        yield


if __name__ == "__main__":
    with shortened():
        importlib.import_module(sys.argv[1]).main()
