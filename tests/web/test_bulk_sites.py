"""Bulk actions on sites: sync, tags, ignored updates, and import from a CSV file."""

from __future__ import annotations

import io

import pytest

from app.domain.actor import Actor
from app.domain.inventory import site_sync
from app.models.audit import AuditEntry
from app.models.auto_update_rules import UpdateHold
from app.models.reports import Sync
from app.models.sites import Site
from app.models.tags import SiteTag
from tests.support.factories import AKISMET, make_site, make_user
from tests.support.pages import rule_form

FILE = "name,address,client,tags\nFlorist,florist.example,Jansen,shop\nBad,ftp://x,,\n"


@pytest.fixture
def florist(ana, clock, jobs):
    return make_site(ana, now=clock(), url="https://florist.example", name="Florist", client="J")


def tags(site: Site) -> list[str]:
    return list(SiteTag.of_site(site).values())


def test_selected_sites_are_synced(as_ben, today, florist):
    data = {"site": [today.id, florist.id], "q": "a"}
    response = as_ben.post("/sites/bulk/sync", data=data)
    assert response.headers["Location"] == "/sites?q=a"
    assert Sync.open_for(today) is not None
    assert "Sync requested for 1 site." in as_ben.get("/sites").text


@pytest.mark.both_databases
def test_the_list_shows_the_progress_of_the_syncs(as_ben, today, florist, clock):
    def end_sync(site):
        Sync.open_for(site).move(to="done", when=("queued",), ended_at=clock())

    Sync.delete().execute()
    earlier = Sync.ask(today, requested_by="Ben", now=clock())
    end_sync(today)
    assert "Syncing" not in as_ben.get("/sites").text
    clock.advance(minutes=1)
    for site in (today, florist):
        Sync.ask(site, requested_by="Ben", now=clock())
    page = as_ben.get("/sites").text
    assert "Syncing: 0 of 2 sites done." in page, f"{earlier.id} had ended before"
    assert 'hx-get="/sites/bulk/progress"' in page
    end_sync(today)
    part = as_ben.get("/sites/bulk/progress").text
    assert "Syncing: 1 of 2 sites done." in part
    assert 'hx-trigger="every 3s"' in part
    end_sync(florist)
    part = as_ben.get("/sites/bulk/progress").text
    assert "The syncs have finished." in part
    assert "hx-trigger" not in part
    assert "syncs have finished" not in as_ben.get("/sites").text


def test_a_client_sees_the_progress_of_its_own_sites(today, florist, clock):
    Sync.delete().execute()
    for site in (today, florist):
        Sync.ask(site, requested_by="Ben", now=clock())
    client_user = Actor.of(make_user("Jan", "client", client_id=florist.client_id))
    assert site_sync.read_progress(client_user) == (0, 1)
    Sync.open_for(florist).move(to="done", when=("queued",))
    assert site_sync.read_progress(client_user) == (0, 0)


def test_everything_selects_all_sites_that_match_the_filter(as_ben, today, florist):
    form = as_ben.get("/sites/bulk/tags?everything=1&q=flor&site=4711").text
    assert "Tag 1 site" in form
    assert "Florist" in form
    assert "Bakery" not in form


def test_tags_are_changed_on_the_selected_sites(as_ben, today, florist):
    form = as_ben.get(f"/sites/bulk/tags?site={today.id}&site={florist.id}").text
    assert "Tag 2 sites" in form
    data = {"site": [today.id, florist.id], "add": "VIP", "remove": "", "state": "updates"}
    response = as_ben.post("/sites/bulk/tags", data=data)
    assert response.headers["Location"] == "/sites?state=updates"
    assert tags(today) == tags(florist) == ["VIP"]
    assert "Tags changed for 2 sites." in as_ben.get("/sites").text


def test_a_wrong_tag_is_an_error_at_its_field(as_ben, florist):
    data = {"site": florist.id, "add": "bad\u200btag", "remove": ""}
    response = as_ben.post("/sites/bulk/tags", data=data)
    assert response.status_code == 422
    assert 'id="f-add-error"' in response.text
    assert as_ben.post("/sites/bulk/tags", data={"site": florist.id}).status_code == 422


def test_a_tag_that_applies_a_rule_needs_agreement(as_ana, as_ben, florist):
    as_ben.post(f"/sites/{florist.id}/tags", data={"tags": "night"})
    assert as_ana.post("/auto-update-rules", data=rule_form(tags=["night"])).status_code == 303
    as_ben.post(f"/sites/{florist.id}/tags", data={"tags": ""})
    data = {"site": florist.id, "add": "night", "remove": ""}
    question = as_ben.post("/sites/bulk/tags", data=data)
    assert question.status_code == 409
    assert "Apply auto-update rules to 1 site?" in question.text
    assert tags(florist) == []
    assert as_ben.post("/sites/bulk/tags", data={**data, "agreed": "1"}).status_code == 303
    assert tags(florist) == ["night"]


