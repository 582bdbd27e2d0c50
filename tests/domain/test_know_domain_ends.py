"""The end of a domain's registration is known, and told in time; why not is said otherwise."""

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


def look(registries: Registries, config: Config, clock: Clock) -> int:
    return domain_ends.check_due(config, fetch=registries.fetch, now=clock)


def watch_of(site: Site) -> SiteWatch:
    watch = SiteWatch.of(site.id)
    assert watch is not None
    return watch


def items(actor: Actor, clock: Clock) -> list[tuple[str, str, str]]:
    """The items about domains: key, word and severity."""
    sites = fleet(EVERYTHING)
    found = [*attention.urgent(actor, sites), *attention.upcoming(actor, sites, clock())]
    return [(one.key, one.word, one.severity) for one in found if one.about == "domain"]


def test_the_end_is_asked_for_once_a_week_for_all_sites_of_a_domain(
    ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue, registries: Registries
) -> None:
    one, other = watch_sites(ana, clock, "https://www.bakery.com", "https://shop.bakery.com")
    registries.end(BAKERY, "2027-03-01T10:00:00Z")
    assert domain_ends.request_due(config, clock()) == 1
    assert ("check_domains", (), 0) in [(*job, 0)[:3] for job in jobs.jobs]
    assert look(registries, config, clock) == 1
    for site in (one, other):
        assert watch_of(site).domain == "bakery.com"
        assert watch_of(site).domain_ends_at == at("2027-03-01 10:00")
    assert items(ana, clock) == []
    # The list of registries and the domain, each once.
    assert len(registries.asked) == 2
    jobs.jobs.clear()
    clock.advance(days=6)
    assert domain_ends.request_due(config, clock()) == 0
    assert look(registries, config, clock) == 0
    clock.advance(days=2)
    registries.end(BAKERY, "2028-03-01T10:00:00Z")
    assert look(registries, config, clock) == 1
    assert watch_of(other).domain_ends_at == at("2028-03-01 10:00")
    assert registries.asked[2:] == [BAKERY]


