"""Learn when the registrations of domains end, and tell it in time.

Each domain is asked for once a week. A registry gets a few requests a minute at most, and none for
a while after it has asked for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from zlib import crc32

from app import queue
from app.config import Config
from app.domain.uptime import domain_names, registries
from app.domain.uptime.registries import Fetch
from app.http.registry import RegistryFailed, fetch_json
from app.models import domains
from app.models.base import transaction, utcnow
from app.models.domains import HOSTED, NO_DATE, NO_LIST, NO_RDAP, DomainName
from app.models.uptime import ENDS_LATER, ENDS_NOW, ENDS_SOON
from app.retry import backoff, spread, wait_asked_for

JOB = "check_domains"
# How long before the end a domain is mentioned, needs a person, and is critical.
LATER, SOON, NOW = timedelta(days=30), timedelta(days=14), timedelta(days=3)
_EVERY = timedelta(days=7)
# What a registry does not say today, it hardly says next week.
_SELDOM = timedelta(days=30)
_FIRST_RETRY = timedelta(hours=1)
# A domain that was claimed is due again after this, in case its job was lost.
_LEASE = timedelta(minutes=10)
_MOST_AT_ONCE = 20
_MOST_PER_REGISTRY = 5
_SITES_AT_ONCE = 500


def request_due(config: Config, now: datetime) -> int:
    """Update what ends soon, and queue the job if a domain is due; return how much there was."""
    changed = tell_ends(now)
    if not config.asks_registries:
        return changed
    is_due = bool(domains.sites_without_domain(1) or DomainName.due(now, 1))
    if is_due:
        queue.enqueue(JOB)
    return changed + is_due


def tell_ends(now: datetime) -> int:
    """Store with each site how soon its domain ends; return how many changed."""
    changed = 0
    for watch in domains.ending_watches(now + LATER):
        problem = problem_of(watch.domain_ends_at, now)
        if problem != watch.domain_problem:
            changed += watch.update_if(domain_problem=problem)
    return changed


def problem_of(ends_at: datetime | None, now: datetime) -> str:
    """Return ENDS_NOW, ENDS_SOON, ENDS_LATER or ''."""
    if ends_at is None or ends_at - now > LATER:
        return ""
    if ends_at - now > SOON:
        return ENDS_LATER
    return ENDS_SOON if ends_at - now > NOW else ENDS_NOW


def check_due(
    config: Config, *, fetch: Fetch = fetch_json, now: Callable[[], datetime] = utcnow
) -> int:
    """Ask for the domains that are due; return how many were asked for. Safe to run twice."""
    if not config.asks_registries:
        return 0
    _find_domains(now())
    due = DomainName.due(now(), 10 * _MOST_AT_ONCE)
    if not due:
        return 0
    try:
        known = registries.read_registries(config, fetch, now())
    except RegistryFailed:
        for domain in due:
            _fail(domain, NO_LIST, "", now())
        return 0
    asked: Counter[str] = Counter()
    closed: set[str] = set()
    for domain in due:
        if asked.total() >= _MOST_AT_ONCE:
            break
        server = known.get(domain.name.rpartition(".")[2], "")
        host = urlsplit(server).netloc
        if host in closed:
            domain.claim(now() + _FIRST_RETRY)
        elif asked[host] < _MOST_PER_REGISTRY and domain.claim(now() + _LEASE):
            if not server:
                _settle(domain, None, NO_RDAP, now())
                continue
            asked[host] += 1
            if not _ask(domain, server, config, fetch, now):
                closed.add(host)
    tell_ends(now())
    return asked.total()


def _find_domains(now: datetime) -> None:
    """Find out the domains of sites that are new."""
    for site_id, url in domains.sites_without_domain(_SITES_AT_ONCE):
        name = domain_names.registered_domain(url)
        with transaction():
            if name and domain_names.belongs_to_host(name):
                DomainName.add_missing([name], problem=HOSTED)
            elif name:
                DomainName.add_missing([name], next_check_at=now)
            domains.set_domain(site_id, name)


def _ask(
    domain: DomainName, server: str, config: Config, fetch: Fetch, now: Callable[[], datetime]
) -> bool:
    """Ask the registry, and store its answer; False if it is not to be asked again for a while."""
    try:
        document = fetch(f"{server}/domain/{domain.name}", allow_nets=config.allow_nets)
        ends_at = registries.end_in(document, domain.name)
    except RegistryFailed as why:
        _fail(domain, why.code, why.retry_after, now())
        return why.code not in ("too_many_requests", "unreachable")
    _settle(domain, ends_at, "" if ends_at else NO_DATE, now())
    return True


def _settle(domain: DomainName, ends_at: datetime | None, problem: str, now: datetime) -> None:
    """Store an answer. An end that the registry no longer says stays as it was said last."""
    known = ends_at or domain.ends_at
    every = spread(_EVERY if known else _SELDOM, crc32(domain.name.encode()))
    with transaction():
        domain.update_if(
            ends_at=known,
            problem=problem,
            checked_at=now,
            attempts=0,
            next_check_at=now + every,
        )
        domains.set_end(domain.name, known)


def _fail(domain: DomainName, problem: str, retry_after: str, now: datetime) -> None:
    """Try again later. What was known of the end stays."""
    wait = max(
        backoff(domain.attempts, _FIRST_RETRY, _EVERY), wait_asked_for(retry_after, now, _EVERY)
    )
    domain.update_if(
        problem=problem,
        checked_at=now,
        attempts=domain.attempts + 1,
        next_check_at=now + spread(wait, crc32(domain.name.encode())),
    )