def test_updates_of_a_plugin_are_ignored_where_it_is_installed(as_ben, today, florist):
    form = as_ben.get(f"/sites/bulk/ignore?site={today.id}&site={florist.id}").text
    assert "Akismet (1 site)" in form
    data = {"site": [today.id, florist.id], "component": f"plugin|{AKISMET}"}
    assert as_ben.post("/sites/bulk/ignore", data=data).status_code == 422
    response = as_ben.post("/sites/bulk/ignore", data={**data, "hold_reason": "breaks the shop"})
    assert response.status_code == 303
    (hold,) = UpdateHold.select()
    assert (hold.site_id, hold.ident, hold.reason) == (today.id, AKISMET, "breaks the shop")


def test_a_component_that_no_site_has_is_refused(as_ben, today):
    data = {"site": today.id, "component": "plugin|x/x.php", "hold_reason": "y"}
    response = as_ben.post("/sites/bulk/ignore", data=data)
    assert response.status_code == 422
    assert "Choose a plugin or theme." in response.text


def test_without_available_updates_there_is_nothing_to_ignore(as_ben, florist):
    assert "available update" in as_ben.get(f"/sites/bulk/ignore?site={florist.id}").text


def test_an_empty_selection_is_refused(as_ben, florist):
    for path in ("/sites/bulk/tags", "/sites/bulk/ignore", "/sites/bulk/updates"):
        response = as_ben.get(path)
        assert response.status_code == 422
        assert "Select at least one site" in response.text
    assert as_ben.post("/sites/bulk/sync", data={"site": 4711}).status_code == 422


# ---- sites from a file ----


def test_the_result_of_each_line_is_shown_before_anything_is_saved(as_ben):
    response = as_ben.post("/sites/import", data={"csv": FILE})
    assert response.status_code == 200
    assert "1 of 2 sites can be imported" in response.text
    assert "Address: The address must start with https:// or http://." in response.text
    assert Site.select().count() == 0
    done = as_ben.post("/sites/import", data={"csv": FILE, "confirmed": "1"})
    assert done.headers["Location"] == "/sites?state=unpaired&sort=-added"
    (site,) = Site.select()
    assert (site.name, site.url, site.client.name) == (
        "Florist",
        "https://florist.example",
        "Jansen",
    )
    assert tags(site) == ["shop"]
    assert "1 site added. Create a pairing token for each." in as_ben.get("/sites").text
    assert [entry.event for entry in AuditEntry.newest(limit=2)] == ["tags_changed", "site_added"]


def test_a_file_is_read_like_pasted_text(as_ben):
    file = (io.BytesIO(b"\xef\xbb\xbf" + FILE.encode()), "sites.csv")
    response = as_ben.post("/sites/import", data={"file": file}, content_type="multipart/form-data")
    assert "1 of 2 sites can be imported" in response.text
    assert "Florist,florist.example" in response.text


@pytest.mark.parametrize(
    ("content", "error"), [(b"\xff\xfe", "not UTF-8"), (b"", "Choose a file"), (b"a,b\n", "Line 1")]
)
def test_an_invalid_file_is_an_error_at_its_field(as_ben, content, error):
    file = (io.BytesIO(content), "sites.csv")
    response = as_ben.post("/sites/import", data={"file": file}, content_type="multipart/form-data")
    assert response.status_code == 422
    assert 'id="f-csv-error"' in response.text
    assert error in response.text


def test_a_file_without_a_valid_line_cannot_be_confirmed(as_ben):
    data = {"csv": "address\nftp://x\n", "confirmed": "1"}
    response = as_ben.post("/sites/import", data=data)
    assert "0 of 1 site can be imported" in response.text
    assert 'name="confirmed"' not in response.text


def test_a_file_whose_tags_apply_a_rule_needs_agreement(as_ana, as_ben, florist):
    as_ben.post(f"/sites/{florist.id}/tags", data={"tags": "night"})
    as_ana.post("/auto-update-rules", data=rule_form(tags=["night"]))
    text = "address,tags\nzoo.example,night\n"
    question = as_ben.post("/sites/import", data={"csv": text, "confirmed": "1"})
    assert question.status_code == 409
    assert "Apply auto-update rules to 1 new site?" in question.text
    assert Site.select().count() == 1
    data = {"csv": text, "confirmed": "1", "agreed": "1"}
    assert as_ben.post("/sites/import", data=data).status_code == 303
    assert Site.select().count() == 2
