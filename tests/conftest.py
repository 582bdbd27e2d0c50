"""What every test may ask for: a fresh database, a frozen clock, three people, a site."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import queue
from app.config import Config
from app.domain.actor import Actor
from app.models import migrate
from app.models.base import db
from app.models.sites import Site
from tests.factories import make_member, make_site, pair, report
from tests.fakes import Clock, FakeSite, RecordingQueue, at

POSTGRES_URL = os.environ.get("AURA_TEST_POSTGRES_URL", "")
"""Names an empty PostgreSQL database of which the tests may drop everything."""


@pytest.fixture()
def config(tmp_path: Path) -> Config:
    return Config.for_tests(tmp_path)


@pytest.fixture()
def database(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """A migrated database with an open connection."""
    monkeypatch.setenv("AURA_VAR", str(config.var_dir))
    migrate.to_newest(config)
    with db.connection_context():
        yield config


@pytest.fixture()
def jobs() -> RecordingQueue:
    """The queue, which remembers jobs instead of running them."""
    recording = RecordingQueue()
    queue.use(recording)
    return recording


@pytest.fixture()
def clock() -> Clock:
    return Clock(at("2026-11-24 10:00"))


@pytest.fixture()
def ana(database: Config) -> Actor:
    """Owns the agency."""
    return Actor.of(make_member("Ana", "owner"), "192.0.2.1")


@pytest.fixture()
def ben(database: Config) -> Actor:
    """Works there."""
    return Actor.of(make_member("Ben", "operator"), "192.0.2.2")


@pytest.fixture()
def cleo(database: Config) -> Actor:
    """May look, and nothing else."""
    return Actor.of(make_member("Cleo", "viewer"), "192.0.2.3")


@pytest.fixture()
def site(ana: Actor, clock: Clock, jobs: RecordingQueue) -> Site:
    """A site that was added and nothing more."""
    return make_site(ana, now=clock())


@pytest.fixture()
def fake(site: Site, clock: Clock) -> FakeSite:
    """The WordPress behind `site`; nobody has pasted a token there."""
    return FakeSite(home=site.url, clock=clock, report=report())


@pytest.fixture()
def paired(site: Site, fake: FakeSite, ana: Actor, config: Config, jobs: RecordingQueue) -> Site:
    """The same site, paired; its first sync is queued."""
    pair(site, fake, by=ana, config=config)
    jobs.jobs.clear()
    return site
