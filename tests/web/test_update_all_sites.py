"""A hundred updates on forty sites: few clicks, few queries, small pages."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pytest

from app.models.accounts import UserSession
from app.models.base import utcnow
from app.models.changes import APPROVED, Change
from app.models.sites import Site
from tests.support.clicking import Clicker
from tests.support.factories import (
    AKISMET,
    PASSWORD,
    check,
    make_site,
    pair,
    plugin,
    read_report,
    report,
)
from tests.support.fakes import FakeSite

PLUGINS = ("Akismet", "Forms", "Shop")
SITES = 40
MAX_QUERIES = 12
MAX_BYTES = 60_000


@dataclass
class Agency:
    """Hold the fake sites of the agency by id."""

    fakes: dict[int, FakeSite]

    def answer_pre_checks(self, config) -> None:
        for change in Change.select():
            fake = self.fakes[change.site_id]
            fake.clock.now = utcnow()
            check(change, fake, config)


@pytest.fixture
def agency(ana, config, clock, jobs) -> Agency:
    """Return an agency of forty sites with the same three outdated plugins."""
    clock.now = utcnow()
    idents = [AKISMET, *(f"{name.lower()}/{name.lower()}.php" for name in PLUGINS[1:])]
    plugins = [plugin(ident, name=name) for ident, name in zip(idents, PLUGINS, strict=True)]
    updates = report()["updates"]
    updates["plugins"] = [{**updates["plugins"][0], "id": ident} for ident in idents]
    found = {}
    for number in range(SITES):
        url = f"https://site{number}.example"
        site = make_site(ana, now=clock(), url=url, name=f"Site {number:02}")
        fake = FakeSite(home=url, clock=clock, report=report(plugins=plugins, updates=updates))
        pair(site, fake, by=ana, config=config)
        read_report(site, fake, config=config)
        found[site.id] = fake
    jobs.jobs.clear()
    return Agency(found)


@pytest.fixture
def costs(caplog):
    """Return a function that returns the number of queries since its last call."""
    caplog.set_level(logging.DEBUG, logger="peewee")

    def queries() -> int:
        found = [record for record in caplog.records if record.name == "peewee"]
        caplog.clear()
        return sum("SELECT" in str(record.msg) for record in found)

    return queries


def test_a_hundred_updates_need_ten_clicks_and_one_password(as_ana, agency, config, costs):
    UserSession.update(confirmed_at=utcnow().replace(year=2025)).execute()
    ana = Clicker(as_ana, "/")
    ana.follow("Updates")
    assert "120 updates ready on 40 sites" in ana.text
    ana.follow("Select all")
    ana.press("Review selected updates")
    assert "Pre-checks: 0 of 120 answered" in ana.text
    agency.answer_pre_checks(config)
    ana.follow("Refresh now")
    assert "Ready" in ana.text
    assert len(ana.text.encode()) <= MAX_BYTES
    ana.press("Approve and install 120 updates")
    assert "Re-enter your password" in ana.text
    ana.press("Confirm and continue", own_password=PASSWORD)
    assert Change.select().where(Change.state == APPROVED).count() == 120
    assert ana.clicks <= 10
    batch = Change.get().batch
    costs()
    for path in (
        f"/updates/{batch}",
        "/updates/running",
        "/updates/waiting",
        "/updates/done",
        "/updates/blocked",
        "/updates",
    ):
        page = as_ana.get(path)
        assert page.status_code == 200
        assert costs() <= MAX_QUERIES, path
        assert len(page.data) <= MAX_BYTES, path


def test_one_plugin_on_all_sites_needs_six_clicks_and_one_password(as_ana, agency, config, costs):
    UserSession.update(confirmed_at=utcnow().replace(year=2025)).execute()
    costs()
    for path in ("/updates", "/updates?by=site", f"/plugins/plugin?ident={AKISMET}"):
        page = as_ana.get(path)
        assert costs() <= MAX_QUERIES, path
        assert len(page.data) <= MAX_BYTES, path
    ana = Clicker(as_ana, "/")
    ana.follow("Updates")
    ana.follow("Akismet")
    assert "on 40 sites" in ana.text
    ana.press("Update on 40 sites")
    agency.answer_pre_checks(config)
    ana.follow("Refresh now")
    ana.press("Approve and update 40 sites")
    ana.press("Confirm and continue", own_password=PASSWORD)
    assert ana.clicks <= 6
    approved = Change.select().where(Change.state == APPROVED, Change.ident == AKISMET)
    assert {change.site_id for change in approved} == {site.id for site in Site.select()}
