"""Simulate a month of sixty sites: events of every kind, and the messages a person gets about them.

No critical event is missed, nothing critical is invented, and at most one message comes per hour.
"""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from app.config import Config
from app.domain.actor import SYSTEM, Actor
from app.domain.notifications import plans, preferences, storms, watch
from app.domain.notifications.contents import NEEDS_YOU, NEW, RESOLVED, STILL_OPEN
from app.domain.notifications.preferences import Preferences
from app.domain.uptime import domain_ends, verdicts
from app.domain.vulnerabilities import findings, source, upkeep
from app.models.email import CRITICAL, OutgoingEmail
from app.models.sites import Site
from app.models.uptime import DEGRADED, DOWN, OWN_NETWORK, UNKNOWN, UP, Outage, SiteWatch
from tests.support.emails import repair_site, turn_email_on
from tests.support.factories import make_site, pair, plugin, read_report, report
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.selection import nightly
from tests.support.vulnerability_feeds import bounds, feed, record, software

STEP = timedelta(minutes=10)
_DAY = timedelta(days=1)
# A message waits for other events, the end of a storm, two checks and the hour between two.
_LATEST = plans.AT_MOST_EVERY + storms.GATHER + storms.ENDS_WITHIN + 2 * STEP
_OUTAGE, _SLOW, _OURS = "outages", "slow hours", "outages of Aura's own network"
_CERTIFICATE, _DOMAIN, _FEED = "certificates", "domains", "feed updates"
# How many sites have the plugin that the vulnerability feeds are about.
_WITH_PLUGIN = 6


@dataclass(frozen=True)
class Event:
    """Something that needs a person from `begins` to `ends`; `key` is the key of its item.

    It is critical from `critical_at` on, or never.
    """

    kind: str
    key: str
    begins: datetime
    ends: datetime
    critical_at: datetime | None
    site_id: int = 0

    def overlaps(self, other: Event, margin: timedelta) -> bool:
        return self.begins - margin < other.ends and other.begins - margin < self.ends


