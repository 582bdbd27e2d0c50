"""The tabs of a site: each has its address and the same header, and a sync returns to it."""

from __future__ import annotations

import re

import pytest

from tests.support.factories import make_site, read_report

TABS = ("", "/updates", "/components", "/health", "/uptime", "/pages", "/activity", "/connection")


@pytest.mark.parametrize("tab", TABS)
def test_each_tab_has_the_head_of_the_site_and_marks_itself(as_ben, today, tab):
    text = as_ben.get(f"/sites/{today.id}{tab}").text
    assert "<h1>Bakery</h1>" in text
    assert 'href="https://bakery.example/wp-admin/"' in text
    assert "Update 1…" in text
    tabs = re.search(r'<nav class="tabs".*?</nav>', text, re.DOTALL).group()
    assert re.findall(r'href="([^"]+)" aria-current="page"', tabs) == [f"/sites/{today.id}{tab}"]
    assert len(re.findall("<a href", tabs)) == len(TABS)


@pytest.mark.parametrize("tab", TABS)
def test_each_tab_of_a_site_without_a_report_says_so(as_cleo, site, tab):
    assert as_cleo.get(f"/sites/{site.id}{tab}").status_code == 200


def test_a_client_user_has_no_tab_for_the_activity(as_dora, dora, ana, clock, jobs):
    site = make_site(ana, now=clock(), client="Bakery Ltd")
    text = as_dora.get(f"/sites/{site.id}").text
    assert f"/sites/{site.id}/activity" not in text
    assert "Approval" not in text


@pytest.mark.parametrize("tab", TABS)
def test_a_sync_leads_back_to_the_tab_it_was_requested_on(as_ben, today, tab):
    path = f"/sites/{today.id}{tab}"
    referrer = {"Referer": f"http://localhost{path}"}
    answer = as_ben.post(f"/sites/{today.id}/sync", headers=referrer)
    assert answer.headers["Location"] == path


def test_a_sync_from_elsewhere_leads_to_the_overview(as_ben, today):
    for referrer in ("http://localhost/", "https://evil.example/sites/1", ""):
        answer = as_ben.post(f"/sites/{today.id}/sync", headers={"Referer": referrer})
        assert answer.headers["Location"] == f"/sites/{today.id}"


def test_the_part_that_refreshes_leads_back_to_its_tab(as_ben, paired, fake, config):
    as_ben.post(f"/sites/{paired.id}/sync")
    text = as_ben.get(f"/sites/{paired.id}/health").text
    poll = re.search(r'hx-get="([^"]+)"', text).group(1).replace("&amp;", "&")
    assert f"/sites/{paired.id}/progress?seen=sync&tab=health" == poll
    read_report(paired, fake, config=config)
    assert as_ben.get(poll).headers["HX-Redirect"] == f"/sites/{paired.id}/health"
    other = as_ben.get(f"/sites/{paired.id}/progress?seen=sync&tab=nonsense")
    assert other.headers["HX-Redirect"] == f"/sites/{paired.id}"
