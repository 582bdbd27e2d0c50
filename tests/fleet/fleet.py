"""The fleet: its sites, its people, and their actions."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.config import Config
from app.domain.actor import SCHEDULE, Actor
from app.domain.changes import approvals, candidates, proposals, site_assignment
from app.domain.changes.candidates import Candidate
from app.domain.changes.proposals import UpdateRequest, Window
from app.domain.connection import pairing
from app.domain.crosscheck import site_log
from app.domain.sites import sites
from app.models.auto_update_rules import AutoUpdateRule
from app.models.changes import PROPOSED, Change
from app.models.clients import CLIENT_APPROVAL, SELF_APPROVAL
from app.models.reports import Sync
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from tests.fleet.agency import PASSWORD, Login, as_actor
from tests.fleet.catalog import Client
from tests.fleet.market import Market
from tests.fleet.reports import make_report
from tests.fleet.site import FleetSite
from tests.fleet.timeline import FleetClock, Timeline, Wire

_UPDATED_KINDS = ("plugin", "theme")
# The highest version that a plugin of the catalog requires.
_NEEDED_PHP, _USUAL_PHP = "8.1", "8.2.29"
_WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Website:
    """A planned site: its name, client, address, and role in the history."""

    name: str
    client: Client
    home: str
    role: str = ""


@dataclass
class Fleet:
    """Everything about the fleet that is not in the database.

    `sites` are the simulated sites by their id in Aura.
    """

    config: Config
    seed: str
    clock: FleetClock
    wire: Wire
    timeline: Timeline
    market: Market
    logins: list[Login] = field(default_factory=list)
    sites: dict[int, FleetSite] = field(default_factory=dict)
    password: str = PASSWORD
    # The address of the site that waits for its pairing token, and the token.
    open_token: tuple[str, str] = ("", "")

    def __post_init__(self) -> None:
        self.wire.sites = self.sites

    def dice(self, what: str) -> random.Random:
        """Return a random generator for one purpose, independent of all others."""
        return random.Random(f"{self.seed}:{what}")

    @property
    def owner(self) -> Actor:
        return as_actor(next(one for one in self.logins if one.role == "owner"))

    @property
    def operator(self) -> Actor:
        return as_actor(next(one for one in self.logins if one.role == "operator"))

    def client_user(self, client_id: int) -> Actor:
        """Return the user who approves updates for a client."""
        found = next(one for one in self.logins if one.user.client_id == client_id)
        return as_actor(found)

    # ---- sites ----

    def add(self, website: Website) -> Site:
        """Add a site to Aura, with a WordPress that has no token yet."""
        now, dice = self.clock(), self.dice(f"site:{website.name}")
        site = sites.add_site(
            name=website.name,
            url=website.home,
            client_name=website.client.name,
            by=self.operator,
            now=now,
        )
        is_shop = "shop" in website.client.tags and dice.random() < 0.8
        report = make_report(website.home, dice, self.market, now, is_shop=is_shop)
        if website.role:
            # What happens to these sites must not depend on what their owners allow.
            if report["php"]["version"] < _NEEDED_PHP:
                report["php"]["version"] = _USUAL_PHP
            report["agent"]["permissions"] |= {"plugins": True, "themes": True}
        fake = FleetSite.make(
            website.name, website.home, self.clock, report, self.market, self.seed
        )
        fake.works = lambda: self.clock.advance(seconds=dice.randrange(5, 30))
        self.sites[site.id] = fake
        tags = [one for one in website.client.tags if one != "shop" or is_shop]
        site_assignment.set_tags(
            site,
            ", ".join(tags),
            by=self.owner,
            confirmed_at=now,
            agreed=[rule.id for rule in AutoUpdateRule.in_force(now)],
            now=now,
        )
        return site

    def pair(self, site: Site) -> None:
        """Pair a site. Its first sync is queued."""
        token, text = pairing.issue_token(
            site, by=self.operator, config=self.config, now=self.clock()
        )
        self.clock.advance(seconds=50)
        self.sites[site.id].paste(text)
        state = pairing.attempt_pairing(
            token.id, config=self.config, call=self.wire.call, now=self.clock
        )
        assert state == "used", state

    def paired(self) -> list[Site]:
        """Return the paired sites, in the order in which they were added."""
        listed = Site.select().where(Site.id.in_(list(self.sites))).order_by(Site.id)
        return [site for site in listed if site.is_paired]

    def sync(self, site: Site) -> None:
        """Sync a site as the schedule does, unless a sync is open."""
        if site.is_paired and Sync.open_for(site) is None:
            sync = Sync.ask(site, requested_by=SCHEDULE.name, now=self.clock())
            self.timeline.put("sync_sites", (sync.id,), 0)

    def sync_all(self, chosen: Iterable[Site]) -> None:
        for site in chosen:
            self.sync(site)

    def read_log(self, site: Site) -> str:
        """Read the site's own log, and compare it with the audit log."""
        return site_log.read_site_log(
            site.id, config=self.config, call=self.wire.call, now=self.clock
        )

    # ---- updates ----

    def possible(self, site: Site) -> list[Candidate]:
        """Return the plugins and themes of a site that could be updated now."""
        found = candidates.candidates_on_site(site, self.clock())
        return [one for one in found if one.may_be_proposed and one.target.kind in _UPDATED_KINDS]

    def propose(
        self, chosen: list[tuple[Site, Candidate]], reason: str, window: Window | None = None
    ) -> list[Change]:
        """Have the operator propose these updates together."""
        now = self.clock()
        requests = [
            UpdateRequest(site, one.target.kind, one.target.ident, str(one.target.available))
            for site, one in chosen
        ]
        window = window or Window(now, now + _WEEK)
        return proposals.create_proposals(
            requests, by=self.operator, reason=reason, window=window, now=now, requested_at=now
        )

    def decide(self, batch: list[Change]) -> None:
        """Approve the pending updates by the users who may decide."""
        for change in batch:
            change.refresh()
            if change.state != PROPOSED:
                continue
            approvals.approve_changes(
                [change],
                by=self._decider(change.site),
                seen={change.id: change.digest},
                confirmed_at=self.clock(),
                config=self.config,
                now=self.clock(),
            )

    def _decider(self, site: Site) -> Actor:
        if site.approvals == CLIENT_APPROVAL:
            return self.client_user(int(site.client_id))
        return self.operator if site.approvals == SELF_APPROVAL else self.owner

    def play(self, change: Change, outcome: str, reason: str = "") -> None:
        """Set how the site ends this update. With `lost` and `killed`, Aura gets no result."""
        site = self.sites[change.site_id]
        if outcome == "lost":
            site.losing.add("change.run")
        elif outcome == "killed":
            site.changes.killed.add(change.op_id)
        else:
            site.changes.plays[change.ident] = (outcome, reason)

    def check_failures(self, note: random.Random, texts: tuple[str, ...]) -> None:
        """Check every site with a failed update, as the operator."""
        failures = [one for one in Change.awaiting_people(EVERYTHING) if one.needs_checking]
        for change in failures:
            note_args = {"by": self.operator, "note": note.choice(texts), "now": self.clock()}
            if change.is_incident:
                proposals.close_incident(change, **note_args)
            else:
                proposals.acknowledge(change, **note_args)

    def moment(self, days: int, hour: int, minute: int = 0) -> datetime:
        """Return a time of day, `days` before the end of the history."""
        midnight = self.clock.ends_at.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight - timedelta(days=days) + timedelta(hours=hour, minutes=minute)

    def ago(self, **span: float) -> datetime:
        return self.clock.ends_at - timedelta(**span)
