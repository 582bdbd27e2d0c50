"""Canary sites: a rule installs releases first on tagged sites, and other sites wait."""

from __future__ import annotations

import html
from typing import Any

import pytest

from app.domain.actor import Actor
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import utcnow
from app.models.changes import ROLLED_BACK, Change
from app.models.clients import Client
from app.models.sites import Site
from app.models.tags import SiteTag
from tests.support.browsers import signed_in
from tests.support.canaries import CanaryWorld
from tests.support.clicking import Clicker
from tests.support.factories import AKISMET, check, make_user, propose
from tests.support.pages import rule_form
from tests.support.queries import counted_queries

ORDER = {"canary_tag": "canary", "canary_hours": "72"}


def text_of(response: Any) -> str:
    return " ".join(html.unescape(response.text).split())


@pytest.fixture
def world(ana, config, clock, jobs) -> CanaryWorld:
    """A world in which only site A is tagged. It starts now, because pages use the real time."""
    clock.now = utcnow()
    return CanaryWorld.start(ana, config, clock, jobs)


def component_page(person: Any, world: CanaryWorld, name: str = "B") -> str:
    site = world.site(name)
    return text_of(person.get(f"/sites/{site.id}/component?kind=plugin&ident={AKISMET}"))


# ---- the choice ----


def test_an_owner_chooses_the_order_and_it_is_in_the_activity(as_ana, as_cleo, world):
    assert "First on sites tagged “canary”" in text_of(as_ana.get("/auto-update-rules"))
    as_ana.post("/auto-update-rules", data=rule_form(**ORDER))
    rule = AutoUpdateRule.select().order_by(AutoUpdateRule.id.desc()).get()
    assert (rule.canary_tag, rule.canary_hours) == ("canary", 72)
    rules = text_of(as_cleo.get("/auto-update-rules"))
    assert "First on sites tagged “canary”, on others 3 days after those succeeded" in rules
    assert "1 site is first now" in rules
    sentence = "Sites tagged “canary” are first, and others follow 3 days after those succeeded."
    assert sentence in text_of(as_ana.get("/activity"))


def test_all_sites_at_once_is_the_default(as_ana, world):
    as_ana.post("/auto-update-rules", data=rule_form(canary_tag="", canary_hours="24"))
    rule = AutoUpdateRule.select().order_by(AutoUpdateRule.id.desc()).get()
    assert (rule.canary_tag, rule.canary_hours) == ("", None)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"canary_tag": "nowhere"}, "No connected site of this rule is tagged “nowhere”."),
        ({"canary_tag": "a, b"}, "Choose a tag that sites have."),
        ({"canary_hours": "25"}, "Choose how long the other sites wait."),
        ({"canary_hours": "soon"}, "Choose how long the other sites wait."),
        ({"canary_hours": ""}, "Choose how long the other sites wait."),
    ],
)
def test_an_invalid_canary_choice_is_refused(as_ana, world, wrong, sentence):
    response = as_ana.post("/auto-update-rules", data=rule_form(**{**ORDER, **wrong}))
    assert response.status_code == 422
    assert sentence in text_of(response)
    assert AutoUpdateRule.select().count() == 1


def test_a_rule_without_canary_sites_says_so(as_ana, world):
    SiteTag.delete().execute()
    text = text_of(as_ana.get("/auto-update-rules"))
    assert "No sites are first now, so the others wait" in text


# ---- why a site waits ----


def test_the_page_names_the_canary_site_that_has_to_update(as_ana, world):
    text = component_page(as_ana, world)
    assert "The auto-update rule “Patches” covers this update. It installs a release first" in text
    assert "It waits for A, which has not installed this one. Update it there" in text
    assert "It installs a release first" not in component_page(as_ana, world, "A")


def test_the_page_says_how_long_the_site_waits_and_for_what(as_ana, world):
    world.round()
    assert "They have it, and it waits until " in component_page(as_ana, world)
    Change.update(ended_at=utcnow().replace(year=2025)).execute()
    assert "Aura looks at their home pages first." in component_page(as_ana, world)
    world.look_at(world.change("A").id)
    assert "It installs a release first" not in component_page(as_ana, world)


def test_the_page_says_that_no_canary_site_proves_the_release(as_ana, world):
    world.fake("A").report["plugins"][0]["version"] = "5.3.1"
    world.sync()
    text = component_page(as_ana, world)
    assert "None of those sites has installed this one through Aura, so nothing proves it." in text


def test_the_page_and_the_update_name_the_canary_site_that_failed(as_ana, world):
    world.fake("A").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    world.round()
    sentence = "</a>: the update was rolled back. Check that site."
    text = component_page(as_ana, world)
    assert sentence in text
    assert "“Patches” does not install this release here" in text
    change = check(
        propose(world.site("B"), world.ana, world.clock()), world.fake("B"), world.config
    )
    assert sentence in text_of(as_ana.get(f"/changes/{change.id}"))


def test_the_name_of_a_canary_site_is_hidden_without_access(app, world):
    bakery = Client.named("Bakery Ltd")
    Site.update(client=bakery).where(Site.name == "B").execute()
    eve = make_user("Eve", "operator", limited_to=[bakery.id])
    text = component_page(signed_in(app, Actor.of(eve, "192.0.2.9")), world)
    assert "It waits for one of those sites, which has not installed this one." in text


def test_the_component_page_takes_few_queries(as_ana, world):
    world.round()
    page = f"/sites/{world.site('B').id}/component?kind=plugin&ident={AKISMET}"
    as_ana.get(page)
    with counted_queries() as queries:
        as_ana.get(page)
    assert len(queries) <= 12


# ---- tags ----


def test_a_tag_that_makes_a_canary_site_needs_agreement(as_ana, world):
    site = world.site("B")
    response = as_ana.post(f"/sites/{site.id}/tags", data={"tags": "canary"})
    text = text_of(response)
    assert "First on sites tagged “canary”, on others 24 hours after those succeeded" in text
    assert SiteTag.of_site(site) == {}
    as_ana.post(f"/sites/{site.id}/tags", data={"tags": "canary", "agreed": str(world.rule.id)})
    assert SiteTag.of_site(site) == {"canary": "canary"}
    assert Clicker(as_ana, "/auto-update-rules").text.count("2 sites are first now") == 1
