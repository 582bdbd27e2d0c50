"""No schedule lets the other sites of a rule follow before the first sites prove a release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import auto_update_rules, rule_canaries
from app.models.auto_update_rules import AutoUpdateRule
from app.models.available_updates import AvailableUpdate
from app.models.canaries import CanaryLook
from app.models.changes import APPROVED, FAILED, REFUSED, ROLLED_BACK, SUCCEEDED, UNKNOWN, Change
from app.models.reports import Component, Report
from app.models.sites import Site
from app.models.uptime import Outage
from tests.support.canaries import CanaryWorld
from tests.support.factories import AKISMET
from tests.support.fakes import Clock, RecordingQueue, at

CANARIES = "AB"
HOUR = timedelta(hours=1)
STATES = (SUCCEEDED,) * 6 + (ROLLED_BACK, FAILED, REFUSED, UNKNOWN, APPROVED, "")


@dataclass
class First:
    """What happened on one of the first sites; an empty `state` means that nothing happened."""

    state: str
    ended_at: datetime
    lists_it: bool
    is_incident: bool
    outage_at: datetime | None = None
    looks: list[tuple[datetime, str]] = field(default_factory=list)

    def look_before(self, now: datetime) -> tuple[datetime, str] | None:
        return max((look for look in self.looks if look[0] <= now), default=None)


class Schedule:
    """A rule and what happened on its first sites, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        dice = self.dice = Random(seed)
        self.began_at = at("2026-11-24 00:00") + timedelta(seconds=dice.randrange(7 * 86_400))
        self.hours = dice.choice(rule_canaries.HOURS)
        self.from_hour = dice.randrange(24)
        self.to_hour = (self.from_hour + dice.randrange(1, 24)) % 24 or 24
        self.first = {name: self._first() for name in CANARIES}
        for first in self.first.values():
            first.looks = [self._look() for _ in range(3)]

    def _first(self) -> First:
        dice = self.dice
        state = dice.choice(STATES)
        ended_at = self.began_at + timedelta(seconds=dice.randrange(2 * 86_400))
        first = First(state, ended_at, dice.random() < 0.1, dice.random() < 0.1)
        if dice.random() < 0.2:
            first.outage_at = ended_at + timedelta(seconds=dice.randrange(-7_200, 8 * 86_400))
        return first

    def _look(self) -> tuple[datetime, str]:
        answer = self.dice.choice(("ok", "ok", "ok", "ok", "fatal", "could_not_tell"))
        later = self.dice.choice((0, 0, self.dice.randrange(-9, 90_000)))
        return self.until + timedelta(seconds=later), answer

    @property
    def until(self) -> datetime:
        """Return when the hours after the last success are over."""
        ends = [first.ended_at for first in self.first.values() if first.state == SUCCEEDED]
        return max(ends, default=self.began_at) + HOUR * self.hours

    def readings(self) -> Iterator[datetime]:
        """Yield readings of Aura's clock; the clock is sometimes set back."""
        for seconds in (-1, 0, 1):
            yield self.until + timedelta(seconds=seconds)
        for _ in range(6):
            yield self.until + timedelta(seconds=self.dice.randrange(-7_200, 2 * 86_400))

    # ---- the rule, written independently of the code under test ----

    def night_of(self, now: datetime) -> datetime | None:
        """Return when the rule's window around `now` began; None outside its hours."""
        for days in (0, 1):
            begins = now.replace(hour=self.from_hour, minute=0, second=0) - timedelta(days=days)
            ends = begins + timedelta(hours=(self.to_hour - self.from_hour - 1) % 24 + 1)
            if begins <= now < ends:
                return begins
        return None

    def may_follow(self, now: datetime) -> bool:
        night, proving = self.night_of(now), 0
        if night is None:
            return False
        for first in self.first.values():
            if first.lists_it or first.state in (ROLLED_BACK, FAILED, UNKNOWN, APPROVED):
                return False
            if first.state != SUCCEEDED:
                continue
            proving += 1
            look = first.look_before(now)
            if look is None or look[0] < max(night, self.until) or look[1] != "ok":
                return False
            down = first.outage_at
            is_down = down is not None and -HOUR <= down - first.ended_at <= HOUR * self.hours
            if first.is_incident or is_down or now < first.ended_at + HOUR * self.hours:
                return False
        return proving > 0


def create_rows(schedule: Schedule, world: CanaryWorld, now: datetime) -> None:
    """Replace all rows with those that exist at `now`."""
    for model in (CanaryLook, Change, Outage):
        model.delete().execute()
    AvailableUpdate.delete().where(AvailableUpdate.site != world.site("C")).execute()
    Report.update(received_at=now).execute()
    for name, first in schedule.first.items():
        site = world.site(name)
        if first.lists_it:
            row = {"from_version": "5.3", "to_version": "5.3.1", "release_type": "patch"}
            row |= {"name": "Akismet", "permission": "plugins", "is_fit": False, "reasons": []}
            AvailableUpdate.create(site=site, kind="plugin", ident=AKISMET, **row)
        if first.outage_at:
            Outage.create(
                site=site, began_at=first.outage_at, ended_at=first.outage_at, cause="timeout"
            )
        if first.state:
            create_change(first, site, now)


def create_change(first: First, site: Site, now: datetime) -> None:
    change = Change.create(
        op_id=f"{site.id:032}", batch=f"{site.id}", site=site, kid="", kind="plugin",
        ident=AKISMET, name="Akismet", from_version="5.3", to_version="5.3.1", permission="plugins",
        release_type="patch", state=first.state, proposer="Ana", proposed_at=first.ended_at,
        not_before=first.ended_at, not_after=first.ended_at + HOUR,
        started_at=first.ended_at - HOUR, ended_at=first.ended_at,
        is_incident=first.is_incident and first.state == SUCCEEDED,
        next_attempt_at=now if first.state == UNKNOWN else None,
    )  # fmt: skip
    look = first.look_before(now)
    if look is not None:
        CanaryLook.record(change, look[1], look[0])


@pytest.mark.parametrize("count", [40, pytest.param(1_000, marks=pytest.mark.nightly)])
def test_the_other_sites_follow_exactly_when_the_rule_allows(
    ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue, count: int
) -> None:
    world = CanaryWorld.start(ana, config, clock, jobs, canaries=len(CANARIES))
    first = [world.site(name).id for name in CANARIES]
    Component.update(update_version=None).where(Component.site.in_(first)).execute()
    followed = at_once = 0
    for seed in range(count):
        schedule = Schedule(seed)
        AutoUpdateRule.update(
            canary_hours=schedule.hours, from_hour=schedule.from_hour, to_hour=schedule.to_hour,
            expires_at=schedule.began_at + timedelta(days=90),
        ).execute()  # fmt: skip
        for now in schedule.readings():
            create_rows(schedule, world, now)
            follows = auto_update_rules.propose_due(now) == 1
            assert follows == schedule.may_follow(now), f"seed {seed} at {now}"
            followed += follows
            at_once += follows and now <= schedule.until + timedelta(seconds=1)
    assert followed > count / 8
    assert at_once > 0
