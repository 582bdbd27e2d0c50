"""Create, confirm and end auto-update rules, and choose who approves updates of a client."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from app.models.accounts import UserSession
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import utcnow
from app.models.clients import FOUR_EYES, Client
from app.models.sites import ACTIVE, Site
from app.views import auto_update_rule_view_models
from tests.support.factories import make_site
from tests.support.pages import rule_form

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def rule(as_ana, today):
    as_ana.post("/auto-update-rules", data=rule_form())
    return AutoUpdateRule.get()


def test_a_new_rule_is_listed_with_what_it_covers(as_ana, as_cleo, rule):
    assert (rule.permissions, rule.release_types, rule.maker) == (
        ["plugins", "themes"],
        ["patch"],
        "Ana",
    )
    text = as_cleo.get("/auto-update-rules").text
    for words in ("Patches at night", "Active", "Mon, Tue, Wed, Thu from 02:00 to 05:00 UTC"):
        assert words in text
    assert "New auto-update rule" not in text
    assert "End rule" not in text
    assert "New auto-update rule" in as_ana.get("/auto-update-rules").text


def test_the_form_offers_all_that_a_rule_needs(as_ana, today):
    text = as_ana.get("/auto-update-rules").text
    for name, value in rule_form().items():
        assert f'name="{name}"' in text
        for choice in value if isinstance(value, list) else []:
            assert re.search(f'name="{name}"\\s+value="{choice}"', text)


def test_the_form_comes_before_the_table_of_all_clients(as_ana, today):
    text = as_ana.get("/auto-update-rules").text
    assert text.index("New auto-update rule") < text.index("Who approves updates")


def test_hours_are_named_in_the_users_own_zone_too(as_ana, today):
    assert "02:00 (" not in as_ana.get("/auto-update-rules").text
    as_ana.post("/account/preferences", data={"theme": "system", "time_zone": "Asia/Kolkata"})
    text = as_ana.get("/auto-update-rules").text
    assert "02:00 (07:30 IST)" in text
    assert "24:00 (05:30 IST)" in text


@pytest.mark.parametrize(
    "instead",
    [
        {"name": ""},
        {"permissions": []},
        {"permissions": ["all"]},
        {"release_types": []},
        {"weekdays": ["9"]},
        {"from_hour": "x"},
        {"to_hour": "2"},
        {"expires_at": "never"},
        {"expires_at": "2040-01-01"},
        {"reason": ""},
    ],
)
def test_a_mistake_is_shown_beside_its_field(as_ana, today, instead):
    answer = as_ana.post("/auto-update-rules", data=rule_form(**instead))
    assert answer.status_code == 422
    assert "field-error" in answer.text
    assert AutoUpdateRule.select().count() == 0


def test_a_rule_needs_an_owner_and_a_recent_password(as_ben, as_cleo, as_ana, today):
    for person in (as_ben, as_cleo):
        assert person.post("/auto-update-rules", data=rule_form()).status_code == 403
    UserSession.update(confirmed_at=utcnow() - timedelta(minutes=16)).execute()
    answer = as_ana.post("/auto-update-rules", data=rule_form())
    assert "Confirm your identity" in answer.text
    assert AutoUpdateRule.select().count() == 0


def test_an_unknown_client_is_not_found(as_ana, today):
    assert as_ana.post("/auto-update-rules", data=rule_form(client="4711")).status_code == 404
    answer = as_ana.post("/clients/4711/approvals", data={"approvals": FOUR_EYES})
    assert answer.status_code == 404


def test_a_colleague_confirms_and_ends_a_rule(as_ana, as_ben, rule):
    client = Client.named("Bakery Ltd")
    as_ana.post(f"/clients/{client.id}/approvals", data={"approvals": FOUR_EYES})
    assert "after a second person confirms it" in as_ben.get("/auto-update-rules").text
    assert as_ana.post(f"/auto-update-rules/{rule.id}/confirm").status_code == 403
    assert as_ben.post(f"/auto-update-rules/{rule.id}/confirm").status_code == 303
    assert "By Ana and Ben" in as_ben.get("/auto-update-rules").text
    assert as_ben.post(f"/auto-update-rules/{rule.id}/end").status_code == 303
    assert as_ben.post(f"/auto-update-rules/{rule.id}/end").status_code == 409
    assert "Ended" in as_ben.get("/auto-update-rules").text


def test_only_an_owner_sets_who_approves_for_a_client(as_ana, as_ben, today):
    client = Client.named(HOSTILE)
    path = f"/clients/{client.id}/approvals"
    assert as_ben.post(path, data={"approvals": FOUR_EYES}).status_code == 403
    assert as_ana.post(path, data={"approvals": "nobody"}).status_code == 422
    assert as_ana.post(path, data={"approvals": FOUR_EYES}).status_code == 303
    assert as_ana.post(path, data={"approvals": FOUR_EYES}).status_code == 409
    text = as_ana.get("/auto-update-rules").text
    assert "A second person" in text
    assert "<img src=x" not in text


def test_with_many_sites_the_form_offers_those_that_a_search_finds(as_ana, today, ana, monkeypatch):
    monkeypatch.setattr(auto_update_rule_view_models, "MOST_OFFERED", 1)
    first = today
    other = make_site(ana, now=utcnow(), url="https://roses.example", name="Roses")
    Site.update(state=ACTIVE).where(Site.id == other.id).execute()
    assert not offered(as_ana.get("/auto-update-rules").text)
    search = {"name": "Typed before", "find": "1", "find_sites": first.name.upper()}
    text = as_ana.post("/auto-update-rules", data={**search, "sites": str(other.id)}).text
    assert offered(text) == [(str(other.id), True), (str(first.id), False)]
    assert 'value="Typed before"' in text
    text = as_ana.post("/auto-update-rules", data={**search, "find_sites": "no such site"}).text
    assert not offered(text)
    assert "No connected site has this in its name." in text
    assert not AutoUpdateRule.select().count()


def offered(text: str) -> list[tuple[str, bool]]:
    """Return the ids of the sites that the form offers, and whether each is ticked."""
    found = re.findall(r'name="sites"\s+value="(\d+)"( checked)?', text)
    return [(site_id, bool(checked)) for site_id, checked in found]


def test_a_long_list_of_clients_has_pages(as_ana, today):
    names = [f"Client {number:02}" for number in range(30)]
    clients = [Client.named(name) for name in names]
    first = as_ana.get("/auto-update-rules").text
    assert [name for name in names if f'"cell-name">{name}<' in first] == names[:20]
    second = as_ana.get("/auto-update-rules?page=2").text
    assert [name for name in names if f'"cell-name">{name}<' in second] == names[20:]
    path = f"/clients/{clients[-1].id}/approvals"
    answer = as_ana.post(path, data={"approvals": FOUR_EYES, "page": "2"})
    assert answer.headers["Location"] == "/auto-update-rules?page=2#clients"
