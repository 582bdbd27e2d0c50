"""Check many front pages in one round, and store what follows.

A round is judged as a whole: if much fails at once, Aura looks at other sites as well before it
believes that the sites are down and not its own network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from app import queue
from app.config import Config
from app.domain.connection import calls
from app.domain.inventory import site_sync
from app.domain.time_zones import zone_of
from app.domain.uptime import states, verdicts
from app.domain.uptime.response_times import bucket_of
from app.domain.uptime.states import Stretch, UptimeState
from app.domain.uptime.verdicts import Verdict
from app.http import front_page
from app.http.front_page import FrontPage
from app.models.agency import Agency
from app.models.base import transaction, utcnow
from app.models.changes import Change
from app.models.sites import ACTIVE, Site
from app.models.uptime import (
    DAY,
    DEGRADED,
    DOWN,
    HOUR,
    MAINTENANCE,
    OWN_NETWORK,
    UNKNOWN,
    UP,
    Outage,
    SiteWatch,
    UptimeCheck,
    UptimeSpan,
)

FetchCall = Callable[..., FrontPage]
# Applied to the function that waits for a site; see jobs/concurrent.py.
Overlapping = Callable[[FetchCall], FetchCall]
Work = Callable[[int, Overlapping], object]

# How many sites one job checks. Ten seconds for each of them fit into its time limit.
SITES_AT_ONCE = 250
# How many due sites one minute's schedule hands out.
MOST_PER_MINUTE = 1500
# A check that was claimed is due again after this, in case its job was lost.
_LEASE = timedelta(minutes=3)
# How often a site is checked that is down or that Aura cannot reach.
_CLOSELY = timedelta(minutes=1)
# How many other sites are checked before Aura's own network is ruled out.
_CONTROLS = 6


@dataclass(frozen=True)
class Checked:
    """One site's check in a round, with its row as it was before."""

    site: Site
    watch: SiteWatch
    at: datetime
    verdict: Verdict


def request_due(now: datetime) -> int:
    """Enqueue the checks that are due, many in each job; return how many."""
    SiteWatch.add_missing(now)
    due = SiteWatch.due(now, MOST_PER_MINUTE)
    for first in range(0, len(due), SITES_AT_ONCE):
        queue.enqueue("check_uptime", *due[first : first + SITES_AT_ONCE])
    return len(due)


def one_by_one(work: Work, site_ids: Iterable[int]) -> None:
    """Check one site after the other."""
    for site_id in site_ids:
        work(site_id, lambda ask: ask)


def run_round(
    site_ids: Iterable[int],
    *,
    config: Config,
    each: Callable[[Work, Iterable[int]], None] = one_by_one,
    fetch: FetchCall = front_page.fetch_front_page,
    now: Callable[[], datetime] = utcnow,
) -> int:
    """Check these sites, others as well if too many are silent, and store the round.

    `each` calls a function for each site, and may have their waiting overlap. It raises an
    ExceptionGroup at its end if some of these calls failed. Returns how many checks were stored.

    Raises: ExceptionGroup if some sites could not be judged; the checks of all others are stored.
    """
    found: list[Checked] = []
    errors: list[Exception] = []

    def check(site_id: int, overlapping: Overlapping, *, is_control: bool = False) -> None:
        ask = overlapping(fetch)
        one = check_site(site_id, config=config, fetch=ask, now=now, is_control=is_control)
        found.extend([one] if one else [])

    def check_all(work: Work, ids: Iterable[int]) -> None:
        try:
            each(work, ids)
        except ExceptionGroup as failed:
            # No answer of one site may keep the others from being watched.
            errors.append(failed)

    check_all(check, site_ids)
    check_all(partial(check, is_control=True), controls(found))
    stored = settle(found, now())
    if errors:
        raise ExceptionGroup("some sites could not be judged", errors)
    return stored


def check_site(
    site_id: int,
    *,
    config: Config,
    fetch: FetchCall = front_page.fetch_front_page,
    now: Callable[[], datetime] = utcnow,
    is_control: bool = False,
) -> Checked | None:
    """Request the front page of a site if that is due, or for comparison; store nothing yet.

    Returns None if another process checks it, or if it is not to be checked.
    """
    at, site, watch = now(), Site.known(site_id), SiteWatch.of(site_id)
    if site is None or watch is None or site.state != ACTIVE or watch.is_off:
        return None
    if not is_control and watch.next_check_at > at:
        return None
    if not watch.claim(at + _LEASE):
        return None
    page = fetch(
        site.url,
        allow_nets=config.allow_nets,
        server_login=calls.visitor_login(site, config),
        max_bytes=front_page.MANY_BYTES if watch.phrase else front_page.FEW_BYTES,
    )
    seen = verdicts.judge_page(page, watch.phrase)
    return Checked(site, watch, at, _with_excuse(site, watch, seen, at))


def controls(checked: Sequence[Checked]) -> list[int]:
    """Return other sites to check before a round is believed; none if its network clearly works."""
    silent = sum(one.verdict.is_network for one in checked)
    if silent == 0 or 2 * silent < len(checked):
        return []
    return SiteWatch.on_other_sites([one.site.id for one in checked], _CONTROLS)


