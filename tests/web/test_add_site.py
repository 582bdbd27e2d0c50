"""Add a site: the form, what it refuses, and the pairing token that follows."""

from __future__ import annotations

import pytest

from app.models.sites import Site
from tests.support.clicking import Clicker
from tests.support.factories import make_site

TYPED = {"url": "https://museum.example/wp-admin/", "name": "Museum", "client": "City"}


def test_an_added_site_opens_on_its_own_page_ready_to_pair(as_ben, jobs):
    response = as_ben.post("/sites/new", data=TYPED)
    site = Site.get()
    assert response.status_code == 303
    assert response.headers["Location"] == f"/sites/{site.id}"
    assert (site.url, site.name, site.client.name) == ("https://museum.example", "Museum", "City")
    page = as_ben.get(response.headers["Location"]).text
    assert "Create pairing token" in page
    assert "Site added" in page
    assert jobs.jobs == []


def test_a_site_is_added_with_its_pairing_token(as_ben, jobs):
    response = as_ben.post("/sites/new", data={**TYPED, "connect": "1"})
    site = Site.get()
    assert response.headers["Location"] == f"/sites/{site.id}/token"
    page = as_ben.get(response.headers["Location"]).text
    assert "SA1." in page
    assert "Site added" in page
    assert (site.state, [name for name, *_ in jobs.jobs]) == ("pairing", ["pair_site"])


def test_the_first_site_is_added_on_the_overview_itself(as_ana, jobs):
    clicker = Clicker(as_ana, "/")
    clicker.press("Add site and create token", url="museum.example")
    assert "Pairing token for museum.example" in clicker.text
    assert clicker.clicks == 1


def test_an_address_alone_is_enough(as_ben, jobs):
    as_ben.post("/sites/new", data={"url": "museum.example"})
    site = Site.get()
    assert (site.url, site.name, site.client) == ("https://museum.example", "museum.example", None)
    assert "No client" in as_ben.get(f"/sites/{site.id}").text


def test_sites_without_a_name_are_named_after_their_address(as_ben):
    addresses = {
        "https://bakery.example": "bakery.example",
        "http://shop.bakery.example": "http://shop.bakery.example",
        "https://bakery.example/blog": "bakery.example/blog",
        "https://bäckerei.example": "bäckerei.example",
        # Cyrillic letters that look like Latin ones
        "https://\u0430\u0440\u0440\u04cf\u0435.example": "xn--80ak6aa92e.example",
    }
    for address, name in addresses.items():
        as_ben.post("/sites/new", data={"url": address, "name": "", "client": ""})
        assert Site.select().order_by(Site.id.desc()).get().name == name
    listed = as_ben.get("/sites").text
    for name in addresses.values():
        assert listed.count(f">{name}<") >= 2  # the name, and the address below it


@pytest.mark.parametrize("field", ["name", "client"])
def test_a_name_with_a_direction_override_is_refused(as_ben, field):
    """The override U+202E makes a stored "evil" read as "live"."""
    form = {"url": "https://bakery.example", field: "The \u202elive bakery"}
    response = as_ben.post("/sites/new", data=form)
    assert response.status_code == 422
    assert "change the text direction" in response.text
    assert Site.select().count() == 0


def test_existing_clients_are_suggested(as_ben, ana, clock, jobs):
    make_site(ana, now=clock(), client="Jansen & Zonen")
    assert '<option value="Jansen &amp; Zonen">' in as_ben.get("/sites/new").text


@pytest.mark.parametrize(
    "url", ["", "ftp://museum.example", "https://user:pw@museum.example", "https://a b", "https://"]
)
def test_a_wrong_address_is_an_error_at_its_field_and_the_rest_is_kept(as_ben, url):
    response = as_ben.post("/sites/new", data={**TYPED, "url": url})
    assert response.status_code == 422
    assert 'id="f-url-error"' in response.text
    assert 'href="#f-url"' in response.text
    assert 'aria-invalid="true"' in response.text
    assert 'value="Museum"' in response.text
    assert 'value="City"' in response.text
    assert Site.select().count() == 0


def test_several_mistakes_are_shown_together(as_ben):
    response = as_ben.post("/sites/new", data={"url": "", "name": "x" * 121, "client": "y" * 121})
    assert "Fix these 3 fields and send the form again" in response.text


def test_a_duplicate_address_is_refused(as_ben, ana, clock, jobs):
    make_site(ana, now=clock(), url="https://museum.example")
    response = as_ben.post("/sites/new", data=TYPED)
    assert response.status_code == 422
    assert "A site with this address already exists" in response.text


def test_a_viewer_cannot_add_a_site(as_cleo):
    assert as_cleo.get("/sites/new").status_code == 403
    assert as_cleo.post("/sites/new", data=TYPED).status_code == 403
    assert Site.select().count() == 0


def test_a_visitor_is_sent_to_sign_in(anonymous):
    assert anonymous.get("/sites/new").status_code in (302, 303)


@pytest.mark.parametrize("url", ["http://10.0.0.7", "http://[fd00::1]", "https://169.254.169.254"])
def test_a_private_address_is_refused_and_the_setting_is_named(as_ben, url):
    response = as_ben.post("/sites/new", data={"url": url})
    assert response.status_code == 422
    assert "in a private network" in response.text
    assert "AURA_ALLOW_NETS" in response.text


def test_an_address_in_an_allowed_network_is_accepted(as_ben, jobs):
    assert as_ben.post("/sites/new", data={"url": "http://127.0.0.1:8080"}).status_code == 303


@pytest.mark.parametrize(("url", "is_warned"), [("http://a.example", True), ("a.example", False)])
def test_an_unencrypted_address_gets_a_warning(as_ben, jobs, url, is_warned):
    page = as_ben.post("/sites/new", data={"url": url}, follow_redirects=True)
    assert ("site data is sent unencrypted" in page.text) is is_warned
