"""A month of front page checks in stored sums, and each check of the last hour."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from app.domain.uptime import domain_ends, verdicts
from app.domain.uptime.domain_names import registered_domain
from app.domain.uptime.response_times import bucket_of
from app.http.errors import ErrorCode
from app.http.front_page import FrontPage
from app.models.base import transaction
from app.models.domains import NO_RDAP, DomainName, set_domain
from app.models.sites import ACTIVE, Site
from app.models.uptime import DAY, HOUR, Outage, SiteWatch, UptimeSpan
from tests.fleet.fleet import Fleet, Website
from tests.support.fakes import Clock
from tests.support.front_pages import FrontPages, failing, page, play

_HOURS = 7 * 24
_DAY_S = 86_400
_WITH_OUTAGE = 0.35
_CAUSES = ("http_error", "connect_timeout", "critical_error", "too_slow", "tls_expired")
_LAST_HOUR = timedelta(minutes=40)


def add_uptime(fleet: Fleet, websites: list[Website]) -> None:
    """Add the past checks of each connected site, and run the schedule for the last minutes."""
    sites = list(Site.select().where(Site.state == ACTIVE))
    begins = fleet.clock.ends_at - _LAST_HOUR
    with transaction():
        SiteWatch.add_missing(begins)
        for site in sites:
            _add_past(site, begins, fleet.dice(f"uptime:{site.url}"))
    SiteWatch.update(certificate_ends_at=fleet.clock.ends_at + timedelta(days=61)).execute()
    _add_domains(sites, fleet)
    clock = Clock(begins)
    pages = FrontPages(clock, answers=_answers(fleet, websites, begins))
    play(pages, fleet.config, fleet.clock.ends_at - timedelta(seconds=5))


def _add_domains(sites: list[Site], fleet: Fleet) -> None:
    """Add the expiry of domains, except for each fifth site; one domain expires soon."""
    now = fleet.clock.ends_at
    for number, site in enumerate(sites):
        dice = fleet.dice(f"domain:{site.url}")
        # Look up simulated sites on this machine as if they had their own domain.
        name = registered_domain(site.url) or f"{site.url.rpartition('/')[2]}.example"
        days = 23 if number == 1 else dice.randrange(40, 700)
        is_known = number % 5 != 4
        check_times = {
            "checked_at": now - timedelta(days=2),
            "next_check_at": now + timedelta(days=5),
        }
        DomainName.add_missing(
            [name],
            ends_at=now + timedelta(days=days) if is_known else None,
            problem="" if is_known else NO_RDAP,
            **check_times,
        )
        set_domain(site.id, name)
    domain_ends.tell_ends(now)


def _add_past(site: Site, until: datetime, dice: random.Random) -> None:
    """Add days and hours from when the site was paired, and a few outages in between."""
    usual_ms = dice.randrange(180, 1400)
    joined = max(site.paired_at or until, until - timedelta(days=29))
    outages = _add_outages(site, joined, until, dice)
    rows = []
    day, today = joined.date(), until.date()
    while day <= today:
        whole_s = int((until.hour * 60 + until.minute) * 60) if day == today else _DAY_S
        down_s = outages.get(day.toordinal(), 0)
        counts = _counts(usual_ms, whole_s // 300, dice)
        row = {"up_s": max(whole_s - down_s, 0), "down_s": down_s, "counts": counts}
        rows.append({"site": site.id, "unit": DAY, "number": day.toordinal(), **row})
        day += timedelta(days=1)
    last = int(until.timestamp()) // 3600
    first = max(last - _HOURS, int(joined.timestamp()) // 3600)
    rows += [
        {
            "site": site.id,
            "unit": HOUR,
            "number": number,
            "up_s": 3600,
            "down_s": 0,
            "counts": _counts(usual_ms * (1.5 if 8 <= number % 24 <= 17 else 1), 12, dice),
        }
        for number in range(first, last)
    ]
    UptimeSpan.insert_many(rows).execute()


def _add_outages(
    site: Site, joined: datetime, until: datetime, dice: random.Random
) -> dict[int, int]:
    """Return the seconds of downtime by day."""
    seconds: dict[int, int] = {}
    if dice.random() > _WITH_OUTAGE:
        return seconds
    for _ in range(dice.randrange(1, 4)):
        days = max((until - joined).days - 1, 1)
        began = until - timedelta(days=dice.randrange(1, days + 1), hours=dice.randrange(0, 9))
        length = dice.randrange(150, 9000)
        if (began + timedelta(seconds=length)).date() != began.date() or began < joined:
            continue
        cause = dice.choice(_CAUSES)
        Outage.create(
            site=site,
            began_at=began,
            ended_at=began + timedelta(seconds=length),
            cause=cause,
            status={"http_error": 502, "critical_error": 500}.get(cause, 0),
            counted_s=length,
        )
        day = began.date().toordinal()
        seconds[day] = seconds.get(day, 0) + length
    return seconds


def _counts(usual_ms: float, checks: int, dice: random.Random) -> dict[int, int]:
    counts: dict[int, int] = {}
    for _ in range(max(min(checks, 40), 1)):
        bucket = bucket_of(int(usual_ms * dice.lognormvariate(0, 0.25)))
        counts[bucket] = counts.get(bucket, 0) + max(checks // 40, 1)
    return counts


def _answers(
    fleet: Fleet, websites: list[Website], begins: datetime
) -> dict[str, FrontPage | Callable[[datetime], FrontPage | None]]:
    """Return current problems: a server that is down, a slow site, an expiring certificate."""
    silent = [one.home for one in websites if one.role == "silent"][1:]
    plain = [one.home for one in websites if not one.role]
    broke_at = begins + timedelta(minutes=12)
    found: dict[str, Any] = {
        home: lambda now: failing(ErrorCode.connect_timeout) if now >= broke_at else None
        for home in silent
    }
    for number, home in enumerate(plain):
        found[home] = page(ms=fleet.dice(f"ms:{home}").randrange(180, 1900))
        if number == 1:
            found[home] = page(ms=verdicts.SLOW_MS + 2100)
    if len(plain) > 2:
        ends_at = fleet.clock.ends_at + timedelta(days=9)
        found[plain[2]] = FrontPage(**{**vars(page(ms=610)), "certificate_ends_at": ends_at})
    return found