def test_it_is_mentioned_a_month_before_needs_a_person_and_becomes_critical(
    ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue, registries: Registries
) -> None:
    [site] = watch_sites(ana, clock, "https://bakery.com")
    registries.end(BAKERY, "2027-03-01T10:00:00Z")
    look(registries, config, clock)
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
    # It was renewed.
    registries.end(BAKERY, "2028-03-01T10:00:00Z")
    look(registries, config, clock)
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
def test_why_the_end_is_unknown_is_said_and_asked_again_later(
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
    look(registries, config, clock)
    known = DomainName.of(watch_of(site).domain)
    assert known is not None
    assert (known.problem, known.ends_at) == (problem, None)
    assert items(ana, clock) == []
    wait = known.next_check_at - clock()
    assert timedelta(days=days) <= wait <= timedelta(days=1.1 * days, hours=1.1)


@pytest.mark.parametrize(
    ("url", "domain", "problem"),
    [
        ("https://agency.github.io", "github.io", "hosted"),
        ("https://192.0.2.7", "", None),
        ("http://localhost:8080", "", None),
    ],
)
def test_an_address_without_a_domain_of_its_own_is_not_asked_for(
    ana: Actor,
    config: Config,
    clock: Clock,
    registries: Registries,
    url: str,
    domain: str,
    problem: str | None,
) -> None:
    [site] = watch_sites(ana, clock, url)
    assert look(registries, config, clock) == 0
    assert (watch_of(site).domain, registries.asked) == (domain, [])
    known = DomainName.of(domain)
    assert (known and known.problem) == problem
    clock.advance(days=60)
    assert domain_ends.request_due(config, clock()) == 0


def test_asking_can_be_switched_off_and_what_is_known_is_still_told(
    ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue, registries: Registries
) -> None:
    watch_sites(ana, clock, "https://bakery.com")
    registries.end(BAKERY, "2027-01-20T10:00:00Z")
    assert look(registries, config, clock) == 1
    asked = len(registries.asked)
    off = replace(config, asks_registries=False)
    clock.now = at("2027-01-18 10:00")
    assert domain_ends.request_due(off, clock()) == 1
    assert look(registries, off, clock) == 0
    assert (len(registries.asked), jobs.jobs) == (asked, [])
    assert [(word, severity) for _, word, severity in items(ana, clock)] == [("ends_now", CRITICAL)]


def test_what_was_known_stays_when_a_registry_cannot_be_reached(
    ana: Actor, config: Config, clock: Clock, registries: Registries
) -> None:
    [site] = watch_sites(ana, clock, "https://bakery.com")
    registries.end(BAKERY, "2026-12-20T00:00:00Z")
    look(registries, config, clock)
    registries.answers[BAKERY] = RegistryFailed("unreachable")
    waits = []
    for _ in range(10):
        known = DomainName.of("bakery.com")
        assert known is not None
        clock.now = known.next_check_at
        look(registries, config, clock)
        known.refresh()
        waits.append(known.next_check_at - clock())
    assert waits == sorted(waits)
    assert waits[-1] <= 1.1 * timedelta(days=7)
    assert watch_of(site).domain_ends_at == at("2026-12-20 00:00")
    assert items(ana, clock)[0][1] == "ends_now"


def test_what_was_known_stays_when_a_registry_no_longer_says_it(
    ana: Actor, config: Config, clock: Clock, registries: Registries
) -> None:
    [site] = watch_sites(ana, clock, "https://bakery.com")
    registries.end(BAKERY, "2026-12-20T00:00:00Z")
    look(registries, config, clock)
    registries.end(BAKERY, None)
    clock.now = at("2026-12-18 00:00")
    look(registries, config, clock)
    known = DomainName.of("bakery.com")
    assert known is not None
    assert (known.problem, known.ends_at) == ("no_date", at("2026-12-20 00:00"))
    assert known.next_check_at - clock() <= 1.1 * timedelta(days=7)
    assert watch_of(site).domain_ends_at == at("2026-12-20 00:00")
    assert items(ana, clock)[0][1] == "ends_now"


def test_a_registry_gets_few_requests_at_once_and_none_after_it_asked_for_that(
    ana: Actor, config: Config, clock: Clock, registries: Registries
) -> None:
    watch_sites(ana, clock, *[f"https://shop{number}.com" for number in range(8)],
                "https://bakery.co.uk")  # fmt: skip
    for number in range(8):
        registries.end(f"{COM}/domain/shop{number}.com", "2027-05-01")
    registries.end(f"{UK}/domain/bakery.co.uk", "2027-05-01T00:00:00+01:00")
    # Both are on one host.
    assert look(registries, config, clock) == 5
    assert look(registries, config, clock) == 4
    assert DomainName.select().where(DomainName.ends_at.is_null()).count() == 0
    clock.advance(days=8)
    slow_down = RegistryFailed("too_many_requests", "7200")
    registries.answers = dict.fromkeys(registries.answers, slow_down)
    assert look(registries, config, clock) == 1
    asked = DomainName.get(DomainName.problem == "too_many_requests")
    assert timedelta(hours=2) <= asked.next_check_at - clock() <= timedelta(hours=2.2)
    # The others wait as well.
    clock.advance(minutes=59)
    assert look(registries, config, clock) == 0
    clock.advance(minutes=2)
    assert look(registries, config, clock) == 1


def test_the_list_of_registries_is_kept_for_a_month_and_used_longer_if_it_has_to_be(
    ana: Actor, config: Config, clock: Clock, registries: Registries
) -> None:
    watch_sites(ana, clock, "https://bakery.com")
    registries.end(BAKERY, "2027-12-20T00:00:00Z")
    registries.listed = RegistryFailed("unreachable")
    assert look(registries, config, clock) == 0
    known = DomainName.of("bakery.com")
    assert known is not None
    assert known.problem == "no_list"
    clock.advance(hours=2)
    for listed in ({"services": []}, {"services": "none"}, {}):
        registries.listed = listed
        known.update_if(next_check_at=clock())
        assert look(registries, config, clock) == 0
    registries = Registries(registries.answers)
    known.update_if(next_check_at=clock())
    assert look(registries, config, clock) == 1
    registries.listed = RegistryFailed("unreachable")
    for days in (20, 20):
        clock.advance(days=days)
        assert look(registries, config, clock) == 1
    assert [url for url in registries.asked if url != BAKERY].__len__() == 2


def test_domains_are_asked_for_although_the_list_of_registries_cannot_be_stored(
    ana: Actor, config: Config, clock: Clock, registries: Registries
) -> None:
    [site] = watch_sites(ana, clock, "https://bakery.com")
    registries.end(BAKERY, "2027-12-20T00:00:00Z")
    (config.var_dir / "registries.part").mkdir()
    assert look(registries, config, clock) == 1
    assert watch_of(site).domain_ends_at == at("2027-12-20 00:00")


def test_a_site_that_ended_is_not_asked_about(
    ana: Actor, config: Config, clock: Clock, registries: Registries
) -> None:
    [site] = watch_sites(ana, clock, "https://bakery.com")
    registries.end(BAKERY, "2026-12-01T00:00:00Z")
    look(registries, config, clock)
    domain_ends.tell_ends(clock())
    assert items(ana, clock)
    Site.update(state="revoked").where(Site.id == site.id).execute()
    clock.advance(days=30)
    assert look(registries, config, clock) == 0
    assert items(ana, clock) == []


def test_checks_of_front_pages_leave_the_domain_alone(
    ana: Actor, config: Config, clock: Clock, registries: Registries
) -> None:
    [site] = watch_sites(ana, clock, "https://bakery.com")
    registries.end(BAKERY, "2027-03-01T10:00:00Z")
    look(registries, config, clock)
    assert watch_of(site).forget_state()
    assert rounds.request_due(clock()) >= 0
    assert watch_of(site).domain == "bakery.com"
