"""A site counts as down after three failed checks in a row, and for no other reason."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest

from app.config import Config
from app.domain import attention
from app.domain.actor import Actor
from app.domain.uptime import figures, response_times, rounds, upkeep, verdicts
from app.http.errors import ErrorCode
from app.models.base import db, transaction
from app.models.changes import RUNNING, Change
from app.models.sites import ACTIVE, REVOKED, Site
from app.models.uptime import (
    DAY,
    HOUR,
    Outage,
    SiteWatch,
    UptimeCheck,
    UptimeSpan,
)
from tests.support.factories import make_site
from tests.support.fakes import Clock, RecordingQueue
from tests.support.front_pages import FrontPages, failing, page, play


@pytest.fixture
def pages(clock: Clock) -> FrontPages:
    return FrontPages(clock)


@pytest.fixture
def watched(ready: Site, config: Config, clock: Clock, pages: FrontPages) -> Site:
    """Return the site after an hour in which every check found it up."""
    rounds.request_due(clock())
    play(pages, config, clock() + timedelta(hours=1))
    return ready


@pytest.fixture
def others(
    ana: Actor, clock: Clock, watched: Site, pages: FrontPages, config: Config
) -> list[Site]:
    """Add five more sites that are up, each on a server of its own."""
    made = [
        make_site(ana, now=clock(), url=f"https://s{number}.example", name=f"Shop {number}")
        for number in range(5)
    ]
    Site.update(state=ACTIVE, last_success_at=clock()).where(Site.state == "new").execute()
    rounds.request_due(clock())
    play(pages, config, clock() + timedelta(minutes=20))
    return made


def state_of(site: Site) -> str:
    watch = SiteWatch.of(site.id)
    assert watch is not None
    return watch.state


def words(actor: Actor) -> list[tuple[str, str, str]]:
    found = attention.urgent_from(attention.read_findings(), actor)
    return [(item.about, item.word, item.severity) for item in found]


def break_site(pages: FrontPages, site: Site, *, at: datetime, minutes: float) -> None:
    """Have the site refuse connections for a while."""
    ends = at + timedelta(minutes=minutes)
    pages.answers[site.url] = lambda now: failing() if at <= now < ends else None


def test_a_site_that_answers_is_up_and_checked_every_five_minutes(
    watched: Site, pages: FrontPages, ana: Actor
) -> None:
    assert state_of(watched) == "up"
    assert len(pages.asked) in (12, 13)
    assert words(ana) == []


def test_three_failures_within_two_minutes_make_a_site_down(
    watched: Site, pages: FrontPages, config: Config, clock: Clock, ana: Actor, jobs: RecordingQueue
) -> None:
    began = clock()
    pages.answers[watched.url] = failing()
    states = []

    def look() -> None:
        states.append((state_of(watched), (clock() - began).total_seconds()))

    jobs.jobs.clear()
    play(pages, config, clock() + timedelta(minutes=8), each_round=look)
    first = states[0][1]
    assert [(state, second - first) for state, second in states[:3]] == [
        ("up", 0), ("up", 45), ("down", 90),
    ]  # fmt: skip
    assert jobs.jobs[:2] == [("check_uptime", (watched.id,), 46)] * 2
    assert words(ana) == [("uptime", "down", "critical")]
    outage = Outage.get()
    assert (outage.began_at - began).total_seconds() == first
    assert (outage.cause, outage.ended_at) == ("connection_refused", None)


@pytest.mark.parametrize("strikes", [1, 2])
def test_fewer_failures_change_nothing(
    watched: Site, pages: FrontPages, config: Config, clock: Clock, ana: Actor, strikes: int
) -> None:
    left = [failing()] * strikes
    pages.answers[watched.url] = lambda _now: left.pop() if left else None
    play(pages, config, clock() + timedelta(minutes=30))
    assert (left, state_of(watched), words(ana)) == ([], "up", [])
    assert Outage.select().count() == 0
    assert sum(row.down_s for row in UptimeSpan.select()) == 0


def test_an_outage_lasts_from_its_first_failure_to_the_next_page(
    watched: Site, pages: FrontPages, config: Config, clock: Clock, ana: Actor, jobs: RecordingQueue
) -> None:
    break_site(pages, watched, at=clock(), minutes=30)
    play(pages, config, clock() + timedelta(hours=2))
    outage = Outage.get()
    assert outage.ended_at is not None
    length = (outage.ended_at - outage.began_at).total_seconds()
    assert 25 * 60 <= length <= 31 * 60
    assert outage.counted_s == length
    assert words(ana) == []
    days = UptimeSpan.select().where(UptimeSpan.unit == DAY)
    hours = UptimeSpan.select().where(UptimeSpan.unit == HOUR)
    for rows in (days, hours):
        assert sum(row.down_s for row in rows) == length
    watched_s = sum(row.seconds("up", "down") for row in days)
    assert 3 * 3600 - 600 <= watched_s <= 3 * 3600
    # The site is synced at once, so that its failed calls are not reported after the outage.
    assert "sync_site" in jobs.names()


def test_a_site_that_is_down_and_fails_to_sync_is_one_item(
    watched: Site, pages: FrontPages, config: Config, clock: Clock, ana: Actor
) -> None:
    break_site(pages, watched, at=clock(), minutes=30)
    unreachable = {"consecutive_failures": 5, "error_code": "connection_refused"}
    Site.update(**unreachable, error_at=clock()).execute()
    assert words(ana) == [("connection", "unreachable", "critical")]
    play(pages, config, clock() + timedelta(minutes=10))
    assert words(ana) == [("uptime", "down", "critical")]
    every_key = attention.read_findings().keys()
    assert f"connection:{watched.id}" in every_key
    brief = [(item.about, item.word) for item in attention.urgent_in_brief(ana).items]
    assert brief == [("uptime", "down")]
    play(pages, config, clock() + timedelta(minutes=40))
    assert words(ana) == []
    Site.update(error_at=clock()).execute()
    assert words(ana) == [("connection", "unreachable", "critical")]


def test_three_slow_pages_make_it_slow_and_one_fast_page_ends_that(
    watched: Site, pages: FrontPages, config: Config, clock: Clock, ana: Actor
) -> None:
    pages.answers[watched.url] = page(ms=verdicts.SLOW_MS + 1)
    play(pages, config, clock() + timedelta(minutes=7))
    assert state_of(watched) == "degraded"
    assert words(ana) == [("uptime", "slow", "check")]
    del pages.answers[watched.url]
    play(pages, config, clock() + timedelta(minutes=6))
    assert (state_of(watched), words(ana)) == ("up", [])
    assert Outage.select().count() == 0


def test_a_slow_site_that_fails_is_down(
    watched: Site, pages: FrontPages, config: Config, clock: Clock, ana: Actor
) -> None:
    pages.answers[watched.url] = page(ms=verdicts.SLOW_MS + 1)
    play(pages, config, clock() + timedelta(minutes=7))
    pages.answers[watched.url] = failing()
    play(pages, config, clock() + timedelta(minutes=7))
    assert words(ana) == [("uptime", "down", "critical")]


def test_a_missing_phrase_and_a_redirect_elsewhere_are_degraded(
    watched: Site, pages: FrontPages, config: Config, clock: Clock, ana: Actor
) -> None:
    SiteWatch.update(phrase="imprint").execute()
    play(pages, config, clock() + timedelta(minutes=7))
    assert words(ana) == [("uptime", "phrase_missing", "check")]
    pages.answers[watched.url] = page(301, elsewhere="casino.example")
    play(pages, config, clock() + timedelta(minutes=7))
    assert words(ana) == [("uptime", "elsewhere", "check")]


def test_wordpress_maintenance_is_no_downtime_for_half_an_hour(
    watched: Site, pages: FrontPages, config: Config, clock: Clock, ana: Actor
) -> None:
    pages.answers[watched.url] = page(503, Retry_After="600")
    play(pages, config, clock() + timedelta(minutes=25))
    assert (state_of(watched), words(ana)) == ("maintenance", [])
    play(pages, config, clock() + timedelta(minutes=20))
    assert words(ana) == [("uptime", "down", "critical")]
    assert Outage.get().cause == "maintenance_stuck"


def test_an_update_by_aura_is_no_downtime(
    watched: Site, pages: FrontPages, config: Config, clock: Clock, ana: Actor, proposed: Change
) -> None:
    Change.update(state=RUNNING, sent_at=clock()).execute()
    pages.answers[watched.url] = page(500)
    play(pages, config, clock() + timedelta(minutes=15))
    assert (state_of(watched), words(ana)) == ("maintenance", [])
    assert sum(row.down_s for row in UptimeSpan.select()) == 0
    Change.update(state="succeeded", ended_at=clock()).execute()
    play(pages, config, clock() + timedelta(minutes=8))
    assert ("uptime", "down", "critical") in words(ana)


def test_if_all_sites_fail_at_once_aura_is_offline_and_no_site_is_down(
    watched: Site, others: list[Site], pages: FrontPages, config: Config, clock: Clock, ana: Actor
) -> None:
    pages.has_network = False
    seen: set[str] = set()
    play(
        pages, config, clock() + timedelta(minutes=40),
        each_round=lambda: seen.update(word for _, word, _ in words(ana)),
    )  # fmt: skip
    assert seen == {"away"}
    assert {state_of(site) for site in [watched, *others]} == {"unknown"}
    pages.has_network = True
    play(pages, config, clock() + timedelta(minutes=3))
    assert words(ana) == []
    assert {state_of(site) for site in [watched, *others]} == {"up"}
    assert sum(row.down_s for row in UptimeSpan.select()) == 0
    assert Outage.select().count() == 0


def test_sites_on_one_failed_server_are_down(
    watched: Site, others: list[Site], pages: FrontPages, config: Config, clock: Clock, ana: Actor
) -> None:
    for site in others[:4]:
        pages.servers[site.url] = "203.0.113.7"
        pages.answers[site.url] = failing(ErrorCode.connect_timeout)
    play(pages, config, clock() + timedelta(minutes=8))
    assert words(ana) == [("uptime", "down", "critical")] * 4
    assert state_of(watched) == "up"


def test_a_site_that_is_down_stays_down_through_an_outage_of_aura(
    watched: Site, others: list[Site], pages: FrontPages, config: Config, clock: Clock, ana: Actor
) -> None:
    pages.answers[watched.url] = failing()
    play(pages, config, clock() + timedelta(minutes=8))
    pages.has_network = False
    play(pages, config, clock() + timedelta(minutes=10))
    assert ("uptime", "down", "critical") in words(ana)
    pages.has_network = True
    play(pages, config, clock() + timedelta(minutes=3))
    assert words(ana) == [("uptime", "down", "critical")]
    assert Outage.select().where(Outage.site == watched).count() == 1


def test_a_firewall_that_blocks_aura_is_no_downtime(
    watched: Site, pages: FrontPages, config: Config, clock: Clock, ana: Actor
) -> None:
    pages.answers[watched.url] = page(403)
    play(pages, config, clock() + timedelta(minutes=20))
    assert (state_of(watched), words(ana)) == ("unknown", [])


def test_an_expiring_certificate_is_reported_in_time(
    watched: Site, pages: FrontPages, config: Config, clock: Clock, ana: Actor
) -> None:
    pages.certificate_ends_at = clock() + timedelta(days=14, hours=-1)
    play(pages, config, clock() + timedelta(minutes=6))
    assert words(ana) == [("certificate", "ends_soon", "check")]
    pages.certificate_ends_at = clock() + timedelta(days=3)
    play(pages, config, clock() + timedelta(minutes=6))
    assert words(ana) == [("certificate", "ends_now", "critical")]
    pages.certificate_ends_at = clock() + timedelta(days=90)
    play(pages, config, clock() + timedelta(minutes=6))
    assert words(ana) == []


def test_an_error_about_one_site_does_not_stop_checks_of_others(
    watched: Site, others: list[Site], pages: FrontPages, config: Config, clock: Clock
) -> None:
    def fail_unexpectedly(_now: datetime) -> None:
        raise ValueError("an answer that no one has foreseen")

    def each(work: rounds.Work, ids: Iterable[int]) -> None:
        errors = []
        for site_id in ids:
            try:
                work(site_id, lambda ask: ask)
            except ValueError as why:
                errors.append(why)
        if errors:
            raise ExceptionGroup("not all work was done", errors)

    pages.answers[watched.url] = fail_unexpectedly
    pages.answers[others[0].url] = failing()
    clock.advance(minutes=6)
    due = SiteWatch.due(clock(), 1000)
    with pytest.raises(ExceptionGroup):
        rounds.run_round(due, config=config, each=each, fetch=pages.fetch, now=clock)
    at = int(clock().timestamp())
    stored = {check.site_id for check in UptimeCheck.select().where(UptimeCheck.at == at)}
    assert stored == {site.id for site in others}


def test_two_jobs_at_once_check_a_site_once(
    watched: Site, pages: FrontPages, config: Config, clock: Clock
) -> None:
    clock.advance(minutes=6)
    pages.asked.clear()

    def during(now: datetime) -> None:
        # The second job runs while the first one waits for the site.
        rounds.run_round([watched.id], config=config, fetch=pages.fetch, now=clock)

    pages.answers[watched.url] = during
    before = UptimeCheck.select().count()
    rounds.run_round([watched.id], config=config, fetch=pages.fetch, now=clock)
    assert len(pages.asked) == 1
    assert UptimeCheck.select().count() == before + 1


def test_two_jobs_that_read_the_same_row_do_not_both_check(watched: Site, clock: Clock) -> None:
    first, other = SiteWatch.of(watched.id), SiteWatch.of(watched.id)
    assert first is not None
    assert other is not None
    assert first.claim(clock() + timedelta(minutes=3))
    assert not other.claim(clock() + timedelta(minutes=3))


def test_a_result_is_not_stored_over_a_newer_one(
    watched: Site, pages: FrontPages, config: Config, clock: Clock
) -> None:
    clock.advance(minutes=6)
    late = rounds.check_site(watched.id, config=config, fetch=pages.fetch, now=clock)
    assert late is not None
    clock.advance(minutes=6)
    rounds.run_round([watched.id], config=config, fetch=pages.fetch, now=clock)
    checks = UptimeCheck.select().count()
    assert rounds.settle([late], clock()) == 0
    assert UptimeCheck.select().count() == checks


def test_time_in_which_aura_was_off_is_not_counted(
    watched: Site, pages: FrontPages, config: Config, clock: Clock
) -> None:
    before = sum(row.up_s for row in UptimeSpan.select())
    clock.advance(hours=8)
    play(pages, config, clock() + timedelta(minutes=1))
    after = sum(row.up_s for row in UptimeSpan.select())
    assert after - before <= 2 * 8 * 60


def test_a_disconnected_site_is_not_checked_and_not_down(
    watched: Site, pages: FrontPages, config: Config, clock: Clock, ana: Actor
) -> None:
    pages.answers[watched.url] = failing()
    play(pages, config, clock() + timedelta(minutes=8))
    Site.update(state=REVOKED).execute()
    assert words(ana) == []
    assert upkeep.tidy(clock()) == 1
    assert SiteWatch.due(clock() + timedelta(days=1), 10) == []
    assert Outage.get().ended_at == clock()


def test_old_checks_and_hours_are_deleted_and_days_stay(watched: Site, clock: Clock) -> None:
    checks = UptimeCheck.select().count()
    hours = UptimeSpan.select().where(UptimeSpan.unit == HOUR).count()
    clock.advance(days=29)
    assert upkeep.tidy(clock()) == 0
    clock.advance(days=2)
    assert upkeep.tidy(clock()) == checks
    clock.advance(days=400)
    assert upkeep.tidy(clock()) == hours
    assert {row.unit for row in UptimeSpan.select()} == {DAY}
    quarter = figures.read_days([watched.id], clock().date() - timedelta(days=431))
    assert quarter[watched.id].percent == "100 %"


def test_percentiles_are_right_within_five_percent() -> None:
    times = [40, 90, 120, 400, 800, 1900, 4000, 9900]
    for ms in times:
        assert abs(response_times.ms_of(response_times.bucket_of(ms)) - ms) <= 0.05 * ms
    counts = response_times.add_up([{response_times.bucket_of(ms): 1} for ms in range(100, 1100)])
    assert abs((response_times.percentile(counts, 50) or 0) - 600) <= 30
    assert abs((response_times.percentile(counts, 95) or 0) - 1050) <= 55
    assert response_times.percentile({}, 50) is None


def database_bytes() -> int:
    (pages,), (size,) = (
        db.execute_sql(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size")
    )
    return int(pages * size)


@pytest.mark.sqlite_only
def test_the_database_space_of_a_checked_site_is_bounded(
    watched: Site, clock: Clock, config: Config
) -> None:
    """Measure a site with a month of checks and a year of hours, one check every 5 minutes."""
    site_id, now = watched.id, int(clock().timestamp())
    counts = dict.fromkeys(range(38, 50), 50)
    seconds = {"up_s": 3500, "down_s": 100, "counts": counts}
    added = {}
    for name, model, rows in (
        ("checks", UptimeCheck, [
            {"site": site_id, "at": now + 300 * number, "result": 0, "status": 200, "ms": 420}
            for number in range(1, 30 * 288 + 1)
        ]),
        ("hours", UptimeSpan, [
            {"site": site_id, "unit": HOUR, "number": number, **seconds}
            for number in range(366 * 24)
        ]),
        ("days", UptimeSpan, [
            {"site": site_id, "unit": DAY, "number": number, **seconds} for number in range(365)
        ]),
    ):  # fmt: skip
        before = database_bytes()
        with transaction():
            model.insert_many(rows).execute()
        added[name] = database_bytes() - before
    print(f"\nbytes of a site: {added}; each further year adds {added['days']}")
    assert added["checks"] + added["hours"] < 1_500_000
    assert added["days"] < 60_000
