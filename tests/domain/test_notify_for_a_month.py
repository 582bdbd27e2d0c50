"""A month of sixty sites with seeded outages: no critical event is missed, and none is invented.

It holds for a person and for webhooks. What begins or ends everywhere at once is one message.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.attention import CRITICAL
from app.domain.notifications import plans, preferences, storms, watch, webhook_watch
from app.domain.notifications.contents import NEEDS_YOU, RESOLVED
from app.domain.notifications.plans import Plan, Situation
from app.domain.notifications.preferences import Preferences
from app.models.email import OutgoingEmail
from app.models.sites import Site
from app.models.webhooks import WebhookMessage
from tests.support.emails import break_site, repair_site, turn_email_on
from tests.support.factories import make_site
from tests.support.fakes import Clock, RecordingQueue
from tests.support.webhooks import add_endpoint, told_keys

pytestmark = pytest.mark.nightly

SITES, DAYS = 60, 30
_SEED = 1
STEP = timedelta(minutes=10)
# The time to gather or to wait for the rest of a storm, and a look on each side.
_LATE = storms.GATHER + storms.ENDS_WITHIN + 2 * STEP
# With the time between two messages.
LATEST = plans.AT_MOST_EVERY + _LATE
LATEST_FOR_PROGRAMS = webhook_watch.PROGRAM_AT_MOST_EVERY + _LATE


@dataclass(frozen=True)
class Outage:
    site: int
    begins: datetime
    ends: datetime


def plan_outages(seed: int, sites: list[int], begins: datetime) -> list[Outage]:
    """Single outages of ten minutes to two days, and twice an outage of everything: it is us.

    Half of the sites are back a look later than the others, because each has its own next check.
    """
    chance = random.Random(seed)
    found = []
    for _ in range(120):
        start = begins + STEP * chance.randrange(1, DAYS * 144 - 300)
        length = STEP * chance.choice((1, 2, 3, 6, 12, 36, 144, 288))
        found.append(Outage(chance.choice(sites), start, start + length))
    for _ in range(2):
        start = begins + STEP * chance.randrange(1, DAYS * 144 - 300)
        found += [Outage(site, start, start + (4 + site % 2) * STEP) for site in sites]
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
        is_for_a_person = situation.at_once == {CRITICAL} and (
            situation.at_most_every == plans.AT_MOST_EVERY
        )
        if plan.kind and is_for_a_person:
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
    program, _ = add_endpoint(ana, config, clock(), name="Program")
    chat, _ = add_endpoint(ana, config, clock(), name="Chat", format="slack", wants="everything")
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
    print(f"\n{len(outages)} outages, {len(times)} messages to a person")
    check_news(outages, told, over, LATEST)
    for endpoint, latest in ((program, LATEST_FOR_PROGRAMS), (chat, LATEST)):
        messages = list(WebhookMessage.select().where(WebhookMessage.endpoint == endpoint))
        print(f"{len(messages)} messages to {endpoint.name}")
        check_news(outages, *told_by(messages, sites), latest)
        at = sorted({message.requested_at for message in messages})
        wait = latest - _LATE
        assert all(later - earlier >= wait for earlier, later in pairwise(at))


def told_by(
    messages: list[WebhookMessage], sites: dict[int, Site]
) -> tuple[dict[int, list[datetime]], dict[int, list[datetime]]]:
    """When each site was told as broken, and as working again."""
    told = {site: [] for site in sites}
    over = {site: [] for site in sites}
    for message in messages:
        for heading, keys in told_keys(message).items():
            found = {NEEDS_YOU: told, RESOLVED: over}.get(heading, {})
            for key in keys:
                about, _, number = key.partition(":")
                assert about == "connection"
                found.get(int(number), []).append(message.requested_at)
    return told, over


def check_news(
    outages: list[Outage],
    told: dict[int, list[datetime]],
    over: dict[int, list[datetime]],
    latest: timedelta,
) -> None:
    missed = [one for one in outages if not is_told(one, told, over, latest)]
    late_ends = [one for one in outages if not within(one.ends, latest, over[one.site])]
    assert (missed, late_ends) == ([], [])
    # Each message about a site is about one of its outages, and each end is told once.
    for site in told:
        mine = [one for one in outages if one.site == site]
        assert all(any(one.begins <= at <= one.ends for one in mine) for at in told[site])
        assert len(over[site]) <= len(mine)
    for storm in storms_of(outages):
        during = {at for one in storm for at in told[one.site] if one.begins <= at <= one.ends}
        afterwards = {next(at for at in over[one.site] if at >= one.ends) for one in storm}
        # It may have been over before the next message was allowed.
        assert len(during) <= 1
        assert len(afterwards) == 1


def storms_of(outages: list[Outage]) -> list[list[Outage]]:
    """What began on many sites at once, and ended there within a look."""
    found = []
    for at in {one.begins for one in outages}:
        together = [one for one in outages if one.begins == at and one.ends - at <= 5 * STEP]
        if len(together) > SITES / 2:
            found.append(together)
    assert len(found) == 2
    return found


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
        webhook_watch.notify_due(config, clock())


def is_told(
    one: Outage,
    told: dict[int, list[datetime]],
    over: dict[int, list[datetime]],
    latest: timedelta,
) -> bool:
    """Whether its beginning was told in time, or its whole if it was over by then."""
    return within(one.begins, latest, told[one.site]) or within(one.ends, latest, over[one.site])


def within(at: datetime, wait: timedelta, times: list[datetime]) -> bool:
    return any(at <= time <= at + wait for time in times)
