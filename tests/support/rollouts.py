"""A rollout over several sites: approve its waves, and run workers and the schedule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, Self

from app.config import Config
from app.domain.actor import Actor
from app.domain.audit.documents import entry_document
from app.domain.changes import execution, proposals
from app.domain.changes.approvals import Terms
from app.domain.changes.proposals import UpdateRequest
from app.domain.rollouts import control, evidence, looks, starting, upkeep
from app.domain.rollouts.wave_choice import WaveChoice
from app.http.site_client import Channel, ProbeResponse, Reply
from app.models.audit import AuditEntry
from app.models.changes import APPROVED, WAITING, Change
from app.models.rollouts import Rollout
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from tests.support.factories import AKISMET, check, make_site, pair, read_report, report
from tests.support.fakes import Clock, FakeSite

ONE_THEN_THE_REST = WaveChoice(count=1, percent=0, wait_hours=24)


class PlayedSite(Protocol):
    """A WordPress with SiteAgent as Aura reaches it: a FakeSite, or a real one."""

    home: str
    clock: Clock

    def paste(self, text: str) -> None: ...
    def call(self, channel: Channel, op: str, arguments: dict[str, Any], **more: Any) -> Reply: ...
    def look(self, url: str, **more: Any) -> ProbeResponse: ...


@dataclass
class RolloutWorld:
    """Paired sites A, B, C … of one agency, each with the same update."""

    ana: Actor
    config: Config
    clock: Clock
    sites: dict[int, Any]
    ident: str = AKISMET
    to_version: str = "5.3.1"

    @classmethod
    def make(cls, ana: Actor, config: Config, clock: Clock, count: int = 5) -> RolloutWorld:
        world = cls(ana, config, clock, {})
        for number in range(count):
            world.add_site(chr(ord("A") + number))
        return world

    def continue_in(self, config: Config, clock: Clock) -> Self:
        """Continue in a copy of the database, with another clock."""
        self.config, self.clock = config, clock
        for played in self.sites.values():
            played.clock = clock
        return self

    def add_site(self, name: str) -> Site:
        fake = FakeSite(f"https://{name.lower()}.example", self.clock, report())
        fake.report["wordpress"] |= {"home": fake.home, "site_url": fake.home}
        site = self.connect(name, fake)
        read_report(site, fake, config=self.config)
        return site

    def connect(self, name: str, played: PlayedSite) -> Site:
        site = make_site(self.ana, now=self.clock(), url=played.home, name=name)
        self.sites[site.id] = played
        return pair(site, played, by=self.ana, config=self.config)

    def site(self, name: str) -> Site:
        return Site.get(Site.name == name)

    def fake(self, name: str) -> Any:
        return self.sites[self.site(name).id]

    def change(self, name: str) -> Change:
        return Change.of_site(self.site(name), 1, EVERYTHING)[0]

    def states(self) -> str:
        """Return the states of all changes by site: `A succeeded, B approved`."""
        changes = Change.select(Change, Site).join(Site).order_by(Site.name)
        return ", ".join(f"{one.site.name} {one.state}" for one in changes)

    # ---- people ----

    def review(self) -> list[Change]:
        """Review the update on all sites as Ana, and run each pre-check."""
        sites = Site.select().where(Site.id.in_(list(self.sites))).order_by(Site.name)
        requests = [UpdateRequest(site, "plugin", self.ident, self.to_version) for site in sites]
        batch = proposals.review_changes(requests, by=self.ana, now=self.clock())
        return [check(change, self.sites[change.site_id], self.config) for change in batch]

    def approve(
        self, choice: WaveChoice = ONE_THEN_THE_REST, *, terms: Terms | None = None
    ) -> Rollout:
        batch = self.review()
        self.approve_reviewed(batch, choice, terms=terms)
        return Rollout.get()

    def approve_reviewed(
        self, batch: list[Change], choice: WaveChoice, *, terms: Terms | None = None
    ) -> int:
        return starting.approve_in_waves(
            batch,
            choice,
            by=self.ana,
            seen={change.id: change.digest for change in batch},
            confirmed_at=self.clock(),
            config=self.config,
            now=self.clock(),
            terms=terms or Terms(),
        )

    # ---- machines ----

    def run(self, name: str) -> str:
        """Run the change of this site in a worker, even if it is not due."""
        change, fake = self.change(name), self.fake(name)
        return execution.run_change(
            change.id, config=self.config, call=fake.call, look=fake.look, now=self.clock
        )

    def work(self) -> None:
        """Run every due change."""
        for change in Change.due(self.clock(), APPROVED, WAITING):
            fake = self.sites[change.site_id]
            execution.run_change(
                change.id, config=self.config, call=fake.call, look=fake.look, now=self.clock
            )

    def advance(self) -> str:
        """Run the schedule for the rollout once."""
        return upkeep.advance_rollout(Rollout.get().id, self.clock())

    def resume(self, reason: str = "It is fine") -> None:
        """Resume the rollout as Ana, who has just read its problems."""
        rollout = Rollout.get()
        control.resume_rollout(
            rollout,
            by=self.ana,
            seen=[one.key for one in evidence.read_evidence(rollout).findings],
            reason=reason,
            confirmed_at=self.clock(),
            now=self.clock(),
        )

    def look(self) -> None:
        """Look at the front page of every updated site."""
        for change in list(Change.select().where(Change.ended_at.is_null(False))):
            fake = self.sites[change.site_id]
            looks.look_at_rollout(change.id, config=self.config, look=fake.look, now=self.clock)

    def wait(self, **span: float) -> None:
        """Let time pass, then run the schedule and the workers."""
        self.clock.now += timedelta(**span)
        if self.advance() == "looking":
            self.look()
            self.advance()
        self.work()


def all_facts(event: str) -> list[dict[str, Any]]:
    """Return the facts of all entries of an event, oldest first."""
    entries = AuditEntry.select().where(AuditEntry.event == event).order_by(AuditEntry.seq)
    return [entry_document(entry)["facts"] for entry in entries]


def halted() -> tuple[str, str, str]:
    """Return the state of the only rollout, why it stopped, and the site that stopped it."""
    rollout = Rollout.get()
    return rollout.state, rollout.reason, rollout.site.name if rollout.site else ""