class Month:
    """Sixty sites, the events of a month, and the clock that passes through it."""

    def __init__(self, ana: Actor, config: Config, clock: Clock, size: tuple[int, int]) -> None:
        count, self.days = size
        self.config, self.clock, self.began = config, clock, clock()
        self.fakes: dict[int, FakeSite] = {}
        for number in range(count):
            url = f"https://shop{number}.example"
            site = make_site(ana, now=clock(), url=url, name=f"Shop {number}")
            if number < _WITH_PLUGIN:
                fake = FakeSite(url, clock, report())
                fake.report["wordpress"] |= {"home": url, "site_url": url}
                pair(site, fake, by=ana, config=config)
                read_report(site, fake, config=config)
                self.fakes[site.id] = fake
            else:
                repair_site(site, clock())
        self.sites = [site.id for site in Site.select()]
        SiteWatch.add_missing(clock())
        SiteWatch.update(state=UP, checked_at=clock(), next_check_at=clock() + 99 * _DAY).execute()
        self.events = self._plan(random.Random("a watched month"))

    def _plan(self, dice: random.Random) -> list[Event]:
        """Return the events: one at a time per site, and no outage during one of Aura's network."""
        found: list[Event] = []

        def add(kind: str, key: str, length: timedelta, site_id: int, *, is_critical: bool) -> None:
            for _ in range(50):
                begins = self.began + STEP * dice.randrange(2, self.days * 144 - 60)
                critical_at = begins if is_critical else None
                one = Event(kind, key, begins, begins + length, critical_at, site_id)
                near = [each for each in found if not site_id or each.site_id in (0, site_id)]
                if not any(one.overlaps(each, timedelta(hours=3)) for each in near):
                    found.append(one)
                    return

        for _ in range(max(self.days // 10, 1)):
            add(_OURS, "network:0", STEP * dice.randrange(3, 9), 0, is_critical=True)
        for _ in range(len(self.sites) * self.days // 20):
            site_id = dice.choice(self.sites)
            length = STEP * dice.choice((1, 2, 3, 6, 12, 36, 144))
            add(_OUTAGE, f"uptime:{site_id}", length, site_id, is_critical=True)
            site_id = dice.choice(self.sites)
            length = STEP * dice.choice((6, 12, 24))
            add(_SLOW, f"uptime:{site_id}", length, site_id, is_critical=False)
        for kind, about in ((_CERTIFICATE, "certificate"), (_DOMAIN, "domain")):
            for site_id in dice.sample(self.sites, max(self.days // 4, 2)):
                critical_at = self.began + STEP * dice.randrange(2, self.days * 144 - 200)
                # The certificate or domain ends three days later, and is renewed a day before that.
                begins = max(critical_at - timedelta(days=11), self.began)
                found.append(Event(kind, f"{about}:{site_id}", begins, critical_at + 2 * _DAY,
                                   critical_at, site_id))  # fmt: skip
        return sorted(found, key=lambda one: one.begins)

    def simulate(self) -> None:
        for looks in range(self.days * 144 + 30):
            self.clock.now += STEP
            self._happen(looks)
            watch.notify_due(self.clock())

    def _happen(self, looks: int) -> None:
        now = self.clock()
        for one in self.events:
            if one.begins == now:
                self._begin(one, now)
            if one.ends == now:
                self._end(one, now)
        self._check_ends(now)
        if looks % 144 == 60:
            self._import_feed(looks // 144)

    def _begin(self, one: Event, now: datetime) -> None:
        rows = SiteWatch.site == one.site_id
        if one.kind == _OUTAGE:
            found = {"state": DOWN, "down_since": now, "recovered_at": None, "cause": "http_error"}
            SiteWatch.update(state_since=now, **found).where(rows).execute()
            Outage.create(site=one.site_id, began_at=now, cause="http_error")
        elif one.kind == _SLOW:
            found = {"state": DEGRADED, "cause": "slow", "state_since": now}
            SiteWatch.update(**found).where(rows).execute()
        elif one.kind == _OURS:
            found = {"state": UNKNOWN, "cause": OWN_NETWORK, "state_since": now}
            SiteWatch.update(**found).execute()

    def _end(self, one: Event, now: datetime) -> None:
        rows = SiteWatch.site == one.site_id
        healthy: dict[str, Any] = {"state": UP, "cause": "", "state_since": now, "down_since": None}
        if one.kind == _OUTAGE:
            SiteWatch.update(recovered_at=now, **healthy).where(rows).execute()
            Outage.end(one.site_id, now)
        elif one.kind == _SLOW:
            SiteWatch.update(**healthy).where(rows).execute()
        elif one.kind == _OURS:
            SiteWatch.update(**healthy).execute()

    def _check_ends(self, now: datetime) -> None:
        """Store what a certificate check and the answer of a registry would."""
        for one in self.events:
            if one.kind not in (_CERTIFICATE, _DOMAIN) or one.critical_at is None:
                continue
            ends_at = one.critical_at + 3 * _DAY if now < one.ends else one.ends + 300 * _DAY
            found = {"domain_ends_at": ends_at, "domain": f"shop{one.site_id}.example"}
            if one.kind == _CERTIFICATE:
                problem = verdicts.certificate_problem(ends_at, now)
                found = {"certificate_ends_at": ends_at, "certificate_problem": problem}
            SiteWatch.update(**found).where(SiteWatch.site == one.site_id).execute()
        domain_ends.tell_ends(now)

    def _import_feed(self, day: int) -> None:
        """Import a feed; every third day it has a critical record, fixed two days later."""
        to, fixed = f"5.3.{day}", f"5.3.{day + 1}"
        if day % 3 == 0:
            self._run_version(to)
            found = [record(day + 1, software("akismet", bounds(to), patched=(fixed,)))]
        else:
            found = [record(day + 1, software("not-installed"))]
            if day % 3 == 2:
                self._run_version(fixed)
        file = io.BytesIO(feed(*found))
        source.accept_file_from_cli(file, by=SYSTEM, config=self.config, now=self.clock())
        assert upkeep.update(self.config, now=self.clock) == "imported"
        self._note_vulnerability()

    def _note_vulnerability(self) -> None:
        """Record when the vulnerability began and ended to affect a site."""
        now = self.clock()
        keys = {item.key for item in self._urgent() if item.about == "vulnerability"}
        open_events = [one for one in self.events if one.kind == _FEED and one.ends > now]
        for one in open_events:
            if one.key not in keys:
                self.events.remove(one)
                self.events.append(Event(_FEED, one.key, one.begins, now, one.begins))
        for key in keys - {one.key for one in open_events}:
            self.events.append(Event(_FEED, key, now, now + 99 * _DAY, now))

    def _urgent(self) -> list[Any]:
        return watch.attention.urgent_from(watch.attention.read_findings(), SYSTEM_OWNER)

    def _run_version(self, version: str) -> None:
        for site_id, fake in self.fakes.items():
            fake.report["plugins"] = [plugin(version=version)]
            fake.report["updates"]["plugins"] = []
            read_report(Site.get_by_id(site_id), fake, config=self.config)
            findings.check_site(site_id, self.clock())


SYSTEM_OWNER = Actor("user", 1, "Ana", "owner", "192.0.2.1")


@dataclass(frozen=True)
class SentEvent:
    """One entry of a message about one item."""

    at: datetime
    heading: str
    severity: str
    key: str
    is_at_once: bool


def all_sent_events() -> Iterator[SentEvent]:
    for email in OutgoingEmail.select().order_by(OutgoingEmail.id):
        for section in email.content["sections"]:
            # Entries that a section does not show would be missing from this table.
            assert section["more"] == 0
            for entry in section["entries"]:
                for key in entry["keys"]:
                    at_once = email.kind == CRITICAL
                    yield SentEvent(email.requested_at, section["heading"], entry["severity"], key,
                               at_once)  # fmt: skip


# Sites and days.
@pytest.mark.parametrize("size", [(9, 4), *nightly((60, 30))])
def test_critical_events_and_no_others_are_reported_in_time(
    ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue, size: tuple[int, int]
) -> None:
    assert SYSTEM_OWNER.id == ana.id
    turn_email_on(ana, config, clock())
    preferences.change_preferences(
        Preferences(critical_now=True, digest="daily"), by=ana, now=clock()
    )
    month = Month(ana, config, clock, size)
    month.simulate()
    sent = list(all_sent_events())
    messages = sorted({one.at for one in sent})

    table, missed, late_ends = Counter[tuple[str, str]](), [], []
    for event in month.events:
        table[event.kind, "happened"] += 1
        if event.critical_at is None:
            table[event.kind, "in a digest"] += any(
                one.key == event.key and event.begins <= one.at <= event.ends for one in sent
            )
            continue
        began = was_sent(sent, event.key, event.critical_at, (NEEDS_YOU, NEW))
        ended = was_sent(sent, event.key, event.ends, (RESOLVED,))
        table[event.kind, "reported"] += began or ended
        table[event.kind, "end reported"] += ended
        if not (began or ended):
            missed.append(event)
        if not ended and event.ends < clock() - _LATEST:
            late_ends.append(event)
    alarms = [one for one in sent if one.is_at_once and one.heading in (NEEDS_YOU, STILL_OPEN)]
    invented = [one for one in alarms if not is_correct(one, month.events)]
    print_table(size, table, messages, alarms, invented)
    assert (missed, late_ends, invented) == ([], [], [])
    assert all(table[kind, "happened"] for kind in
               (_OUTAGE, _SLOW, _OURS, _CERTIFICATE, _DOMAIN, _FEED))  # fmt: skip
    assert all(later - earlier >= timedelta(hours=1) for earlier, later in pairwise(messages))


def was_sent(sent: list[SentEvent], key: str, at: datetime, headings: tuple[str, ...]) -> bool:
    return any(
        one.key == key and one.heading in headings and at <= one.at <= at + _LATEST for one in sent
    )


def is_correct(one: SentEvent, events: list[Event]) -> bool:
    """Return whether an alarm is about an event that was critical at that time."""
    return one.severity == "critical" and any(
        event.key == one.key
        and event.critical_at is not None
        and event.critical_at <= one.at <= event.ends
        for event in events
    )


def print_table(
    size: tuple[int, int],
    table: Counter[tuple[str, str]],
    messages: list[datetime],
    alarms: list[SentEvent],
    invented: list[SentEvent],
) -> None:
    sites, days = size
    print(f"\n{sites} sites, {days} days: {len(messages)} messages to a person, "
          f"{len(alarms)} alarms in them, {len(invented)} of them false")  # fmt: skip
    columns = ("happened", "reported", "end reported", "in a digest")
    print(f"{'':32}" + "".join(f"{name:>13}" for name in columns))
    for kind in dict.fromkeys(kind for kind, _ in table):
        print(f"{kind:32}" + "".join(f"{table.get((kind, name), '–'):>13}" for name in columns))
