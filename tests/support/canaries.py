"""A fleet whose rule installs releases first on the sites tagged “canary”."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import auto_update_rules, canary_looks
from app.domain.changes.rule_canaries import Canaries, CanaryWait
from app.models.auto_update_rules import AutoUpdateRule
from app.models.changes import CHECKING, SUCCEEDED, Change
from app.models.sites import Site
from app.models.tags import SiteTag
from tests.support.factories import AKISMET, check, read_report
from tests.support.fakes import Clock, RecordingQueue
from tests.support.rollouts import RolloutWorld
from tests.support.rules import terms

RELEASE = ("plugin", AKISMET, "5.3.1")


def tag(site: Site, text: str = "canary") -> None:
    SiteTag.create(site=site, text=text, folded=text.casefold())


class CanaryWorld(RolloutWorld):
    """Sites A, B, C … of which the first `canaries` are tagged, and a rule for all of them."""

    queue: RecordingQueue
    rule: AutoUpdateRule

    @classmethod
    def start(
        cls,
        ana: Actor,
        config: Config,
        clock: Clock,
        jobs: RecordingQueue,
        *,
        canaries: int = 1,
        **changes: Any,
    ) -> CanaryWorld:
        world = cls(ana, config, clock, {})
        world.queue = jobs
        for number, name in enumerate("ABC"):
            site = world.add_site(name)
            if number < canaries:
                tag(site)
        usual = {"canary_tag": "canary", "canary_hours": 24, **changes}
        world.rule = auto_update_rules.create_rule(
            terms(clock, **usual), by=ana, confirmed_at=clock(), now=clock()
        )
        jobs.jobs.clear()
        return world

    def sync(self, *names: str) -> None:
        """Sync these sites, or all of them; one that is updated lists the update no more."""
        for site_id, fake in self.sites.items():
            site = Site.get_by_id(site_id)
            if names and site.name not in names:
                continue
            if fake.report["plugins"][0]["version"] == "5.3.1":
                fake.report["updates"]["plugins"] = []
            read_report(site, fake, config=self.config)

    def round(self) -> None:
        """Run the schedule once, then all jobs that it queued."""
        auto_update_rules.approve_due(self.config, self.clock())
        auto_update_rules.propose_due(self.clock())
        for change in list(Change.select().where(Change.state == CHECKING)):
            check(change, self.sites[change.site_id], self.config)
        auto_update_rules.approve_due(self.config, self.clock())
        self.work()
        self.sync()
        self.look_at_canaries()

    def look_at_canaries(self) -> list[str]:
        """Look at the canaries that the schedule queued."""
        queued_ids = [ids[0] for name, ids, _ in self.queue.jobs if name == "look_at_canary"]
        self.queue.jobs.clear()
        return [self.look_at(change_id) for change_id in queued_ids]

    def look_at(self, change_id: int) -> str:
        change = Change.get_by_id(change_id)
        look = self.sites[change.site_id].look
        return canary_looks.look_at_canary(change_id, config=self.config, look=look, now=self.clock)

    def pass_hours(self, hours: float) -> None:
        """Let time pass, then sync every site and run the schedule twice."""
        self.clock.now += timedelta(hours=hours)
        self.sync()
        self.round()
        self.round()

    def updated(self) -> str:
        """Return the names of the updated sites."""
        found = Change.select(Change, Site).join(Site).where(Change.state == SUCCEEDED)
        return "".join(sorted(change.site.name for change in found))

    def held(self) -> tuple[str, str] | None:
        """Return why the rule waits on a site without the tag, and the site it waits for."""
        wait: CanaryWait | None = Canaries(self.clock()).why_rule_waits(self.rule, (), RELEASE)
        return (wait.code, wait.site.name if wait.site else "") if wait else None
