"""Provide an approved change and the steps of its job."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import settlement
from app.models.changes import (
    Change,
)
from app.models.sites import Site
from tests.support.factories import (
    approve,
    check,
    propose,
    run_change,
)
from tests.support.fakes import Clock, FakeSite, RecordingQueue


@pytest.fixture
def approved(
    ready: Site,
    ben: Actor,
    ana: Actor,
    fake: FakeSite,
    config: Config,
    clock: Clock,
    jobs: RecordingQueue,
) -> Change:
    """A change proposed by Ben, approved by Ana and queued."""
    change = check(propose(ready, ben, clock()), fake, config)
    approve(change, ana, config, clock())
    jobs.jobs.clear()
    fake.calls.clear()
    return change


@pytest.fixture
def run(fake: FakeSite, config: Config) -> Callable[[Change], str]:
    return lambda change: run_change(change, fake, config)


@pytest.fixture
def settle(fake: FakeSite, config: Config) -> Callable[[Change], str]:
    def settle_once(change: Change) -> str:
        state = settlement.settle_change(
            change.id, config=config, call=fake.call, look=fake.look, now=fake.clock
        )
        change.refresh()
        return state

    return settle_once
