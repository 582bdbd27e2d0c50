"""Simulate uptime checks with seeded events: exactly the outages are reported."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from app.config import Config
from app.domain import attention
from app.domain.actor import Actor
from app.domain.uptime import rounds, verdicts
from app.http.errors import ErrorCode
from app.http.front_page import FrontPage
from app.models.sites import ACTIVE, Site
from app.models.uptime import SiteWatch, UptimeSpan
from tests.support.factories import make_site
from tests.support.fakes import Clock
from tests.support.front_pages import FrontPages, failing, page
from tests.support.selection import nightly

_MINUTE = timedelta(minutes=1)
# How long after the first failed check an outage becomes an item, or ends.
_STRIKES_TAKE = 3 * _MINUTE
# Sites per server: an agency hosts several sites on one server.
_ON_ONE_SERVER = 3
_OUTAGE, _BLIP, _SLOW, _MAINTENANCE, _OURS = "outage", "blip", "slow", "maintenance", "ours"


@dataclass(frozen=True)
class Event:
    """Something that happens to a site, or to Aura's network if `url` is empty."""

    kind: str
    url: str
    begins: datetime
    ends: datetime

    def holds(self, at: datetime) -> bool:
        return self.begins <= at < self.ends


def make_events(urls: list[str], begins: datetime, days: int) -> list[Event]:
    """Create seeded events that overlap neither on a site nor with an outage of Aura's network."""
    dice = random.Random("a month of uptime")
    events: list[Event] = []

    def add(kind: str, url: str, minutes: float) -> None:
        for _ in range(50):
            at = begins + timedelta(minutes=dice.randrange(60, days * 1440 - 300), seconds=7)
            ends = at + timedelta(minutes=minutes)
            margin = timedelta(minutes=45)
            others = [one for one in events if not url or one.url in ("", url)]
            if all(ends + margin < one.begins or one.ends + margin < at for one in others):
                events.append(Event(kind, url, at, ends))
                return

    for _ in range(max(days // 8, 1)):
        add(_OURS, "", dice.randrange(20, 90))
    for _ in range(max(len(urls) * days // 60, 3)):
        add(_OUTAGE, dice.choice(urls), dice.randrange(25, 240))
        add(_BLIP, dice.choice(urls), 0.9)
        add(_BLIP, dice.choice(urls), 0.9)
        add(_SLOW, dice.choice(urls), dice.randrange(50, 120))
        add(_MAINTENANCE, dice.choice(urls), dice.randrange(5, 20))
    return events


def answer_to(events: list[Event], url: str, at: datetime) -> FrontPage | None:
    """Return the site's answer: one of the ways to be down, or slow, or in maintenance."""
    kind = next((one.kind for one in events if one.url == url and one.holds(at)), "")
    ways = (failing(ErrorCode.connect_timeout), failing(ErrorCode.dns), page(502), page(500))
    return {
        _OUTAGE: ways[len(url) % len(ways)],
        _BLIP: failing(ErrorCode.connect_timeout),
        _SLOW: page(ms=verdicts.SLOW_MS + 900),
        _MAINTENANCE: page(503, Retry_After="600"),
    }.get(kind)


@dataclass(frozen=True)
class Shown:
    """An item that was on the overview from one check to another."""

    key: str
    word: str
    begins: datetime
    ends: datetime


def simulate(
    config: Config, clock: Clock, events: list[Event], actor: Actor, days: int
) -> list[Shown]:
    """Run the schedule each minute and return each item with the time in which it was shown."""
    pages = FrontPages(clock)
    for number, site in enumerate(Site.select().order_by(Site.id)):
        url = site.url
        pages.answers[url] = lambda at, url=url: answer_to(events, url, at)
        pages.servers[url] = f"203.0.113.{number // _ON_ONE_SERVER}"
    ours = [one for one in events if one.kind == _OURS]
    open_items: dict[tuple[str, str], datetime] = {}
    shown: list[Shown] = []
    last_states: list[object] = []
    until = clock() + timedelta(days=days)
    while clock.advance(minutes=1) < until:
        pages.has_network = not any(one.holds(clock()) for one in ours)
        due = SiteWatch.due(clock(), 1000)
        if not due:
            continue
        rounds.run_round(due, config=config, fetch=pages.fetch, now=clock)
        states = list(SiteWatch.select(SiteWatch.state, SiteWatch.cause).tuples())
        if states == last_states:
            continue
        last_states = states
        found = attention.urgent_from(attention.read_findings(), actor)
        now_open = {(item.key, item.word) for item in found}
        closed = set(open_items) - now_open
        shown += [Shown(*key, open_items.pop(key), clock()) for key in closed]
        for key in now_open - set(open_items):
            open_items[key] = clock()
    return shown + [Shown(*key, begins, clock()) for key, begins in open_items.items()]


# Sites, days, and minutes between two checks.
@pytest.mark.parametrize("size", [(9, 1, 15), *nightly((12, 30, 15))])
def test_exactly_the_outages_are_reported(
    ready: Site, ana: Actor, config: Config, clock: Clock, size: tuple[int, int, int]
) -> None:
    sites, days, every = size
    for number in range(1, sites):
        url = f"https://{'s' * (number % 7 + 1)}{number}.example"
        make_site(ana, now=clock(), url=url, name=f"Site {number}")
    Site.update(state=ACTIVE, last_success_at=clock()).execute()
    rounds.request_due(clock())
    SiteWatch.update(every_minutes=every).execute()
    ids = {site.url: site.id for site in Site.select()}
    began = clock()
    events = make_events(list(ids), began, days)
    shown = simulate(config, clock, events, ana, days)

    late = timedelta(minutes=every) + _STRIKES_TAKE
    reported: Counter[str] = Counter()
    matched: set[Shown] = set()
    for event in events:
        word = {_OUTAGE: "down", _SLOW: "slow", _OURS: "away"}.get(event.kind)
        key = f"uptime:{ids[event.url]}" if event.url else "network:0"
        items = [
            one for one in shown
            if (one.key, one.word) == (key, word)
            and event.begins <= one.begins <= event.begins + late
            and event.ends - _MINUTE <= one.ends <= event.ends + late
        ]  # fmt: skip
        reported[event.kind] += len(items)
        matched.update(items)
    print(f"\n{sites} sites, {days} days, every {every} minutes")
    happened = Counter(event.kind for event in events)
    for kind in (_OUTAGE, _SLOW, _OURS, _BLIP, _MAINTENANCE):
        print(f"{kind:12} events {happened[kind]:4}  items {reported[kind]:4}")
    print(f"items without an event: {[one for one in shown if one not in matched]}")
    assert happened[_OUTAGE] >= 3
    for kind in (_OUTAGE, _SLOW, _OURS):
        assert reported[kind] == happened[kind]
    assert set(shown) == matched

    # The counted downtime is the real one, minus the time until each outage was found.
    outages = [one for one in events if one.kind == _OUTAGE]
    truly_s = sum((one.ends - one.begins).total_seconds() for one in outages)
    counted_s = sum(row.down_s for row in UptimeSpan.select().where(UptimeSpan.unit == "d"))
    assert abs(truly_s - counted_s) <= len(outages) * every * 60
