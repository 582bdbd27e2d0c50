"""Build a fleet in the bound database, by simulating a month in this process."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from app import queue
from app.config import Config
from app.models.base import utcnow
from tests.fleet import catalog
from tests.fleet.client_reports import send_client_reports
from tests.fleet.file_checks import add_file_checks
from tests.fleet.fleet import Fleet, Website
from tests.fleet.history import plan_backlog, plan_history
from tests.fleet.market import Market
from tests.fleet.pages import add_pages
from tests.fleet.rollouts import plan_rollout
from tests.fleet.sources import add_sources
from tests.fleet.stories import (
    FIXED_ROLES,
    ROLES,
    UNPAIRED_ROLES,
    is_kept,
    plan_stories,
    plan_unpaired,
)
from tests.fleet.timeline import FleetClock, Timeline, Wire
from tests.fleet.uptime import add_uptime
from tests.fleet.vulnerabilities import add_vulnerabilities
from tests.fleet.webhooks import add_webhooks
from tests.support.fakes import RecordingQueue

SITES = 60
SEED = "fernwood"
FEWEST = 6


def example_address(slug: str) -> str:
    """Return an address that does not exist on the internet."""
    return f"https://{slug}.example"


def build_fleet(
    config: Config,
    sites: int = SITES,
    seed: str = SEED,
    *,
    address: Callable[[str], str] = example_address,
    now: datetime | None = None,
) -> Fleet:
    """Fill the migrated, empty database of `config` with a fleet of `sites` sites; return it.

    Everything happens through the domain functions, with signed messages, in the month before `now`
    (default: the present). The same seed gives the same content, but other keys and ids. `address`
    turns the name of a site in a URL into its home address. Leaves a queue that records jobs bound.
    """
    if sites < FEWEST:
        raise ValueError(f"A fleet has at least {FEWEST} sites.")
    ends_at = now or utcnow()
    clock = FleetClock(ends_at - timedelta(days=31), ends_at)
    wire = Wire()
    timeline = Timeline(clock, wire, config)
    fleet = Fleet(config, seed, clock, wire, timeline, Market(seed, ends_at))
    websites = choose_websites(sites, seed, address)
    paired = [one for one in websites if one.role not in UNPAIRED_ROLES]
    queue.use(timeline)
    plan_history(fleet, paired)
    plan_backlog(fleet)
    plan_stories(fleet, paired)
    plan_rollout(fleet, [one for one in paired if not one.role and not is_kept(fleet, one)])
    plan_unpaired(fleet, [one for one in websites if one.role in UNPAIRED_ROLES])
    timeline.run(ends_at)
    queue.use(RecordingQueue())
    add_uptime(fleet, websites)
    add_vulnerabilities(fleet)
    add_pages(fleet)
    add_sources(fleet)
    add_file_checks(fleet)
    send_client_reports(fleet)
    add_webhooks(fleet)
    clock.is_live = True
    return fleet


def choose_websites(
    count: int, seed: str, address: Callable[[str], str] = example_address
) -> list[Website]:
    """Return the sites of a fleet with their roles; those of each client follow one another."""
    rounds = max(len(client.websites) for client in catalog.CLIENTS)
    first = [
        (client.websites[number], client)
        for number in range(rounds)
        for client in catalog.CLIENTS
        if number < len(client.websites)
    ]
    named = first + [(f"{name} {town}", client) for town in catalog.TOWNS for name, client in first]
    if count > len(named):
        raise ValueError(f"There are names for {len(named)} sites.")
    websites = [Website(name, client, address(_slug(name))) for name, client in named[:count]]
    return _with_roles(websites, seed)


def _with_roles(websites: list[Website], seed: str) -> list[Website]:
    """Assign the roles at random; some sites stay ordinary."""
    fixed = len(FIXED_ROLES)
    ordinary = max(1, len(websites) // 10)
    roles = [*ROLES[:1], *UNPAIRED_ROLES[:1], *ROLES[1:], *UNPAIRED_ROLES[1:]]
    roles = roles[: len(websites) - fixed - ordinary]
    roles += [""] * (len(websites) - fixed - len(roles))
    random.Random(f"{seed}:roles").shuffle(roles)
    return [
        replace(website, role=role)
        for website, role in zip(websites, [*FIXED_ROLES, *roles], strict=True)
    ]


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower().replace("&", "and")).strip("-")
