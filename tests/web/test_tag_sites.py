"""Tag sites and filter by tags; a tag that makes a rule apply needs a confirmation."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from app.models.accounts import UserSession
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import utcnow
from app.models.clients import Client
from app.models.sites import Site
from app.models.tags import SiteTag
from tests.support.factories import make_site
from tests.support.pages import rule_form, site_names

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def shop(site, as_ben):
    assert (
        as_ben.post(f"/sites/{site.id}/tags", data={"tags": "Shop, care plan"}).status_code == 303
    )
    return site


@pytest.fixture
def rule(as_ana, shop):
    """Return a rule by which Ana approves updates of tagged sites in advance."""
    as_ana.post("/auto-update-rules", data=rule_form(tags=["care plan"]))
    return AutoUpdateRule.get()


def texts(site) -> list[str]:
    return list(SiteTag.of_site(site).values())


def save(person, site, tags, *agreed):
    return person.post(f"/sites/{site.id}/tags", data={"tags": tags, "agreed": list(agreed)})


def test_tags_are_set_on_the_page_and_shown_in_the_list(as_ben, as_cleo, shop):
    assert 'value="care plan, Shop"' in as_ben.get(f"/sites/{shop.id}").text
    assert "care plan, Shop" in as_cleo.get("/sites").text
    assert ">care plan</a>" in as_cleo.get(f"/sites/{shop.id}").text
    assert "Save tags" not in as_cleo.get(f"/sites/{shop.id}").text
    assert "changed the tags of the site; added: care plan, Shop." in as_ben.get("/activity").text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?tag=shop", ["Bakery"]),
        ("?tag=+CARE++plan", ["Bakery"]),
        ("?tag=sho", []),
        ("?tag=", ["Bakery", "Florist"]),
        ("?tag=shop&q=florist", []),
        ("?tag=shop&state=healthy", []),
    ],
)
def test_the_list_is_filtered_by_a_tag(as_ana, ana, shop, clock, query, found):
    make_site(ana, now=clock(), url="https://florist.example", name="Florist")
    assert site_names(as_ana.get(f"/sites{query}")) == found


def test_an_unknown_tag_finds_no_site_and_stays_in_the_filter(as_ana, shop):
    text = as_ana.get("/sites?tag=gone").text
    assert "<option selected>gone</option>" in text
    assert "No sites found" in text
    assert "Show all sites" in text


def test_an_invalid_tag_is_refused_and_stays_in_its_field(as_ben, shop):
    answer = save(as_ben, shop, "good, " + "x" * 31)
    assert answer.status_code == 422
    assert "longer than 30 characters" in answer.text
    assert 'value="good, xxx' in answer.text
    assert texts(shop) == ["care plan", "Shop"]


def test_hostile_text_stays_text_wherever_a_tag_is_shown(as_ana, as_ben, shop):
    assert save(as_ben, shop, HOSTILE).status_code == 303
    as_ana.post("/auto-update-rules", data=rule_form(tags=[HOSTILE], name="Hostile"))
    listed = f"/sites?tag={HOSTILE}"
    for page in ("/sites", f"/sites/{shop.id}", "/auto-update-rules", "/activity", listed):
        text = as_ana.get(page).text
        assert "&lt;img src=x" in text
        assert "<img" not in text


def test_a_client_user_sees_no_tags(as_dora, as_ben, shop):
    Site.update(client=Client.named("Bakery Ltd")).execute()
    for page in ("/sites", f"/sites/{shop.id}", "/sites?tag=nothing"):
        text = as_dora.get(page).text
        assert "Bakery" in text
        assert "care plan" not in text
        assert "f-tag" not in text
    assert save(as_dora, shop, "mine").status_code == 403


def test_an_auto_update_rule_covers_the_tagged_sites_in_words(as_ana, rule, shop):
    text = re.sub(r"<[^>]+>", " ", as_ana.get("/auto-update-rules").text)
    assert "Every site tagged “care plan”" in text
    assert "1 site now" in text
    page = as_ana.get(f"/sites/{shop.id}").text
    assert "This auto-update rule applies because of its tags" in page
    assert "Patches at night" in page


def test_a_tag_that_makes_a_rule_apply_needs_a_confirmation(as_ana, as_ben, ana, rule, clock):
    florist = make_site(ana, now=clock(), url="https://florist.example", name="Florist")
    question = save(as_ben, florist, "Care Plan, new")
    assert question.status_code == 409
    for words in ("Patches at night", "agreed with every client", 'value="Care Plan, new"'):
        assert words in question.text
    assert texts(florist) == []
    assert save(as_ben, florist, "Care Plan, new", rule.id).status_code == 303
    assert texts(florist) == ["Care Plan", "new"]
    activity = as_ben.get("/activity").text
    assert f"Auto-update rules that now apply: {rule.id} “Patches at night”" in activity


def test_a_tag_that_makes_a_rule_apply_needs_a_recent_password(as_ben, ana, rule, clock, as_ana):
    florist = make_site(ana, now=clock(), url="https://florist.example", name="Florist")
    UserSession.update(confirmed_at=utcnow() - timedelta(minutes=16)).execute()
    assert save(as_ben, florist, "new").status_code == 303
    answer = save(as_ben, florist, "care plan", rule.id)
    assert "Confirm your identity" in answer.text
    assert f'name="agreed" value="{rule.id}"' in answer.text
    assert texts(florist) == ["new"]


def test_a_rule_accepts_only_valid_tags(as_ana, shop):
    answer = as_ana.post("/auto-update-rules", data=rule_form(tags=["a,b"]))
    assert answer.status_code == 422
    assert "Choose tags that sites have." in answer.text


def test_a_tag_that_cannot_be_used_is_named(as_ben, site):
    answer = save(as_ben, site, "shop, \u2603 snow")
    assert answer.status_code == 422
    assert "“☃ snow” is not a valid tag" in answer.text
