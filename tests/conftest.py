"""Shared fixtures: a fresh database, a frozen clock, users and a site."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from app import queue
from app.config import Config
from app.domain.actor import Actor
from app.models import migrate
from app.models.accounts import User
from app.models.base import db, use_database
from app.models.clients import Client
from app.models.sites import Site
from tests.support import hypothesis_profiles, part_times, selection
from tests.support import quick_passwords as passwords
from tests.support.busy_writers import BusyWriter
from tests.support.canaries import CanaryWorld
from tests.support.config import make_config
from tests.support.factories import make_site, make_user, pair, read_report, report
from tests.support.fakes import Clock, FakeSite, RecordingQueue, at
from tests.support.postgres import Cluster, Given
from tests.support.prepared_databases import (
    BEGAN_AT,
    EMPTY,
    PAIRED,
    READY,
    WORLDS,
    PreparedDatabases,
    SqliteFiles,
)
from tests.support.rollouts import RolloutWorld

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.busy_fleet import Fleet

# Where it is set, the tests use that PostgreSQL database, and drop everything in it,
# instead of starting a server of their own.
POSTGRES_URL = os.environ.get("AURA_TEST_POSTGRES_URL", "")


def pytest_addoption(parser: pytest.Parser) -> None:
    selection.add_option(parser)


def pytest_make_parametrize_id(val: object) -> str | None:
    return selection.name_of_parameter(val)


def pytest_configure(config: pytest.Config) -> None:
    hypothesis_profiles.load(thorough=config.getoption(selection.OPTION))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    part_times.print_parts(terminalreporter)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Exclude modules and tests from garbage collection, because all live until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


# First, because pytest-xdist reads the groups in this hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    selection.deselect_nightly(config, items)
    selection.group_by_worker(items)
    selection.order(items)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests with a database on SQLite and, nightly, on PostgreSQL.

    Tests marked `both_databases` are about SQL and run on both in every run, except those of such
    a module that are marked with `every_run=False`. Those marked `sqlite_only` measure SQLite
    itself, or what does not depend on the database.
    """
    fixtures = set(metafunc.fixturenames)
    if "config" not in fixtures:
        return
    kinds: list[object] = ["sqlite"]
    is_about_sqlite = metafunc.definition.get_closest_marker("sqlite_only")
    if fixtures & {"database", "empty_database"} and not is_about_sqlite:
        about_sql = metafunc.definition.get_closest_marker("both_databases")
        is_usual = about_sql is not None and about_sql.kwargs.get("every_run", True)
        kinds += ["postgresql"] if is_usual else selection.nightly("postgresql")
    metafunc.parametrize("config", kinds, indirect=True)


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Spend no time on hashing passwords."""
    with passwords.quick():
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_sqlite() -> Iterator[None]:
    """Have SQLite not wait for the disk, because test data need not survive a power failure."""
    with patch.dict("app.models.base._SQLITE_PRAGMAS", synchronous="off"):
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster | Given]:
    """A PostgreSQL for this process, started on first use."""
    server = Given(POSTGRES_URL) if POSTGRES_URL else Cluster.create()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The one browser of this process: Playwright refuses to start twice in a thread."""
    from tests.support.chromium import running_chromium

    with running_chromium() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A migrated SQLite database."""
    config = make_config(tmp_path_factory.mktemp("migrated"))
    migrate.to_newest(config.database_url, config.var_dir)
    return (config.var_dir / "aura.db").read_bytes()


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> PreparedDatabases:
    """The SQLite databases that tests begin with."""
    return PreparedDatabases(SqliteFiles(tmp_path_factory.mktemp("prepared")))


@pytest.fixture(scope="session")
def postgres_databases(postgres: Cluster | Given) -> PreparedDatabases:
    """The PostgreSQL databases that tests begin with."""
    return PreparedDatabases(postgres)


@pytest.fixture
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    if request.param == "sqlite":
        return make_config(tmp_path)
    return make_config(tmp_path, database_url=request.getfixturevalue("postgres").url())


@pytest.fixture
def empty_database(config: Config, request: pytest.FixtureRequest) -> Iterator[Config]:
    """A bound database without a table, and an open connection to it."""
    if request.node.callspec.params["config"] == "postgresql":
        request.getfixturevalue("postgres").blank()
    use_database(config.database_url)
    db.connect()
    yield config
    db.close()


@pytest.fixture
def begins_with(request: pytest.FixtureRequest) -> str:
    """The initial content of this test's database: EMPTY, PAIRED, READY or one of WORLDS."""
    if request.node.get_closest_marker("own_site"):
        return EMPTY
    fixtures = request.fixturenames
    world = next((name for name in WORLDS if name in fixtures), "")
    if world:
        return world
    return READY if "ready" in fixtures else PAIRED if "paired" in fixtures else EMPTY


