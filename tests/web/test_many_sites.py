"""With many sites, each list shows their number and has pages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from peewee import chunked

from app.domain.actor import Actor
from app.models.base import utcnow
from app.models.changes import Change
from app.models.clients import Client
from app.models.reports import Report
from app.models.sites import ACTIVE, Site
from app.models.tags import SiteTag
from app.views.pagination import PAGE_SIZE
from app.views.site_list_view_models import PAGE_SIZE as SITES_A_PAGE
from tests.support.queries import counted_queries

MANY = 2 * PAGE_SIZE + 30
PAGES = -(-MANY // SITES_A_PAGE)


@pytest.fixture
def many(ana: Actor) -> None:
    rows = [
        {
            "name": f"Site {number:03}",
            "url": f"https://site{number}.example",
            "state": ACTIVE,
            "added_at": utcnow(),
            "added_by": ana.id,
        }
        for number in range(MANY)
    ]
    Site.insert_many(rows).execute()


def names(text: str) -> set[str]:
    return set(re.findall(r"Site \d{3}", text))


def test_the_list_of_sites_has_pages(as_ana: Any, many: None) -> None:
    pages = [as_ana.get(f"/sites?page={number}").text for number in range(1, PAGES + 1)]
    shown = [len(names(page)) for page in pages]
    assert shown == [SITES_A_PAGE] * (PAGES - 1) + [MANY - SITES_A_PAGE * (PAGES - 1)]
    assert len(set().union(*map(names, pages))) == MANY
    assert f"1 to {SITES_A_PAGE} of {MANY}" in pages[0]
    assert "page=2" in pages[0]
    assert "Next page" not in pages[-1]


def test_a_filter_is_kept_from_page_to_page(as_ana: Any, many: None) -> None:
    page = as_ana.get("/sites?q=Site&sort=-added").text
    assert re.search(r'href="/sites\?page=2&amp;q=Site&amp;sort=-added"', page)
    assert "Show all sites" in page


@pytest.mark.parametrize(("number", "shown"), [("0", "001"), ("99", "229"), ("x", "001")])
def test_an_invalid_page_number_shows_the_nearest_page(
    as_ana: Any, many: None, number: str, shown: str
) -> None:
    assert f"Site {shown}" in as_ana.get(f"/sites?page={number}").text


@pytest.fixture
def thousand(ana: Actor) -> None:
    """Add a thousand connected sites of a hundred clients, with tags and usual names."""
    client_ids = [Client.create(name=f"Client of the agency {n:03}").id for n in range(100)]
    rows = [
        {
            "name": f"Harbour Bakery and Café {number:03}",
            "url": f"https://harbour-bakery-{number}.example",
            "state": ACTIVE,
            "client": client_ids[number % 100],
            "update_count": number % 7,
            "last_success_at": utcnow(),
            "added_at": utcnow(),
            "added_by": ana.id,
        }
        for number in range(1000)
    ]
    for chunk in chunked(rows, 100):
        Site.insert_many(chunk).execute()
    tagged = [
        {"site": site.id, "text": text, "folded": text}
        for site in Site.select(Site.id)
        for text in ("shop", "care plan plus")
    ]
    for chunk in chunked(tagged, 200):
        SiteTag.insert_many(chunk).execute()
    reports = [
        {
            "site": site.id,
            "digest": "",
            "taken_at": utcnow(),
            "received_at": utcnow(),
            "wordpress": "7.1.4",
            "php": "7.4.33",
            "body": "{}",
        }
        for site in Site.select(Site.id)
    ]
    for chunk in chunked(reports, 100):
        Report.insert_many(chunk).execute()


@pytest.mark.parametrize("path", ["/sites", "/sites?state=updates&sort=-updates&tag=shop&page=3"])
def test_a_page_of_a_thousand_sites_is_small_and_takes_few_queries(
    as_ana: Any, thousand: None, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    as_ana.get("/account")
    with caplog.at_level("DEBUG", logger="peewee"):
        page = as_ana.get(path)
    assert page.text.count('name="site"') == SITES_A_PAGE
    assert len([record for record in caplog.records if record.name == "peewee"]) <= 12
    assert len(page.data) <= 60_000


@pytest.mark.parametrize("path", ["/", "/activity", "/activity/exports", "/clients"])
def test_other_pages_of_a_thousand_sites_are_small_too(
    as_ana: Any, thousand: None, path: str
) -> None:
    as_ana.get("/account")
    with counted_queries() as statements:
        page = as_ana.get(path)
    assert page.status_code == 200
    assert len(statements) <= 12
    assert len(page.data) <= 60_000


@pytest.mark.parametrize("path", ["/activity", "/activity/exports"])
def test_a_form_offers_all_sites_while_they_are_few(as_ana: Any, ready: Site, path: str) -> None:
    assert f'<option value="{ready.id}">{ready.name}</option>' in as_ana.get(path).text


def test_with_many_sites_a_filter_offers_those_of_a_client(as_ana: Any, thousand: None) -> None:
    client = Client.get()
    sites_of_client = Site.select().where(Site.client == client)
    option = re.compile(r'<option value="\d+">Harbour Bakery and Café \d{3}</option>')
    assert option.findall(as_ana.get("/activity").text) == []
    found = as_ana.get(f"/activity?client={client.id}").text
    assert len(option.findall(found)) == sites_of_client.count() == 10
    chosen = as_ana.get(f"/activity?site={sites_of_client[0].id}").text
    assert f'<option value="{sites_of_client[0].id}" selected>' in chosen


def test_the_list_of_clients_has_pages(as_ana: Any, thousand: None) -> None:
    pages = [as_ana.get(f"/clients?page={number}").text for number in (1, 2, 3)]
    found = [re.findall(r"Client of the agency \d{3}</a>", page) for page in pages]
    assert [len(names_of_page) for names_of_page in found] == [40, 40, 20]
    assert "100 clients" in pages[0]


def test_a_rule_can_name_every_site(as_ana: Any, many: None) -> None:
    assert not names(as_ana.get("/auto-update-rules").text)
    found: set[str] = set()
    for text in ("site 0", "SITE 1", "2"):
        form = {"find": "1", "find_sites": text}
        found |= names(as_ana.post("/auto-update-rules", data=form).text)
    assert len(found) == MANY


def test_the_history_of_a_component_is_complete(as_ana: Any, proposed: Change) -> None:
    Change.update(state="expired", ended_at=utcnow()).execute()
    ended = Change.get().__data__
    for number in range(60):
        Change.create(**{**ended, "id": None, "op_id": f"other {number}"})
    address = f"/sites/{proposed.site_id}/component?kind=plugin&ident={proposed.ident}"
    assert len(set(re.findall(r'href="/changes/(\d+)"', as_ana.get(address).text))) == 61
