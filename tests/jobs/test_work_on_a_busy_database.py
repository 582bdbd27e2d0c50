"""Every job and every periodic task is done while other processes write to the same database."""

from __future__ import annotations

import pytest

from app import queue
from app.config import Config
from app.domain.actor import Actor
from app.models.base import utcnow
from jobs import periodic
from tests.support.busy_fleet import JOBS, PERIODIC, Fleet
from tests.support.fakes import RecordingQueue

pytestmark = pytest.mark.both_databases


@pytest.fixture
def fleet(ana: Actor, config: Config, jobs: RecordingQueue) -> Fleet:
    return Fleet.make(ana, config)


def test_the_tables_name_everything_that_a_worker_does() -> None:
    assert PERIODIC.keys() == periodic.TASKS.keys()
    assert JOBS.keys() == queue.JOBS


@pytest.mark.parametrize("name", sorted(PERIODIC))
def test_a_periodic_task_is_done(
    name: str, fleet: Fleet, config: Config, busy_database: None
) -> None:
    prepare, count = PERIODIC[name]
    prepare(fleet)
    assert periodic.TASKS[name](config, utcnow()) == count


@pytest.mark.parametrize("name", sorted(JOBS))
def test_a_job_is_done(name: str, fleet: Fleet, busy_database: None) -> None:
    run, states = JOBS[name]
    assert run(fleet) == states
