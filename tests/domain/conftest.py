"""Provide fixtures that several tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.models.changes import Change
from app.models.sites import Site
from tests.support.emails import turn_email_on
from tests.support.factories import check, propose
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.smtp_server import RunningServer, running_smtp


@pytest.fixture
def proposed(ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock) -> Change:
    """An update that Ben proposed and whose pre-check passed."""
    return check(propose(ready, ben, clock()), fake, config)


@pytest.fixture
def relay() -> Iterator[RunningServer]:
    """A server that accepts e-mail."""
    with running_smtp() as running:
        yield running


@pytest.fixture
def email_on(
    relay: RunningServer, ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    turn_email_on(ana, config, clock(), port=relay.port)
