"""A month of sixty sites with seeded outages: no critical event is missed, and none is invented."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.notifications import plans, preferences, watch
from app.domain.notifications.plans import Plan, Situation
from app.domain.notifications.preferences import Preferences
from app.models.email import OutgoingEmail
from app.models.sites import Site
from tests.support.emails import break_site, repair_site, turn_email_on
from tests.support.factories import make_site
from tests.support.fakes import Clock, RecordingQueue

pytestmark = pytest.mark.nightly

SITES, DAYS = 60, 30
_SEED = 1
STEP = timedelta(minutes=10)
# The hour between two messages, the time to gather, and a look on each side.
LATEST = timedelta(hours=1) + plans.GATHER + 2 * STEP


@dataclass(frozen=True)
class Outage:
    site: int
    begins: datetime
    ends: datetime


def plan_outages(seed: int, sites: list[int], begins: datetime) -> list[Outage]:
    """Single outages of ten minutes to two days, and twice an outage of everything: it is us."""
    chance = random.Random(seed)
    found = []
    for _ in range(120):
        start = begins + STEP * chance.randrange(1, DAYS * 144 - 300)
        length = STEP * chance.choice((1, 2, 3, 6, 12, 36, 144, 288))
        found.append(Outage(chance.choice(sites), start, start + length))
    for _ in range(2):
        start = begins + STEP * chance.randrange(1, DAYS * 144 - 300)
        found += [Outage(site, start, start + 4 * STEP) for site in sites]
    return merged(found)


def merged(outages: list[Outage]) -> list[Outage]:
    """What is down twice at once is one outage, also if it is up for one look between."""
    found: list[Outage] = []
    for one in sorted(outages, key=lambda outage: (outage.site, outage.begins)):
        if found and found[-1].site == one.site and one.begins <= found[-1].ends + STEP:
            last = found.pop()
            one = Outage(one.site, last.begins, max(last.ends, one.ends))
        found.append(one)
    return found


@pytest.fixture
def plans_made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[datetime, Plan]]:
    """Every plan that sends a message, with its time."""
    made: list[tuple[datetime, Plan]] = []
    make_plan = plans.make_plan

    def remember(situation: Situation) -> Plan:
        plan = make_plan(situation)
        if plan.kind:
            made.append((situation.now, plan))
        return plan

    monkeypatch.setattr(watch.plans, "make_plan", remember)
    return made


def test_no_critical_event_of_a_month_is_missed_and_none_is_invented(
    ana: Actor,
    config: Config,
    clock: Clock,
    jobs: RecordingQueue,
    plans_made: list[tuple[datetime, Plan]],
) -> None:
    turn_email_on(ana, config, clock())
    preferences.change_preferences(Preferences(critical_now=True), by=ana, now=clock())
    made = [
        make_site(ana, now=clock(), url=f"https://s{number}.example", name=f"Site {number}")
        for number in range(SITES)
    ]
    for site in made:
        repair_site(site, clock())
    sites = {site.id: site for site in made}
    outages = plan_outages(_SEED, list(sites), clock())
    live_through(outages, sites, config, clock)

    times = [email.requested_at for email in OutgoingEmail.select().order_by(OutgoingEmail.id)]
    assert all(later - earlier >= timedelta(hours=1) for earlier, later in pairwise(times))
    told = {site: [] for site in sites}
    over = {site: [] for site in sites}
    for at, plan in plans_made:
        for item in plan.fresh:
            told[item.site.id].append(at)
        for row in plan.resolved:
            over[row.site_id].append(at)
    missed = [one for one in outages if not is_told(one, told, over)]
    late_ends = [one for one in outages if not within(one.ends, LATEST, over[one.site])]
    print(f"\n{len(outages)} outages, {len(times)} messages, {len(missed)} missed")
    assert (missed, late_ends) == ([], [])
    # Each message about a site is about one of its outages, and each end is told once.
    for site in sites:
        mine = [one for one in outages if one.site == site]
        assert all(any(one.begins <= at <= one.ends for one in mine) for at in told[site])
        assert len(over[site]) <= len(mine)


def live_through(
    outages: list[Outage], sites: dict[int, Site], config: Config, clock: Clock
) -> None:
    changes: dict[datetime, list[tuple[Site, bool]]] = {}
    for one in outages:
        changes.setdefault(one.begins, []).append((sites[one.site], True))
        changes.setdefault(one.ends, []).append((sites[one.site], False))
    for _ in range(DAYS * 144 + 20):
        clock.now += STEP
        for site, is_down in changes.get(clock(), ()):
            (break_site if is_down else repair_site)(site, clock())
        watch.notify_due(clock())


def is_told(one: Outage, told: dict[int, list[datetime]], over: dict[int, list[datetime]]) -> bool:
    """Whether its beginning was told in time, or its whole if it was over by then."""
    return within(one.begins, LATEST, told[one.site]) or within(one.ends, LATEST, over[one.site])


def within(at: datetime, wait: timedelta, times: list[datetime]) -> bool:
    return any(at <= time <= at + wait for time in times)