def settle(checked: Sequence[Checked], now: datetime) -> int:
    """Store a round, and check again soon what is in doubt; return how many were stored."""
    is_ours = verdicts.is_own_network([one.verdict for one in checked])
    zone, retries, stored = zone_of(Agency.read().time_zone), [], 0
    for one in checked:
        verdict = one.verdict
        if is_ours and verdict.is_network:
            verdict = verdict.not_known(OWN_NETWORK)
        after = _store(one, verdict, zone, now)
        stored += after is not None
        if after is not None and after.is_in_doubt:
            retries.append(one.site.id)
    if retries:
        queue.enqueue("check_uptime", *retries, delay_s=int(states.RETRY.total_seconds()) + 1)
    return stored


def _with_excuse(site: Site, watch: SiteWatch, seen: Verdict, at: datetime) -> Verdict:
    """Count time of an update by Aura, and a short maintenance mode, as maintenance."""
    if seen.result in (DOWN, DEGRADED, MAINTENANCE) and Change.ran_on(site.id, at):
        return seen.excused(verdicts.UPDATE)
    is_long = (
        watch.state == MAINTENANCE
        and watch.state_since is not None
        and at - watch.state_since > verdicts.LONGEST_MAINTENANCE
    )
    if seen.result == MAINTENANCE and (is_long or watch.cause == verdicts.STUCK):
        return seen.failed(verdicts.STUCK)
    return seen


def _store(one: Checked, verdict: Verdict, zone: ZoneInfo, now: datetime) -> UptimeState | None:
    """Store one check with everything that follows; None if another process was faster."""
    watch, before, at = one.watch, UptimeState.of(one.watch), one.at
    is_failing = before.is_in_doubt and before.failures > 0
    since = watch.counted_until if is_failing and watch.counted_until else at
    after = states.next_state(before, verdict.result, since)
    stretch = states.counted_stretch(watch, before, after, at)
    waits = before.is_in_doubt and after.is_in_doubt and stretch is None
    columns: dict[str, Any] = {
        **vars(after),
        "state_since": watch.state_since
        if after.state == before.state
        else (after.down_since or at),
        "cause": "" if after.state == UP and not after.strikes else verdict.cause,
        "status": verdict.status,
        "ms": verdict.ms,
        "checked_at": at,
        "counted_until": watch.counted_until if waits else at,
        "next_check_at": now + _wait(after, watch),
        **_certificate(verdict, watch, now),
    }
    has_recovered = before.down_since is not None and after.down_since is None
    if has_recovered:
        columns["recovered_at"] = at
    with transaction():
        if not watch.settle(**columns):
            return None
        UptimeCheck.note(one.site.id, at, verdict.result, verdict.status, verdict.ms)
        if after.down_since is not None and before.down_since is None:
            Outage.create(
                site=one.site, began_at=after.down_since, cause=verdict.cause, status=verdict.status
            )
        _count(one.site.id, stretch, verdict, at, zone)
        if has_recovered:
            Outage.end(one.site.id, at)
    if has_recovered:
        # Its failed calls are not reported once more if the next one succeeds.
        site_sync.request_by_schedule(one.site, now)
    return after


def _wait(after: UptimeState, watch: SiteWatch) -> timedelta:
    if after.is_in_doubt:
        return states.RETRY
    usual = timedelta(minutes=watch.every_minutes)
    return min(usual, _CLOSELY) if after.state in (DOWN, UNKNOWN) else usual


def _certificate(verdict: Verdict, watch: SiteWatch, now: datetime) -> dict[str, Any]:
    """Return what is known of the certificate now; an answer without one says nothing new."""
    ends_at = verdict.certificate_ends_at or watch.certificate_ends_at
    problem = verdicts.certificate_problem(ends_at, now)
    return {"certificate_ends_at": ends_at, "certificate_problem": problem}


def _count(
    site_id: int, stretch: Stretch | None, verdict: Verdict, at: datetime, zone: ZoneInfo
) -> None:
    """Add time and response time to the hours and days."""
    answers = {bucket_of(verdict.ms): 1} if verdict.result in (UP, DEGRADED) else {}
    hour, day = int(at.timestamp()) // 3600, at.astimezone(zone).date().toordinal()
    # What the check itself adds, and what the time since the last one does.
    added: dict[tuple[str, int], Counter[str]] = {(HOUR, hour): Counter(), (DAY, day): Counter()}
    if stretch is not None:
        for of_hour, of_day, seconds in states.split(stretch, zone):
            for key in ((HOUR, of_hour), (DAY, of_day)):
                added.setdefault(key, Counter())[stretch.state] += seconds
        if stretch.state == DOWN:
            Outage.count(site_id, stretch.seconds)
    for (unit, number), by_state in added.items():
        is_now = number in (hour, day)
        UptimeSpan.add((site_id, unit, number), by_state, answers if is_now else {})
