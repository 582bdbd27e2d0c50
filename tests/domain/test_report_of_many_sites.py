"""Build a client report over many sites: each with its own numbers, in the same queries."""

from __future__ import annotations

import gc
import tracemalloc
from datetime import datetime

import pytest
from peewee import chunked

from app.config import Config
from app.domain import alerts
from app.domain.actor import Actor
from app.domain.reporting import data
from app.domain.reporting.client_report import FORGOTTEN, ClientReport, Period
from app.domain.reporting.stored_sites import SITES_AT_ONCE
from app.models.alerts import Alert
from app.models.auto_update_rules import UpdateHold
from app.models.clients import Client
from app.models.reports import Component, Report
from app.models.sites import ACTIVE, Site
from app.models.uptime import DAY, UptimeSpan
from tests.support.factories import make_site
from tests.support.fakes import Clock
from tests.support.queries import counted_queries

pytestmark = pytest.mark.both_databases

BRANCHES, COMPONENTS = 4, 40
KEPT_OF_SITE_BYTES = 5_000


@pytest.fixture
def client(ready: Site) -> Client:
    client = Client.named("Bakery Ltd")
    Site.update(client=client).execute()
    return client


def report_for(client: Client, ana: Actor, config: Config, now: datetime) -> ClientReport:
    period = Period.of_days(now.date(), now.date())
    return data.compute_for(client, period, by=ana, config=config, now=now)


def add_branch(number: int, like: Site, ana: Actor, now: datetime) -> None:
    """Add a site with `number` components, holds and alerts, and the site data of another."""
    name = f"Branch {number}"
    url = f"https://branch{number}.example"
    site = make_site(ana, now=now, url=url, name=name, client="Bakery Ltd")
    Site.update(state=ACTIVE).where(Site.id == site.id).execute()
    report = Report.of(like)
    columns = ("digest", "taken_at", "received_at", "wordpress", "php", "body")
    Report.create(site=site, **{column: getattr(report, column) for column in columns})
    for index in range(number):
        ident = f"plugin{index}/plugin.php"
        Component.create(
            site=site, kind="plugin", ident=ident, name=f"Plugin {index}", version="1.0",
            update_version="1.1", update_has_package=True,
        )  # fmt: skip
        UpdateHold.create(
            site=site, kind="plugin", ident=ident, reason=name, created_by="Ana", created_at=now
        )
        Alert.create(site=site, kind=alerts.AUDIT_LOG_LOST, key=str(index), raised_at=now)


def test_each_site_of_a_report_has_its_own_numbers(
    client: Client, ready: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    for number in range(BRANCHES):
        add_branch(number, ready, ana, clock())
    found = {one.site.name: one.site for one in report_for(client, ana, config, clock()).sites}
    for number in range(BRANCHES):
        branch = found[f"Branch {number}"]
        plugins = [one for one in branch.available_updates if one.kind == "plugin"]
        assert branch.components == branch.alerts == len(branch.holds) == len(plugins) == number
        # Each update is held, for the reason given on this site.
        held = [why for one in plugins for why in one.against if why.code == "held"]
        assert [why.facts["reason"] for why in held] == [branch.name] * number
    of_ready = found[ready.name]
    assert (of_ready.alerts, of_ready.holds) == (0, ())
    assert of_ready.components == Component.select().where(Component.site == ready).count() > 0


def test_a_report_takes_as_many_queries_for_five_sites_as_for_one(
    client: Client, ready: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    with counted_queries() as for_one:
        report_for(client, ana, config, clock())
    for number in range(BRANCHES):
        add_branch(number, ready, ana, clock())
    with counted_queries() as for_five:
        report_for(client, ana, config, clock())
    assert len(for_five) == len(for_one)


def add_rows(like: Site, ana: Actor, now: datetime, *, more: int) -> None:
    """Add that many sites with components and a month of uptime; the last of them is removed."""
    begin = Site.select().count()
    numbers = range(begin, begin + more)
    columns = {"client": like.client_id, "added_at": now, "added_by": ana.id, "state": ACTIVE}
    rows = [{**columns, "name": f"Shop {n:03}", "url": f"https://{n}.example"} for n in numbers]
    Site.insert_many(rows).execute()
    sites = list(Site.select().where(Site.id > begin).order_by(Site.id))
    plugins = [
        {"site": site, "kind": "plugin", "ident": f"{n}/main.php", "name": f"{n}", "version": "1"}
        for site in sites
        for n in range(COMPONENTS)
    ]
    today = now.toordinal()
    days = [
        {"site": site, "unit": DAY, "number": today - n, "up_s": 86_400, "counts": {1: 288}}
        for site in sites
        for n in range(30)
    ]
    for model, many in ((Component, plugins), (UptimeSpan, days)):
        for some in chunked(many, 100):
            model.insert_many(some).execute()
    Site.update(forgotten_at=now).where(Site.id == sites[-1].id).execute()


def test_each_site_of_a_large_client_is_in_the_report_once_by_name(
    client: Client, ready: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    more = 2 * SITES_AT_ONCE + 5
    Site.update(client=client).execute()
    add_rows(Site.get_by_id(ready.id), ana, clock(), more=more)
    with counted_queries() as for_one_batch:
        sites = report_for(client, ana, config, clock()).sites
    names = [one.site.name for one in sites]
    assert names == sorted(names)
    assert len(set(names)) == len(names) == more + 1
    assert [one.site.name for one in sites if one.site.connection == FORGOTTEN] == [names[-1]]
    assert sum("daily_checks" in query for query in for_one_batch) == 3


@pytest.mark.sqlite_only
def test_a_report_keeps_little_memory_per_site(
    client: Client, ready: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    like = Site.get_by_id(ready.id)
    add_rows(like, ana, clock(), more=SITES_AT_ONCE)
    report_for(client, ana, config, clock())
    some = peak_bytes(client, ana, config, clock())
    more = 3 * SITES_AT_ONCE
    add_rows(like, ana, clock(), more=more)
    assert peak_bytes(client, ana, config, clock()) < some + more * KEPT_OF_SITE_BYTES


def peak_bytes(client: Client, ana: Actor, config: Config, now: datetime) -> int:
    """Return the peak memory of computing the report, in bytes."""
    gc.collect()
    tracemalloc.start()
    report_for(client, ana, config, now)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak
