"""Update a part of a fleet by a rule: real workers, sites behind HTTP, and a busy database."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from app import queue
from app.config import Config
from app.domain.changes import auto_update_rules
from app.models.base import utcnow
from app.models.changes import PROPOSED, SUCCEEDED, Change
from app.models.sites import Site
from app.models.tags import SiteTag
from jobs import periodic
from tests.chaos.fleet import Fleet
from tests.chaos.wire import Wire, served
from tests.support.busy_writers import busy_writers
from tests.support.rules import terms
from tests.support.running_redis import running_redis

SITES = 60
COVERED = 13
TAG = "care plan"
_TIMEOUT_S = 300

pytestmark = [pytest.mark.nightly, pytest.mark.both_databases]


@pytest.fixture
def with_redis(
    database: Config, job_environment: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Config]:
    """Aura's configuration with a Redis that this process and its children use."""
    with running_redis(database.var_dir / "r") as url:
        monkeypatch.setenv("REDIS_URL", url)
        monkeypatch.setenv("AURA_ALLOW_NETS", "127.0.0.0/8")
        queue.use(queue.RedisBackend(url))
        yield replace(database, redis_url=url)


@pytest.fixture
def fleet(with_redis: Config) -> Iterator[Fleet]:
    """Paired sites behind a web server, each with one update that works."""
    dice = random.Random(1)
    wire = Wire(dice, late_s=0)
    with served(wire) as address:
        sites = Fleet(with_redis, utcnow)
        sites.add([f"{address}/s{number}" for number in range(SITES)], 1, dice)
        for fake in sites.sites.values():
            fake.changes.plays.clear()
            wire.lay(fake.home.rpartition("/")[2], fake)
        yield sites


@contextmanager
def workers() -> Iterator[None]:
    """Run Aura's workers as `make run` starts them."""
    process = subprocess.Popen([sys.executable, "-m", "jobs.worker"], env=dict(os.environ))
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline, [change.state for change in Change.select()]
        time.sleep(0.2)


def count(state: str) -> int:
    return Change.select().where(Change.state == state).count()


def test_each_round_of_a_rule_for_13_of_60_sites_reaches_all_of_them(
    fleet: Fleet, with_redis: Config
) -> None:
    for site in Site.select().order_by(Site.id).limit(COVERED):
        SiteTag.replace_all(site, {TAG: TAG})
    rule = terms(utcnow, tags=(TAG,), release_types=("minor",))
    auto_update_rules.create_rule(rule, by=fleet.ana, confirmed_at=utcnow(), now=utcnow())
    one_round = periodic.TASKS["apply_auto_update_rules"]
    with busy_writers(with_redis), workers():
        assert one_round(with_redis, utcnow()) == COVERED
        wait_until(lambda: count(PROPOSED) == COVERED)
        assert one_round(with_redis, utcnow()) == COVERED
        wait_until(lambda: count(SUCCEEDED) == COVERED)
    assert Change.select().count() == COVERED
