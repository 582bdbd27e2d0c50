"""A client's report over many sites: each with its own numbers, read in the same queries."""

from __future__ import annotations

from datetime import datetime

import pytest

from app.config import Config
from app.domain import alerts
from app.domain.actor import Actor
from app.domain.reporting import data
from app.domain.reporting.client_report import ClientReport, Period
from app.models.alerts import Alert
from app.models.auto_update_rules import UpdateHold
from app.models.clients import Client
from app.models.reports import Component, Report
from app.models.sites import ACTIVE, Site
from tests.support.factories import make_site
from tests.support.fakes import Clock
from tests.support.queries import counted_queries

pytestmark = pytest.mark.both_databases

BRANCHES = 4


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
    known = Report.of(like)
    columns = ("digest", "taken_at", "received_at", "wordpress", "php", "body")
    Report.create(site=site, **{column: getattr(known, column) for column in columns})
    for one in range(number):
        ident = f"plugin{one}/plugin.php"
        Component.create(
            site=site, kind="plugin", ident=ident, name=f"Plugin {one}", version="1.0",
            update_version="1.1", update_has_package=True,
        )  # fmt: skip
        UpdateHold.create(
            site=site, kind="plugin", ident=ident, reason=name, created_by="Ana", created_at=now
        )
        Alert.create(site=site, kind=alerts.AUDIT_LOG_LOST, key=str(one), raised_at=now)


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
        # Each is held, for the reason that was given on this site.
        held = [why for one in plugins for why in one.against if why.code == "held"]
        assert [why.facts["reason"] for why in held] == [branch.name] * number
    mine = found[ready.name]
    assert (mine.alerts, mine.holds) == (0, ())
    assert mine.components == Component.select().where(Component.site == ready).count() > 0


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
