"""Search sites, clients, plugins and people by a part of their name."""

from __future__ import annotations

import re

import pytest

from app.models.clients import Client
from app.models.reports import Component
from app.models.sites import Site
from tests.support.factories import make_site


def found(person, text: str) -> dict[str, str]:
    """Return the text of each group of results."""
    page = person.get("/search", query_string={"q": text}).text
    groups = re.findall(r'<section class="section" id="found-(\w+)".*?</section>', page, re.DOTALL)
    parts = re.findall(r'(<section class="section" id="found-.*?</section>)', page, re.DOTALL)
    return dict(zip(groups, parts, strict=True))


@pytest.fixture
def florist(ana, clock, jobs) -> Site:
    """Return a site of a client that Dora does not belong to."""
    return make_site(ana, now=clock(), url="https://roses.example", name="Roses", client="Florist")


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("roses", {"sites"}),
        ("ROSES.ex", {"sites"}),
        ("florist", {"sites", "clients"}),
        ("akismet", {"components"}),
        ("ben@agency", {"people"}),
        ("%", set()),
        ("nothing at all", set()),
    ],
)
def test_each_kind_is_found_by_a_part_of_its_name(as_ana, ben, today, florist, text, kinds):
    assert found(as_ana, text).keys() == kinds


def test_results_lead_to_their_pages(as_ana, today, florist):
    assert f'href="/sites/{florist.id}"' in found(as_ana, "roses")["sites"]
    assert "on 1 site" in found(as_ana, "akismet")["components"]
    assert "Nothing contains “nope”" in as_ana.get("/search?q=nope").text
    assert found(as_ana, "  ") == {}


def test_a_removed_site_and_its_plugins_are_not_found(as_ana, today, clock):
    Site.update(forgotten_at=clock()).execute()
    assert found(as_ana, "bakery") == {}
    assert found(as_ana, "akismet") == {}


def test_a_client_user_finds_only_their_own_data(as_dora, dora, today, florist, ben):
    assert found(as_dora, "florist") == found(as_dora, "akismet") == found(as_dora, "ben") == {}
    Site.update(client=Client.get_by_id(dora.client_id)).where(Site.id == today.id).execute()
    assert found(as_dora, "akismet").keys() == {"components"}
    assert "/plugins/" not in found(as_dora, "akismet")["components"]


def test_only_owners_find_people(as_ana, as_ben, cleo):
    assert "Cleo" in found(as_ana, "cleo")["people"]
    assert "people" not in found(as_ben, "cleo")


def test_the_search_text_stays_text_and_every_page_has_the_box(as_ana, today):
    Component.update(name="<b>akismet</b>").execute()
    text = as_ana.get("/search?q=<script>akismet").text
    assert "<script>akismet" not in text
    assert "&lt;b&gt;akismet&lt;/b&gt;" in found(as_ana, "akismet")["components"]
    assert 'action="/search"' in as_ana.get("/account").text
    assert as_ana.get("/search?q=" + "x" * 5000).status_code == 200
