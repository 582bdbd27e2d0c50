"""The page of a client: sites, who approves, rules, reports, users, contact and notes."""

from __future__ import annotations

import pytest

from app.formats import iso_time
from app.models.auto_update_rules import AutoUpdateRule
from app.models.clients import FOUR_EYES, Client
from app.models.sites import Site
from tests.support.factories import make_site
from tests.support.pages import rule_form, site_names


@pytest.fixture
def client(ana, clock, jobs):
    make_site(ana, now=clock(), url="https://florist.example", name="Florist", client="Jansen")
    make_site(ana, now=clock(), url="https://zoo.example", name="Zoo", client="City")
    return Client.get(Client.name == "Jansen")


def test_the_list_of_clients_leads_to_each(as_cleo, client):
    text = as_cleo.get("/clients").text
    assert "<h1>2 clients</h1>" in text
    assert f'href="/clients/{client.id}"' in text
    assert f'href="/sites?client={client.id}"' in text
    assert f'href="/clients/{client.id}/report"' in text


def test_without_clients_the_next_step_is_named(as_cleo):
    assert "No clients yet" in as_cleo.get("/clients").text


def test_the_page_shows_its_sites_and_who_approves(as_ana, client):
    client.set_approval_mode(FOUR_EYES)
    as_ana.post("/auto-update-rules", data=rule_form(client=str(client.id)))
    answer = as_ana.get(f"/clients/{client.id}")
    assert site_names(answer) == ["Florist"]
    assert "A second person on your team" in answer.text
    assert "Patches at night" in answer.text
    ends_at = iso_time(AutoUpdateRule.get().expires_at)
    assert f'until <time datetime="{ends_at}"' in answer.text
    assert "No report has been saved as PDF yet." in answer.text
    assert f'href="/sites/new?client={client.name}"' in answer.text
    assert 'value="Jansen"' in as_ana.get("/sites/new?client=Jansen").text


def test_saved_reports_are_listed(as_ben, client):
    days = {"from": "2026-11-01", "to": "2026-11-24"}
    assert as_ben.post(f"/clients/{client.id}/report.pdf", data=days).status_code == 200
    text = as_ben.get(f"/clients/{client.id}").text
    assert "1 Nov 2026 to 24 Nov 2026" in text
    assert f'href="/clients/{client.id}/report?from=2026-11-01&amp;to=2026-11-24"' in text


def test_the_users_of_a_client_are_listed(as_ana, as_dora, dora):
    text = as_ana.get(f"/clients/{dora.client_id}").text
    assert "dora@agency.example" in text


def test_a_contact_is_saved(as_ben, client):
    data = {"contact_name": "Margaret Hale", "contact_email": "m@jansen.example"}
    answer = as_ben.post(f"/clients/{client.id}/contact", data=data)
    assert answer.headers["Location"] == f"/clients/{client.id}"
    text = as_ben.get(f"/clients/{client.id}").text
    assert "Margaret Hale" in text
    assert 'href="mailto:m%40jansen.example"' in text
    wrong = as_ben.post(f"/clients/{client.id}/contact", data={"contact_email": "none"})
    assert wrong.status_code == 422
    assert 'id="f-contact_email-error"' in wrong.text


def test_notes_of_a_client_are_saved_and_hidden_from_the_client(as_ben, as_dora, dora):
    path = f"/clients/{dora.client_id}"
    assert as_ben.post(f"{path}/notes", data={"notes": "Pays <b>late</b>"}).status_code == 303
    assert "Pays &lt;b&gt;late&lt;/b&gt;" in as_ben.get(path).text
    assert as_dora.get(path).status_code == 403
    too_long = as_ben.post(f"{path}/notes", data={"notes": "x" * 4001})
    assert too_long.status_code == 422
    assert 'id="f-notes-error"' in too_long.text


def test_notes_of_a_site_are_saved_and_hidden_from_the_client(as_ben, as_dora, dora, ana, clock):
    name = Client.get_by_id(dora.client_id).name
    site = make_site(ana, now=clock(), url="https://hers.example", client=name)
    path = f"/sites/{site.id}"
    answer = as_ben.post(f"{path}/notes", data={"notes": "Call before\r\nshop updates"})
    assert answer.headers["Location"] == f"{path}#notes"
    assert "Call before\nshop updates" in as_ben.get(path).text
    assert "Call before" not in as_dora.get(path).text
    assert as_ben.post(f"{path}/notes", data={"notes": "x" * 4001}).status_code == 422
    assert Site.get_by_id(site.id).notes == "Call before\nshop updates"
