"""Somebody looks at the list of all sites, searches it and sorts it."""

from __future__ import annotations

import pytest

from app.models.sites import ACTIVE, NEW
from tests.support.factories import make_site, read_report
from tests.support.pages import site_names

pytestmark = pytest.mark.both_databases


@pytest.fixture
def three(ana, clock, jobs):
    """A florist and a shop of one client, a museum of another; none is paired."""
    return [
        make_site(ana, now=clock(), url="https://florist.example", name="Florist", client="Jansen"),
        make_site(ana, now=clock(), url="https://shop.example/en", name="Shop", client="Jansen"),
        make_site(ana, now=clock(), url="https://museum.example", name="Museum", client="City"),
    ]


def test_without_sites_the_next_step_is_told(as_ana):
    answer = as_ana.get("/sites")
    assert "No sites yet" in answer.text
    assert 'href="/sites/new"' in answer.text


def test_one_who_may_only_look_is_not_offered_to_add(as_cleo):
    answer = as_cleo.get("/sites")
    assert "No sites yet" in answer.text
    assert 'href="/sites/new"' not in answer.text


def test_every_site_is_listed_with_its_client_and_address(as_ben, three):
    answer = as_ben.get("/sites")
    assert site_names(answer) == ["Florist", "Museum", "Shop"]
    assert "shop.example/en" in answer.text
    assert "City" in answer.text
    assert answer.text.count("Not paired") >= 3


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=JANSEN", ["Florist", "Shop"]),
        ("?q=museum.ex", ["Museum"]),
        ("?q=%25", []),
        ("?q=nobody", []),
        ("?state=unpaired", ["Florist", "Museum", "Shop"]),
        ("?state=healthy", []),
        ("?state=nonsense", ["Florist", "Museum", "Shop"]),
        ("?sort=-name", ["Shop", "Museum", "Florist"]),
        ("?sort=client", ["Museum", "Florist", "Shop"]),
        ("?sort=;DROP", ["Florist", "Museum", "Shop"]),
    ],
)
def test_the_list_is_searched_filtered_and_sorted(as_ana, three, query, found):
    assert site_names(as_ana.get(f"/sites{query}")) == found


def test_a_search_without_result_says_what_to_do(as_ana, three):
    answer = as_ana.get("/sites?q=nobody")
    assert "No sites found" in answer.text
    assert "Show all sites" in answer.text
    assert 'value="nobody"' in answer.text


def test_totals_count_sites_updates_and_those_that_need_attention(
    as_ana, three, paired, fake, config
):
    read_report(paired, fake, config=config)
    three[1].move(to=ACTIVE, when=(NEW,), consecutive_failures=3, error_code="dns")
    text = as_ana.get("/sites").text
    assert "<strong>4</strong>sites" in text
    assert "<strong>1</strong>has available updates" in text
    assert "<strong>1</strong>needs attention" in text
    assert "Unreachable" in text


def test_a_site_with_a_report_shows_versions_and_offers(as_cleo, paired, fake, config):
    assert "6.8.1" not in as_cleo.get("/sites").text
    read_report(paired, fake, config=config)
    text = as_cleo.get("/sites?state=updates").text
    assert "6.8.1" in text
    assert "8.2.36" in text
    assert "<strong>1</strong>" in text


def test_names_from_outside_stay_text(as_ana, ana, clock, jobs):
    hostile = "<script>alert(1)</script>{{7*7}}"
    make_site(ana, now=clock(), name=hostile, client=hostile)
    text = as_ana.get(f"/sites?q={hostile}").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in text