@pytest.fixture
def prepared(config: Config, begins_with: str, request: pytest.FixtureRequest) -> Any:
    """The fake sites of this test's database, which is not open yet."""
    kind = request.node.callspec.params["config"]
    name = {"sqlite": "sqlite_databases", "postgresql": "postgres_databases"}[kind]
    databases: PreparedDatabases = request.getfixturevalue(name)
    return databases.restore(begins_with, config)


@pytest.fixture
def database(config: Config, prepared: Any) -> Iterator[Config]:
    """A migrated database with an open connection."""
    use_database(config.database_url)
    db.connect()
    yield config
    db.close()


@pytest.fixture(scope="session")
def busy_writer() -> Iterator[BusyWriter]:
    """A second process that writes to the database of one test after another."""
    writer = BusyWriter()
    yield writer
    writer.stop()


@pytest.fixture
def busy_database(database: Config, busy_writer: BusyWriter) -> Iterator[None]:
    """Have another process write to this test's database until the test ends."""
    with busy_writer.writing_to(database):
        yield


@pytest.fixture
def job_environment(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment in which a job finds this test's database, and no Redis."""
    monkeypatch.setenv("AURA_VAR", str(config.var_dir))
    monkeypatch.setenv("DATABASE_URL", config.database_url)
    monkeypatch.setenv("REDIS_URL", f"unix://{config.var_dir}/absent")
    monkeypatch.setenv("AURA_SEALING_KEYS", "t1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
    yield
    db.close()


@pytest.fixture
def jobs() -> RecordingQueue:
    """The queue, which remembers jobs instead of running them."""
    recording = RecordingQueue()
    queue.use(recording)
    return recording


@pytest.fixture
def clock() -> Clock:
    return Clock(at(BEGAN_AT))


@pytest.fixture
def ana(database: Config, begins_with: str) -> Actor:
    """The owner of the agency."""
    user = make_user("Ana", "owner") if begins_with == EMPTY else User.get(User.name == "Ana")
    return Actor.of(user, "192.0.2.1")


@pytest.fixture
def ben(database: Config) -> Actor:
    """An operator of the agency."""
    return Actor.of(make_user("Ben", "operator"), "192.0.2.2")


@pytest.fixture
def mia(database: Config) -> Actor:
    """A manager of the agency, who is not its owner."""
    return Actor.of(make_user("Mia", "manager"), "192.0.2.5")


@pytest.fixture
def cleo(database: Config) -> Actor:
    """A user who may only view."""
    return Actor.of(make_user("Cleo", "viewer"), "192.0.2.3")


@pytest.fixture
def dora(database: Config) -> Actor:
    """A client user."""
    client = Client.named("Bakery Ltd")
    return Actor.of(make_user("Dora", "client", client_id=client.id), "192.0.2.4")


@pytest.fixture
def site(ana: Actor, clock: Clock, jobs: RecordingQueue, begins_with: str) -> Site:
    """A site that was only added, unless the test uses `paired` or `ready`."""
    return make_site(ana, now=clock()) if begins_with == EMPTY else Site.get()


@pytest.fixture
def fake(site: Site, clock: Clock, prepared: FakeSite | None) -> FakeSite:
    """The WordPress behind `site`, without a token unless the site is paired."""
    if prepared is None:
        return FakeSite(home=site.url, clock=clock, report=report())
    prepared.clock = clock
    return prepared


@pytest.fixture
def paired(
    site: Site, fake: FakeSite, ana: Actor, config: Config, jobs: RecordingQueue, begins_with: str
) -> Site:
    """The same site, paired; its first sync is queued."""
    if begins_with == EMPTY:
        pair(site, fake, by=ana, config=config)
        jobs.jobs.clear()
    return site


@pytest.fixture
def ready(
    paired: Site, fake: FakeSite, config: Config, jobs: RecordingQueue, begins_with: str
) -> Site:
    """The same site after its first sync, with one plugin that may be updated."""
    if begins_with != READY:
        read_report(paired, fake, config=config)
        jobs.jobs.clear()
    return paired


@pytest.fixture
def rollout_world(
    prepared: RolloutWorld, ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> RolloutWorld:
    """Five paired sites, A to E, each with the same update."""
    return prepared.continue_in(config, clock)


@pytest.fixture
def small_rollout_world(
    prepared: RolloutWorld, ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> RolloutWorld:
    """The same with three sites, A, B and C."""
    return prepared.continue_in(config, clock)


@pytest.fixture
def canary_world(
    prepared: CanaryWorld, ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue
) -> CanaryWorld:
    """Sites A, B and C, a rule for all of them, and the tag of the first ones on A."""
    prepared.queue = jobs
    prepared.continue_in(config, clock)
    return prepared


@pytest.fixture
def busy_fleet(prepared: Fleet, ana: Actor, config: Config, jobs: RecordingQueue) -> Fleet:
    """Three paired sites that reported hours ago."""
    prepared.config = config
    return prepared
