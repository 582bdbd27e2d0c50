"""A small fleet, the changes proposed for it, and the people who look after them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import approvals, proposals
from app.domain.changes.proposals import UpdateRequest, Window
from app.models.changes import ENDED, PROPOSED, Change
from app.models.sites import Site
from tests.support.factories import make_site, make_user, pair, plugin, read_report, report
from tests.support.fakes import FakeSite

OLD, NEW = "1.0", "1.1"
PLAYS = (
    *[("succeeded", "")] * 7,
    ("rolled_back", "fatal_after"),
    ("rolled_back", "probe_worse"),
    ("failed", "version_wrong_after"),
)


@dataclass
class Fleet:
    """The sites by their number in Aura, and who proposes (Ben) and approves (Ana)."""

    config: Config
    now: Callable[[], datetime]
    ana: Actor = field(init=False)
    ben: Actor = field(init=False)
    sites: dict[int, FakeSite] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ana = Actor.of(make_user("Ana", "owner"), "192.0.2.1")
        self.ben = Actor.of(make_user("Ben", "operator"), "192.0.2.2")

    def add(self, homes: list[str], plugins: int, dice: random.Random) -> None:
        """Pair sites with this many outdated plugins each, and random results of updates."""
        for home in homes:
            fake = FakeSite(home, self.now, _report(home, plugins))
            for ident in _idents(plugins):
                fake.changes.plays[ident] = dice.choice(PLAYS)
            site = make_site(self.ana, now=self.now(), url=home, name=f"Site {len(self.sites)}")
            pair(site, fake, by=self.ana, config=self.config)
            read_report(site, fake, config=self.config)
            self.sites[site.id] = fake

    def propose(self) -> None:
        """Propose every available update, as Ben."""
        now = self.now()
        window = Window(now, now + timedelta(days=13))
        for number, fake in self.sites.items():
            site = Site.get_by_id(number)
            requests = [
                UpdateRequest(site, "plugin", one["id"], NEW)
                for one in fake.report["updates"]["plugins"]
            ]
            if requests:
                terms = {"reason": "", "window": window, "now": now, "requested_at": now}
                proposals.create_proposals(requests, by=self.ben, **terms)

    def look_after(self) -> None:
        """Approve pending updates and check failed ones, as Ana."""
        for change in Change.select().where(Change.state == PROPOSED):
            approvals.approve_changes(
                [change],
                by=self.ana,
                seen={change.id: change.digest},
                confirmed_at=self.now(),
                config=self.config,
                now=self.now(),
            )
        for change in Change.select().where(Change.is_incident, Change.state.in_(ENDED)):
            proposals.close_incident(change, by=self.ana, note="looked", now=self.now())

    @property
    def is_done(self) -> bool:
        return not Change.select().where(Change.state.not_in(ENDED)).exists()


def _idents(plugins: int) -> list[str]:
    return [f"p{number}/p.php" for number in range(plugins)]


def _report(home: str, plugins: int) -> dict[str, Any]:
    site_report = report()
    usual = site_report["updates"]["plugins"][0]
    site_report["wordpress"] |= {"home": home, "site_url": home}
    site_report["plugins"] = [plugin(ident, name=ident, version=OLD) for ident in _idents(plugins)]
    site_report["updates"]["plugins"] = [
        {**usual, "id": ident, "version": NEW} for ident in _idents(plugins)
    ]
    return site_report
