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
from app.models.base import db, is_postgres, use_database
from app.models.sites import Client, Site
from tests.factories import make_member, make_site, pair, read_report, report
from tests.fakes import Clock, FakeSite, RecordingQueue, at

# Names a PostgreSQL database of which the tests drop everything. When it is set,
# every test that needs a database runs on both.
POSTGRES_URL = os.environ.get("AURA_TEST_POSTGRES_URL", "")


@pytest.fixture(params=["sqlite", "postgresql"] if POSTGRES_URL else ["sqlite"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    if request.param == "sqlite":
        return Config.for_tests(tmp_path)
    return Config.for_tests(tmp_path, database_url=POSTGRES_URL)


@pytest.fixture
def empty_database(config: Config) -> Iterator[Config]:
    """A bound database without a table, and an open connection to it."""
    use_database(config.database_url)
    db.connect()
    if is_postgres():
        db.execute_sql("DROP SCHEMA public CASCADE")
        db.execute_sql("CREATE SCHEMA public")
    yield config
    db.close()


@pytest.fixture
def database(empty_database: Config) -> Config:
    """A migrated database with an open connection."""
    migrate.apply_missing()
    return empty_database


@pytest.fixture
def jobs() -> RecordingQueue:
    """The queue, which remembers jobs instead of running them."""
    recording = RecordingQueue()
    queue.use(recording)
    return recording


@pytest.fixture
def clock() -> Clock:
    return Clock(at("2026-11-24 10:00"))


@pytest.fixture
def ana(database: Config) -> Actor:
    """Owns the agency."""
    return Actor.of(make_member("Ana", "owner"), "192.0.2.1")


@pytest.fixture
def ben(database: Config) -> Actor:
    """Works there."""
    return Actor.of(make_member("Ben", "operator"), "192.0.2.2")


@pytest.fixture
def cleo(database: Config) -> Actor:
    """May look, and nothing else."""
    return Actor.of(make_member("Cleo", "viewer"), "192.0.2.3")


@pytest.fixture
def dora(database: Config) -> Actor:
    """Is the client of some sites, and not of the agency."""
    client = Client.named("Bakery Ltd")
    return Actor.of(make_member("Dora", "client", client_id=client.id), "192.0.2.4")


@pytest.fixture
def site(ana: Actor, clock: Clock, jobs: RecordingQueue) -> Site:
    """A site that was added and nothing more."""
    return make_site(ana, now=clock())


@pytest.fixture
def fake(site: Site, clock: Clock) -> FakeSite:
    """The WordPress behind `site`; nobody has pasted a token there."""
    return FakeSite(home=site.url, clock=clock, report=report())


@pytest.fixture
def paired(site: Site, fake: FakeSite, ana: Actor, config: Config, jobs: RecordingQueue) -> Site:
    """The same site, paired; its first sync is queued."""
    pair(site, fake, by=ana, config=config)
    jobs.jobs.clear()
    return site


@pytest.fixture
def ready(paired: Site, fake: FakeSite, config: Config, jobs: RecordingQueue) -> Site:
    """The same site, after its first report: one plugin of it may be updated."""
    read_report(paired, fake, config=config)
    jobs.jobs.clear()
    return paired
