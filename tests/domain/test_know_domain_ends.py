"""Aura knows when the registration of a domain ends, warns in time, and says why it may not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.config import Config
from app.domain import attention
from app.domain.actor import Actor
from app.domain.attention import CHECK, CRITICAL, SOON
from app.domain.uptime import domain_ends, rounds
from app.http.registry import RegistryFailed
from app.models.domains import DomainName
from app.models.fleet import fleet
from app.models.sites import ACTIVE, Site
from app.models.uptime import SiteWatch
from app.models.visibility import EVERYTHING
from tests.support.factories import make_site
from tests.support.fakes import Clock, RecordingQueue, at
from tests.support.registries import COM, UK, Registries

pytestmark = pytest.mark.both_databases

BAKERY = f"{COM}/domain/bakery.com"


@pytest.fixture
def registries() -> Registries:
    return Registries()


def watch_sites(ana: Actor, clock: Clock, *urls: str) -> list[Site]:
    made = [make_site(ana, now=clock(), url=url, name=f"Site of {url}") for url in urls]
    Site.update(state=ACTIVE, last_success_at=clock()).execute()
    SiteWatch.add_missing(clock())
    return made


def check(registries: Registries, config: Config, clock: Clock) -> int:
    return domain_ends.check_due(config, fetch=registries.fetch, now=clock)


def watch_of(site: Site) -> SiteWatch:
    watch = SiteWatch.of(site.id)
    assert watch is not None
    return watch


def items(actor: Actor, clock: Clock) -> list[tuple[str, str, str]]:
    """Return the items about domains: key, word and severity."""
    sites = fleet(EVERYTHING)
    found = [*attention.urgent(actor, sites), *attention.upcoming(actor, sites, clock())]
    return [(item.key, item.word, item.severity) for item in found if item.about == "domain"]


def test_the_end_is_looked_up_once_a_week_for_all_sites_of_a_domain(
    ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue, registries: Registries
) -> None:
    first, other = watch_sites(ana, clock, "https://www.bakery.com", "https://shop.bakery.com")
    registries.end(BAKERY, "2027-03-01T10:00:00Z")
    assert domain_ends.request_due(config, clock()) == 1
    assert ("check_domains", (), 0) in [(*job, 0)[:3] for job in jobs.jobs]
    assert check(registries, config, clock) == 1
    for site in (first, other):
        assert watch_of(site).domain == "bakery.com"
        assert watch_of(site).domain_ends_at == at("2027-03-01 10:00")
    assert items(ana, clock) == []
    # One request for the list of registries, and one for the domain.
    assert len(registries.asked) == 2
    jobs.jobs.clear()
    clock.advance(days=6)
    assert domain_ends.request_due(config, clock()) == 0
    assert check(registries, config, clock) == 0
    clock.advance(days=2)
    registries.end(BAKERY, "2028-03-01T10:00:00Z")
    assert check(registries, config, clock) == 1
    assert watch_of(other).domain_ends_at == at("2028-03-01 10:00")
    assert registries.asked[2:] == [BAKERY]


def test_a_nearing_end_is_mentioned_then_to_check_then_critical(
    ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue, registries: Registries
) -> None:
    [site] = watch_sites(ana, clock, "https://bakery.com")
    registries.end(BAKERY, "2027-03-01T10:00:00Z")
    check(registries, config, clock)
    ends = at("2027-03-01 10:00")
    stages = [
        (timedelta(days=30, hours=1), []),
        (timedelta(days=30), [(f"domain_later:{site.id}", "ends_later", SOON)]),
        (timedelta(days=14, hours=1), [(f"domain_later:{site.id}", "ends_later", SOON)]),
        (timedelta(days=14), [(f"domain:{site.id}", "ends_soon", CHECK)]),
        (timedelta(days=3), [(f"domain:{site.id}", "ends_now", CRITICAL)]),
        (timedelta(days=-1), [(f"domain:{site.id}", "ends_now", CRITICAL)]),
    ]
    for before, expected in stages:
        clock.now = ends - before
        domain_ends.tell_ends(clock())
        assert items(ana, clock) == expected, before
    brief = attention.urgent_in_brief(ana)
    assert [item.about for item in brief.items] == ["domain"]
    # The registration was renewed.
    registries.end(BAKERY, "2028-03-01T10:00:00Z")
    check(registries, config, clock)
    assert items(ana, clock) == []


@pytest.mark.parametrize(
    ("url", "answer", "problem", "days"),
    [
        ("https://baeckerei.de", None, "no_rdap", 30),
        ("https://bakery.com", {"ends": None}, "no_date", 30),
        ("https://bakery.com", RegistryFailed("not_registered"), "not_registered", 0),
        ("https://bakery.com", RegistryFailed("unreachable"), "unreachable", 0),
        ("https://bakery.com", {"name": "other.com"}, "unreadable", 0),
        ("https://bakery.com", {"ends": "next spring"}, "unreadable", 0),
    ],
)
def test_an_unknown_end_has_a_reason_and_is_looked_up_again_later(
    ana: Actor,
    config: Config,
    clock: Clock,
    registries: Registries,
    url: str,
    answer: object,
    problem: str,
    days: int,
) -> None:
    [site] = watch_sites(ana, clock, url)
    if isinstance(answer, dict):
        registries.end(BAKERY, answer.get("ends"))
        registries.answers[BAKERY]["ldhName"] = answer.get("name", "bakery.com")
    else:
        registries.answers[BAKERY] = answer
    check(registries, config, clock)
    domain_row = DomainName.of(watch_of(site).domain)
    assert domain_row is not None
    assert (domain_row.problem, domain_row.ends_at) == (problem, None)
    assert items(ana, clock) == []
    wait = domain_row.next_check_at - clock()
    assert timedelta(days=days) <= wait <= timedelta(days=1.1 * days, hours=1.1)


@pytest.mark.parametrize(
    ("url", "domain", "problem"),
    [
        ("https://agency.github.io", "github.io", "hosted"),
        ("https://192.0.2.7", "", None),
        ("http://localhost:8080", "", None),
    ],
)
def test_an_address_without_its_own_domain_is_not_looked_up(
    ana: Actor,
    config: Config,
    clock: Clock,
    registries: Registries,
    url: str,
    domain: str,
    problem: str | None,
) -> None:
    [site] = watch_sites(ana, clock, url)
    assert check(registries, config, clock) == 0
    assert (watch_of(site).domain, registries.asked) == (domain, [])
    domain_row = DomainName.of(domain)
    assert (domain_row and domain_row.problem) == problem
    clock.advance(days=60)
    assert domain_ends.request_due(config, clock()) == 0


def test_with_lookups_switched_off_a_stored_end_is_still_reported(
    ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue, registries: Registries
) -> None:
    watch_sites(ana, clock, "https://bakery.com")
    registries.end(BAKERY, "2027-01-20T10:00:00Z")
    assert check(registries, config, clock) == 1
    requests_before = len(registries.asked)
    off = replace(config, asks_registries=False)
    clock.now = at("2027-01-18 10:00")
    assert domain_ends.request_due(off, clock()) == 1
    assert check(registries, off, clock) == 0
    assert (len(registries.asked), jobs.jobs) == (requests_before, [])
    assert [(word, severity) for _, word, severity in items(ana, clock)] == [("ends_now", CRITICAL)]


def test_a_stored_end_stays_when_a_registry_cannot_be_reached(
    ana: Actor, config: Config, clock: Clock, registries: Registries
) -> None:
    [site] = watch_sites(ana, clock, "https://bakery.com")
    registries.end(BAKERY, "2026-12-20T00:00:00Z")
    check(registries, config, clock)
    registries.answers[BAKERY] = RegistryFailed("unreachable")
    waits = []
    for _ in range(10):
        domain_row = DomainName.of("bakery.com")
        assert domain_row is not None
        clock.now = domain_row.next_check_at
        check(registries, config, clock)
        domain_row.refresh()
        waits.append(domain_row.next_check_at - clock())
    assert waits == sorted(waits)
    assert waits[-1] <= 1.1 * timedelta(days=7)
    assert watch_of(site).domain_ends_at == at("2026-12-20 00:00")
    assert items(ana, clock)[0][1] == "ends_now"


def test_a_stored_end_stays_when_a_registry_no_longer_names_it(
    ana: Actor, config: Config, clock: Clock, registries: Registries
) -> None:
    [site] = watch_sites(ana, clock, "https://bakery.com")
    registries.end(BAKERY, "2026-12-20T00:00:00Z")
    check(registries, config, clock)
    registries.end(BAKERY, None)
    clock.now = at("2026-12-18 00:00")
    check(registries, config, clock)
    domain_row = DomainName.of("bakery.com")
    assert domain_row is not None
    assert (domain_row.problem, domain_row.ends_at) == ("no_date", at("2026-12-20 00:00"))
    assert domain_row.next_check_at - clock() <= 1.1 * timedelta(days=7)
    assert watch_of(site).domain_ends_at == at("2026-12-20 00:00")
    assert items(ana, clock)[0][1] == "ends_now"


def test_a_registry_gets_few_requests_and_none_after_a_429(
    ana: Actor, config: Config, clock: Clock, registries: Registries
) -> None:
    watch_sites(ana, clock, *[f"https://shop{number}.com" for number in range(8)],
                "https://bakery.co.uk")  # fmt: skip
    for number in range(8):
        registries.end(f"{COM}/domain/shop{number}.com", "2027-05-01")
    registries.end(f"{UK}/domain/bakery.co.uk", "2027-05-01T00:00:00+01:00")
    # Both domains are on one host.
    assert check(registries, config, clock) == 5
    assert check(registries, config, clock) == 4
    assert DomainName.select().where(DomainName.ends_at.is_null()).count() == 0
    clock.advance(days=8)
    slow_down = RegistryFailed("too_many_requests", "7200")
    registries.answers = dict.fromkeys(registries.answers, slow_down)
    assert check(registries, config, clock) == 1
    refused = DomainName.get(DomainName.problem == "too_many_requests")
    assert timedelta(hours=2) <= refused.next_check_at - clock() <= timedelta(hours=2.2)
    # The other domains wait as well.
    clock.advance(minutes=59)
    assert check(registries, config, clock) == 0
    clock.advance(minutes=2)
    assert check(registries, config, clock) == 1


def test_the_list_of_registries_is_kept_for_a_month_or_until_the_next(
    ana: Actor, config: Config, clock: Clock, registries: Registries
) -> None:
    watch_sites(ana, clock, "https://bakery.com")
    registries.end(BAKERY, "2027-12-20T00:00:00Z")
    registries.listed = RegistryFailed("unreachable")
    assert check(registries, config, clock) == 0
    domain_row = DomainName.of("bakery.com")
    assert domain_row is not None
    assert domain_row.problem == "no_list"
    clock.advance(hours=2)
    for listed in ({"services": []}, {"services": "none"}, {}):
        registries.listed = listed
        domain_row.update_if(next_check_at=clock())
        assert check(registries, config, clock) == 0
    registries = Registries(registries.answers)
    domain_row.update_if(next_check_at=clock())
    assert check(registries, config, clock) == 1
    registries.listed = RegistryFailed("unreachable")
    for days in (20, 20):
        clock.advance(days=days)
        assert check(registries, config, clock) == 1
    assert [url for url in registries.asked if url != BAKERY].__len__() == 2


def test_domains_are_looked_up_although_the_list_cannot_be_stored(
    ana: Actor, config: Config, clock: Clock, registries: Registries
) -> None:
    [site] = watch_sites(ana, clock, "https://bakery.com")
    registries.end(BAKERY, "2027-12-20T00:00:00Z")
    (config.var_dir / "registries.part").mkdir()
    assert check(registries, config, clock) == 1
    assert watch_of(site).domain_ends_at == at("2027-12-20 00:00")


def test_the_domain_of_a_revoked_site_is_not_looked_up(
    ana: Actor, config: Config, clock: Clock, registries: Registries
) -> None:
    [site] = watch_sites(ana, clock, "https://bakery.com")
    registries.end(BAKERY, "2026-12-01T00:00:00Z")
    check(registries, config, clock)
    domain_ends.tell_ends(clock())
    assert items(ana, clock)
    Site.update(state="revoked").where(Site.id == site.id).execute()
    clock.advance(days=30)
    assert check(registries, config, clock) == 0
    assert items(ana, clock) == []


def test_checks_of_front_pages_keep_the_domain(
    ana: Actor, config: Config, clock: Clock, registries: Registries
) -> None:
    [site] = watch_sites(ana, clock, "https://bakery.com")
    registries.end(BAKERY, "2027-03-01T10:00:00Z")
    check(registries, config, clock)
    assert watch_of(site).forget_state()
    assert rounds.request_due(clock()) >= 0
    assert watch_of(site).domain == "bakery.com"
