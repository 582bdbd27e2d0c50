"""Run every job and every periodic task while other processes write to the same database."""

from __future__ import annotations

import pytest

from app import queue
from app.config import Config
from app.models.base import utcnow
from jobs import periodic
from tests.support.busy_fleet import JOBS, PERIODIC, Fleet

pytestmark = pytest.mark.both_databases


def test_the_tables_list_every_job_and_periodic_task() -> None:
    assert PERIODIC.keys() == periodic.TASKS.keys()
    assert JOBS.keys() == queue.JOBS


@pytest.mark.parametrize("name", sorted(PERIODIC))
def test_a_periodic_task_succeeds(
    name: str, busy_fleet: Fleet, config: Config, busy_database: None
) -> None:
    prepare, count = PERIODIC[name]
    prepare(busy_fleet)
    assert periodic.TASKS[name](config, utcnow()) == count


@pytest.mark.parametrize("name", sorted(JOBS))
def test_a_job_succeeds(name: str, busy_fleet: Fleet, busy_database: None) -> None:
    run, states = JOBS[name]
    assert run(busy_fleet) == states
