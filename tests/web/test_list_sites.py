"""The list of sites: search, filter, sort, select and export."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta

import pytest

from app.domain import alerts
from app.domain.actor import SYSTEM
from app.models.base import transaction
from app.models.file_checks import SiteFileCheck
from app.models.sites import ACTIVE, NEW
from tests.support.emails import break_site
from tests.support.factories import make_site, read_report
from tests.support.pages import site_names

pytestmark = pytest.mark.both_databases


@pytest.fixture
def three(ana, clock, jobs):
    """Add a florist and a shop of one client and a museum of another, all unpaired."""
    return [
        make_site(ana, now=clock(), url="https://florist.example", name="Florist", client="Jansen"),
        make_site(ana, now=clock(), url="https://shop.example/en", name="Shop", client="Jansen"),
        make_site(ana, now=clock(), url="https://museum.example", name="Museum", client="City"),
    ]


@pytest.fixture
def varied(ana, clock, jobs):
    """Add Bakery (Miller, unreachable), butcher (no client, new), Zoo (Adams, two updates)."""
    now = clock()
    bakery = make_site(ana, now=now, client="Miller")
    make_site(ana, now=now + timedelta(days=1), url="https://meat.example", name="butcher")
    zoo = make_site(
        ana, now=now - timedelta(days=1), url="https://zoo.example", name="Zoo", client="Adams"
    )
    failing = {"consecutive_failures": 3, "error_code": "dns", "last_success_at": now}
    bakery.move(to=ACTIVE, when=(NEW,), **failing)
    later = now + timedelta(hours=1)
    zoo.move(to=ACTIVE, when=(NEW,), update_count=2, last_success_at=later)


def test_without_sites_the_next_step_is_named(as_ana):
    answer = as_ana.get("/sites")
    assert "No sites yet" in answer.text
    assert 'href="/sites/new"' in answer.text


def test_a_viewer_cannot_add_a_site(as_cleo):
    answer = as_cleo.get("/sites")
    assert "No sites yet" in answer.text
    assert 'href="/sites/new"' not in answer.text


def test_every_site_is_listed_with_its_client_and_address(as_ben, three):
    answer = as_ben.get("/sites")
    assert site_names(answer) == ["Florist", "Museum", "Shop"]
    assert "shop.example/en" in answer.text
    assert "City" in answer.text
    assert answer.text.count("Not paired") >= 3


LISTED = {
    "?q=JANSEN": ["Florist", "Shop"],
    "?q=museum.ex": ["Museum"],
    "?q=%25": [],
    "?q=_": [],
    "?q=nobody": [],
    "?q=' OR 1=1 --": [],
    "?state=unpaired": ["Florist", "Museum", "Shop"],
    "?state=unconnected": ["Florist", "Museum", "Shop"],
    "?state=healthy": [],
    "?state=nonsense": ["Florist", "Museum", "Shop"],
    "?sort=-name": ["Shop", "Museum", "Florist"],
    "?sort=client": ["Museum", "Florist", "Shop"],
    "?sort=;DROP": ["Florist", "Museum", "Shop"],
    "?client=x": ["Florist", "Museum", "Shop"],
    "?client=999999999999999999999": ["Florist", "Museum", "Shop"],
    "?client=4711": [],
}


def test_the_list_is_searched_filtered_and_sorted(as_ana, three):
    assert {query: site_names(as_ana.get(f"/sites{query}")) for query in LISTED} == LISTED


@pytest.mark.parametrize("path", ["/sites", "/activity"])
def test_filters_are_folded_so_that_the_list_comes_first(as_ana, today, path):
    """On a phone, each visible field adds a line above the first row."""
    content = as_ana.get(path).text.split("<main", 1)[1]
    shown = re.sub(r"<details.*?</details>", "", content, flags=re.DOTALL)
    above = re.split(r"<tbody|id=\"entries\"", shown)[0]
    assert above != shown
    fields = re.findall(r"<(?:input|select|textarea)\b[^>]*>", above)
    assert len([tag for tag in fields if 'type="hidden"' not in tag and "checkbox" not in tag]) == 1
    assert "<select" not in above
    assert "<summary" in content


SORTED = {
    "": ["Bakery", "butcher", "Zoo"],
    "attention": ["Bakery", "butcher", "Zoo"],
    "name": ["Bakery", "butcher", "Zoo"],
    "-name": ["Zoo", "butcher", "Bakery"],
    "client": ["Zoo", "Bakery", "butcher"],
    "synced": ["Bakery", "Zoo", "butcher"],
    "-synced": ["Zoo", "Bakery", "butcher"],
    "added": ["Zoo", "Bakery", "butcher"],
    "password_hash": ["Bakery", "butcher", "Zoo"],
}


def test_the_list_can_be_sorted(as_ana, varied):
    assert {sort: site_names(as_ana.get(f"/sites?sort={sort}")) for sort in SORTED} == SORTED


def test_sites_that_need_attention_come_first(as_ana, three):
    three[1].move(to=ACTIVE, when=(NEW,), consecutive_failures=3, error_code="dns")
    assert site_names(as_ana.get("/sites")) == ["Shop", "Florist", "Museum"]
    assert site_names(as_ana.get("/sites?state=attention")) == ["Shop"]


def test_the_state_names_the_worst_problem_and_counts_the_others(as_ana, paired, clock):
    for key in ("n1", "n2"):
        with transaction():
            alerts.raise_alert(paired, alerts.CALL_UNKNOWN, key, {}, SYSTEM, clock())
    text = as_ana.get("/sites").text
    assert "Security alert" in text
    assert '+1<span class="sr"> more</span>' in text


def test_a_client_has_a_link_to_its_sites(as_ana, three):
    text = as_ana.get(f"/sites?client={three[0].client_id}").text
    assert "Jansen" in text
    assert 'aria-label="remove this filter"' in text
    assert "Museum" not in text


def test_a_search_without_result_says_what_to_do(as_ana, three):
    answer = as_ana.get("/sites?q=nobody")
    assert "No sites found" in answer.text
    assert "Show all sites" in answer.text
    assert 'value="nobody"' in answer.text


def test_the_title_and_the_filters_count_sites(as_ana, three, paired, fake, config):
    read_report(paired, fake, config=config)
    three[1].move(to=ACTIVE, when=(NEW,), consecutive_failures=3, error_code="dns")
    text = as_ana.get("/sites").text
    assert "<h1>4 sites, 1 needs attention</h1>" in text
    for chip in ("All <b>4</b>", "Needs attention <b>1</b>", "Updates <b>1</b>"):
        assert chip in text
    assert "Not connected <b>2</b>" in text
    assert "Unreachable" in text
    assert "All <b>2</b>" in as_ana.get("/sites?q=jansen").text


def test_a_site_with_a_report_shows_versions_and_updates(as_cleo, paired, fake, config):
    assert "6.8.1" not in as_cleo.get("/sites").text
    read_report(paired, fake, config=config)
    text = as_cleo.get("/sites?state=updates").text
    assert "6.8.1" in text
    assert "8.2.36" in text
    assert 'class="site-updates">1</td>' in text


def test_php_without_security_fixes_is_marked_and_can_be_filtered(as_cleo, paired, fake, config):
    assert "PHP end of life" not in as_cleo.get("/sites").text
    fake.report["php"]["version"] = "7.4.33"
    read_report(paired, fake, config=config)
    text = as_cleo.get("/sites?state=old_php").text
    assert "PHP end of life <b>1</b>" in text
    assert 'php-ended" title="End of life">7.4.33</td>' in text
    assert site_names(as_cleo.get("/sites?state=old_php")) == ["Bakery"]


def test_names_from_outside_stay_text(as_ana, ana, clock, jobs):
    hostile = "<script>alert(1)</script>{{7*7}}"
    make_site(ana, now=clock(), name=hostile, client=hostile)
    text = as_ana.get(f"/sites?q={hostile}").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in text


def test_all_shown_sites_are_selected_without_scripts(as_ben, three):
    assert "select=shown" in as_ben.get("/sites").text
    text = as_ben.get("/sites?select=shown").text
    assert text.count(" checked>") == 3


def test_a_viewer_cannot_select_sites(as_cleo, three):
    text = as_cleo.get("/sites").text
    assert 'type="checkbox"' not in text
    assert "Export CSV" in text


# ---- export ----


def exported(person, query=""):
    answer = person.get(f"/sites/export.csv{query}")
    assert answer.mimetype == "text/csv"
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))


def test_the_filtered_list_is_exported(as_cleo, as_ana, three, paired, fake, config):
    read_report(paired, fake, config=config)
    as_ana.post(f"/sites/{three[0].id}/tags", data={"tags": "VIP, shop"})
    assert [row["name"] for row in exported(as_cleo, "?q=jansen&sort=-name")] == ["Shop", "Florist"]
    rows = {row["name"]: row for row in exported(as_cleo)}
    assert rows["Florist"]["tags"] == "shop, VIP"
    assert rows["Florist"]["state"] == "Not paired"
    assert rows["Bakery"]["wordpress"] == "6.8.1"
    assert rows["Bakery"]["updates"] == "1"
    assert rows["Museum"]["client"] == "City"


def test_the_export_contains_no_spreadsheet_formula(as_ana, ana, clock, jobs):
    make_site(ana, now=clock(), name="=HYPERLINK(1)", client="@SUM(1)")
    (row,) = exported(as_ana)
    assert (row["name"], row["client"]) == ("'=HYPERLINK(1)", "'@SUM(1)")


def test_an_exported_file_can_be_imported(as_ana, three, ana):
    text = as_ana.get("/sites/export.csv").data.decode("utf-8-sig")
    preview = as_ana.post("/sites/import", data={"csv": text}).text
    assert preview.count("This site is already in Aura.") == 3
    assert "Columns that are ignored: state, wordpress, php, updates, last synced" in preview


def test_a_filter_shows_sites_with_changed_files_until_accepted(as_ana, ana, paired, clock):
    other = make_site(ana, now=clock(), url="https://other.example", name="Other")
    break_site(other, clock())
    assert "Changed files" not in as_ana.get("/sites").text
    columns = {"open_count": 2, "open_since": clock(), "open_names": "Akismet"}
    SiteFileCheck.store(paired.id, checked_at=clock(), **columns)
    assert "Changed files <b>1</b>" in as_ana.get("/sites").text
    assert site_names(as_ana.get("/sites?state=changed_files")) == ["Bakery"]
    SiteFileCheck.update(open_count=0).execute()
    page = as_ana.get("/sites?state=changed_files")
    assert site_names(page) == []
    assert "Clear the search or choose another filter" in page.text


def test_a_filter_shows_sites_with_an_unsupported_wordpress(as_cleo, paired, fake, config):
    fake.report["wordpress"]["version"] = "7.1.2"
    read_report(paired, fake, config=config)
    assert "Older WordPress" not in as_cleo.get("/sites").text
    fake.report["wordpress"]["version"] = "7.0.5"
    read_report(paired, fake, config=config)
    text = as_cleo.get("/sites?state=old_wordpress").text
    assert "Older WordPress <b>1</b>" in text
    assert site_names(as_cleo.get("/sites?state=old_wordpress")) == ["Bakery"]
