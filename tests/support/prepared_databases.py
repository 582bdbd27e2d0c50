"""Databases made once in each process and copied for each test.

Pairing a site takes longer than most tests that need a paired one, or five of them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

from app import queue
from app.config import Config
from app.domain.actor import Actor
from app.models import migrate
from app.models.base import db, use_database
from tests.support.canaries import CanaryWorld
from tests.support.factories import make_site, make_user, pair, read_report, report
from tests.support.fakes import Clock, FakeSite, RecordingQueue, at
from tests.support.rollouts import RolloutWorld

# The content of a database: empty tables; Ana and a paired site; the same with its first report.
EMPTY, PAIRED, READY = "migrated", "paired", "ready"
# Databases with several sites, for the fixtures of these names.
WORLDS = ("rollout_world", "small_rollout_world", "canary_world", "busy_fleet")
# When the sites of these databases were added, paired and asked.
BEGAN_AT = "2026-11-24 10:00"


class Server(Protocol):
    """The storage of the databases of one kind."""

    def restore(self, name: str, config: Config, fill: Callable[[Config], None]) -> None:
        """Replace `config`'s database by a copy of the one with this name.

        `fill` makes that one when it is first asked for, or each time where it cannot be kept.
        """


@dataclass
class SqliteFiles:
    """SQLite databases, kept in memory."""

    folder: Path
    _contents: dict[str, bytes] = field(default_factory=dict)

    def restore(self, name: str, config: Config, fill: Callable[[Config], None]) -> None:
        if name not in self._contents:
            path = self.folder / f"{name}.db"
            fill(replace(config, database_url=f"sqlite:///{path}"))
            self._contents[name] = path.read_bytes()
        (config.var_dir / "aura.db").write_bytes(self._contents[name])


@dataclass
class PreparedDatabases:
    """The databases of one kind, with the WordPress behind the sites in each."""

    server: Server
    _behind: dict[str, Any] = field(default_factory=dict)

    def restore(self, name: str, config: Config) -> Any:
        """Replace `config`'s database by a copy of this one; return a copy of its fake sites.

        That is a FakeSite, one of the worlds, or None.
        """
        self.server.restore(name, config, lambda where: self._fill(name, where))
        return copy.deepcopy(self._behind.get(name))

    def _fill(self, name: str, config: Config) -> None:
        use_database(config.database_url)
        with db.connection_context():
            migrate.apply_missing()
            if name != EMPTY:
                # The queue of the first test must stay empty.
                with patch.object(queue, "_backend", RecordingQueue()) as jobs:
                    self._behind[name] = _behind(name, config, jobs)


def _behind(name: str, config: Config, jobs: RecordingQueue) -> Any:
    """Add Ana and her sites, pair these, and return the WordPress behind them."""
    clock = Clock(at(BEGAN_AT))
    ana = Actor.of(make_user("Ana", "owner"), "192.0.2.1")
    if name == "rollout_world":
        return RolloutWorld.make(ana, config, clock)
    if name == "small_rollout_world":
        return RolloutWorld.make(ana, config, clock, count=3)
    if name == "canary_world":
        return CanaryWorld.start(ana, config, clock, jobs)
    if name == "busy_fleet":
        # Imported here because few tests need this module, which imports most of Aura.
        from tests.support.busy_fleet import Fleet

        return Fleet.make(ana, config)
    return _site(ana, config, clock, has_reported=name == READY)


def _site(ana: Actor, config: Config, clock: Clock, *, has_reported: bool) -> FakeSite:
    site = make_site(ana, now=clock())
    fake = FakeSite(home=site.url, clock=clock, report=report())
    pair(site, fake, by=ana, config=config)
    if has_reported:
        read_report(site, fake, config=config)
    return fake
