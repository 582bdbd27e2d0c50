"""Databases made once in a process and copied for each test that begins with the same.

Pairing a site takes longer than most tests that need a paired one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol
from unittest.mock import patch

from app import queue
from app.config import Config
from app.domain.actor import Actor
from app.models import migrate
from app.models.base import db, use_database
from tests.support.factories import make_site, make_user, pair, read_report, report
from tests.support.fakes import Clock, FakeSite, RecordingQueue, at

# What a database contains: its tables; also Ana and a site that is paired; also its first report.
EMPTY, PAIRED, READY = "migrated", "paired", "ready"
# When the site of these databases was added, paired and asked.
BEGAN_AT = "2026-11-24 10:00"


class Server(Protocol):
    """Where databases of one kind are kept."""

    def restore(self, name: str, config: Config, fill: Callable[[Config], None]) -> None:
        """Make `config`'s database a copy of the one with this name.

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
    """The databases of one kind, with the WordPress behind the site in each."""

    server: Server
    _sites: dict[str, FakeSite] = field(default_factory=dict)

    def restore(self, name: str, config: Config) -> FakeSite | None:
        """Make `config`'s database a copy of this one; return a copy of its site, if it has one."""
        self.server.restore(name, config, lambda where: self._fill(name, where))
        return copy.deepcopy(self._sites.get(name))

    def _fill(self, name: str, config: Config) -> None:
        use_database(config.database_url)
        with db.connection_context():
            migrate.apply_missing()
            if name != EMPTY:
                # The queue of the test that asks for it first is to stay empty.
                with patch.object(queue, "_backend", RecordingQueue()):
                    self._sites[name] = _site(config, has_reported=name == READY)


def _site(config: Config, *, has_reported: bool) -> FakeSite:
    """Add Ana and her site, pair it, and return the WordPress behind it."""
    clock = Clock(at(BEGAN_AT))
    ana = Actor.of(make_user("Ana", "owner"), "192.0.2.1")
    site = make_site(ana, now=clock())
    fake = FakeSite(home=site.url, clock=clock, report=report())
    pair(site, fake, by=ana, config=config)
    if has_reported:
        read_report(site, fake, config=config)
    return fake
