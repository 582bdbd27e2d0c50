"""Simulate a month of sixty sites: exactly the critical events are reported.

The messages go to a person and to webhooks. A storm of outages and its end are one message each.
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
# The time to collect events or to wait for the rest of a storm, plus one check on each side.
_LATE = storms.GATHER + storms.ENDS_WITHIN + 2 * STEP
# _LATE plus the minimum time between two messages.
LATEST = plans.AT_MOST_EVERY + _LATE
LATEST_FOR_PROGRAMS = webhook_watch.PROGRAM_AT_MOST_EVERY + _LATE


@dataclass(frozen=True)
class Outage:
    site: int
    begins: datetime
    ends: datetime


def plan_outages(seed: int, sites: list[int], begins: datetime) -> list[Outage]:
    """Plan single outages of ten minutes to two days, and two outages of all sites at once.

    Half of the sites recover one check later than the others, because each has its own schedule.
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
    """Merge outages of a site that overlap, or that are one check apart."""
    found: list[Outage] = []
    for one in sorted(outages, key=lambda outage: (outage.site, outage.begins)):
        if found and found[-1].site == one.site and one.begins <= found[-1].ends + STEP:
            last = found.pop()
            one = Outage(one.site, last.begins, max(last.ends, one.ends))
        found.append(one)
    return found


@pytest.fixture
def plans_made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[datetime, Plan]]:
    """Collect every plan that sends a message to a person, with its time."""
    messages: list[tuple[datetime, Plan]] = []
    make_plan = plans.make_plan

    def remember(situation: Situation) -> Plan:
        plan = make_plan(situation)
        is_for_a_person = situation.at_once == {CRITICAL} and (
            situation.at_most_every == plans.AT_MOST_EVERY
        )
        if plan.kind and is_for_a_person:
            messages.append((situation.now, plan))
        return plan

    monkeypatch.setattr(watch.plans, "make_plan", remember)
    return messages


def test_every_critical_event_of_a_month_is_reported_and_no_other(
    ana: Actor,
    config: Config,
    clock: Clock,
    jobs: RecordingQueue,
    plans_made: list[tuple[datetime, Plan]],
) -> None:
    turn_email_on(ana, config, clock())
    preferences.change_preferences(Preferences(critical_now=True), by=ana, now=clock())
    sites_made = [
        make_site(ana, now=clock(), url=f"https://s{number}.example", name=f"Site {number}")
        for number in range(SITES)
    ]
    for site in sites_made:
        repair_site(site, clock())
    sites = {site.id: site for site in sites_made}
    outages = plan_outages(_SEED, list(sites), clock())
    program, _ = add_endpoint(ana, config, clock(), name="Program")
    chat, _ = add_endpoint(ana, config, clock(), name="Chat", format="slack", wants="everything")
    simulate_month(outages, sites, config, clock)

    times = [email.requested_at for email in OutgoingEmail.select().order_by(OutgoingEmail.id)]
    assert all(later - earlier >= timedelta(hours=1) for earlier, later in pairwise(times))
    began = {site: [] for site in sites}
    ended = {site: [] for site in sites}
    for at, plan in plans_made:
        for item in plan.fresh:
            began[item.site.id].append(at)
        for row in plan.resolved:
            ended[row.site_id].append(at)
    print(f"\n{len(outages)} outages, {len(times)} messages to a person")
    check_news(outages, began, ended, LATEST)
    for endpoint, latest in ((program, LATEST_FOR_PROGRAMS), (chat, LATEST)):
        messages = list(WebhookMessage.select().where(WebhookMessage.endpoint == endpoint))
        print(f"{len(messages)} messages to {endpoint.name}")
        check_news(outages, *reported_times(messages, sites), latest)
        at = sorted({message.requested_at for message in messages})
        wait = latest - _LATE
        assert all(later - earlier >= wait for earlier, later in pairwise(at))


def reported_times(
    messages: list[WebhookMessage], sites: dict[int, Site]
) -> tuple[dict[int, list[datetime]], dict[int, list[datetime]]]:
    """Return when each site was reported as broken, and when as working again."""
    began = {site: [] for site in sites}
    ended = {site: [] for site in sites}
    for message in messages:
        for heading, keys in told_keys(message).items():
            found = {NEEDS_YOU: began, RESOLVED: ended}.get(heading, {})
            for key in keys:
                about, _, number = key.partition(":")
                assert about == "connection"
                found.get(int(number), []).append(message.requested_at)
    return began, ended


def check_news(
    outages: list[Outage],
    began: dict[int, list[datetime]],
    ended: dict[int, list[datetime]],
    latest: timedelta,
) -> None:
    missed = [one for one in outages if not is_reported(one, began, ended, latest)]
    late_ends = [one for one in outages if not within(one.ends, latest, ended[one.site])]
    assert (missed, late_ends) == ([], [])
    # Each message about a site is about one of its outages, and each recovery is reported once.
    for site in began:
        of_site = [one for one in outages if one.site == site]
        assert all(any(one.begins <= at <= one.ends for one in of_site) for at in began[site])
        assert len(ended[site]) <= len(of_site)
    for storm in storms_of(outages):
        during = {at for one in storm for at in began[one.site] if one.begins <= at <= one.ends}
        afterwards = {next(at for at in ended[one.site] if at >= one.ends) for one in storm}
        # The outage may have been over before the next message was allowed.
        assert len(during) <= 1
        assert len(afterwards) == 1


def storms_of(outages: list[Outage]) -> list[list[Outage]]:
    """Return the outages that began on many sites at once and ended within one check."""
    found = []
    for at in {one.begins for one in outages}:
        together = [one for one in outages if one.begins == at and one.ends - at <= 5 * STEP]
        if len(together) > SITES / 2:
            found.append(together)
    assert len(found) == 2
    return found


def simulate_month(
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


def is_reported(
    one: Outage,
    began: dict[int, list[datetime]],
    ended: dict[int, list[datetime]],
    latest: timedelta,
) -> bool:
    """Return whether the outage was reported in time, or its end if it was over by then."""
    return within(one.begins, latest, began[one.site]) or within(one.ends, latest, ended[one.site])


def within(at: datetime, wait: timedelta, times: list[datetime]) -> bool:
    return any(at <= time <= at + wait for time in times)
