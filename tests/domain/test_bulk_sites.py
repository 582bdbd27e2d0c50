"""Several sites at once: tags, syncs, ignored updates, and sites from a file."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.audit.documents import entry_document
from app.domain.changes import auto_update_rules, bulk_assignment
from app.domain.errors import Conflict, Forbidden, Invalid, TagsJoinRules
from app.domain.inventory import site_sync
from app.domain.sites import holds, sites
from app.domain.sites.site_csv import read_sites
from app.models.audit import AuditEntry
from app.models.auto_update_rules import UpdateHold
from app.models.fleet import fleet
from app.models.reports import Component, Sync
from app.models.sites import Site
from app.models.tags import SiteTag
from app.models.visibility import EVERYTHING
from tests.support.factories import AKISMET, make_site, read_report
from tests.support.rules import terms

pytestmark = pytest.mark.both_databases

FILE = (
    "name,address,client,tags\n"
    "Florist,florist.example,Harbour Ltd,shop\n"
    ",museum.example,harbour ltd,\n"
)


@pytest.fixture
def both(ana, clock, jobs):
    return [
        make_site(ana, now=clock(), url=f"https://{name}.example", name=name.title())
        for name in ("florist", "museum")
    ]


@pytest.fixture
def rule(ana, clock, both):
    made = terms(clock, tags=("shop",))
    return auto_update_rules.create_rule(made, by=ana, confirmed_at=clock(), now=clock())


def tag(chosen: list[Site], by: Any, clock: Any, add: str = "", remove: str = "", agreed=()) -> int:
    return bulk_assignment.change_tags(
        chosen, add=add, remove=remove, by=by, confirmed_at=clock(), agreed=agreed, now=clock()
    )


def tags(site: Site) -> list[str]:
    return list(SiteTag.of_site(site).values())


def facts(event: str) -> list[dict[str, Any]]:
    return [entry_document(entry)["facts"] for entry in reversed(AuditEntry.newest(event=event))]


def test_tags_are_added_and_removed_and_others_stay(both, ben, clock):
    assert tag(both[:1], ben, clock, add="VIP") == 1
    assert tag(both, ben, clock, add="vip, blue") == 2
    assert [tags(site) for site in both] == [["blue", "VIP"], ["blue", "vip"]]
    assert tag(both, ben, clock, remove="BLUE") == 2
    assert [tags(site) for site in both] == [["VIP"], ["vip"]]
    assert tag(both, ben, clock, remove="blue") == 0
    assert [row["added"] for row in facts("tags_changed")] == ["VIP", "blue", "blue, vip", "", ""]


def test_a_tag_that_adds_a_rule_needs_confirmation(both, rule, ben, clock):
    with pytest.raises(TagsJoinRules) as question:
        tag(both, ben, clock, add="shop")
    assert question.value.rule_ids == (rule.id,)
    assert not any(tags(site) for site in both)
    assert tag(both, ben, clock, add="shop", agreed=[rule.id]) == 2
    assert [row["brings"] for row in facts("tags_changed")] == [f"{rule.id} “{rule.name}”"] * 2


def test_if_one_site_cannot_be_tagged_none_is(both, ben, clock):
    tag(both[1:], ben, clock, add=", ".join(f"tag {n}" for n in range(20)))
    with pytest.raises(Invalid) as refused:
        tag(both, ben, clock, add="one more")
    assert "Museum would have more than 20 tags" in refused.value.messages["add"]
    assert tags(both[0]) == []
    with pytest.raises(Invalid) as refused:
        tag(both, ben, clock, remove="bad\u200btag")
    assert "remove" in refused.value.messages


def test_a_removed_site_stops_the_whole_change(both, ana, ben, clock):
    sites.remove_site(both[1], by=ana, now=clock())
    with pytest.raises(Conflict, match="Museum was removed"):
        tag(both, ben, clock, add="x")
    assert tags(both[0]) == []


def test_a_viewer_changes_nothing(both, cleo, clock):
    with pytest.raises(Forbidden):
        tag(both, cleo, clock, add="x")
    with pytest.raises(Forbidden):
        site_sync.request_syncs(both, by=cleo, now=clock())
    with pytest.raises(Forbidden):
        add(cleo, clock)


def test_connected_sites_are_synced_and_others_left_out(both, paired, ben, clock):
    assert site_sync.request_syncs([*both, paired], by=ben, now=clock()) == 1
    assert Sync.open_for(paired) is not None


def test_updates_are_ignored_on_each_site_that_has_the_plugin(paired, fake, config, ben, clock):
    read_report(paired, fake, config=config)
    assert Component.outdated_on([paired.id]) == [("plugin", AKISMET, "Akismet", 1)]
    assert Component.sites_with("plugin", AKISMET, [paired.id]) == {paired.id}
    assert Component.sites_with("plugin", AKISMET, [4711]) == set()
    holds.hold_updates(
        [paired], "plugin", AKISMET, until=None, reason="breaks", by=ben, now=clock()
    )
    assert UpdateHold.get(UpdateHold.site == paired, UpdateHold.ident == AKISMET).reason == "breaks"
    assert len(facts("update_hold_created")) == 1


def add(by: Any, clock: Any, text: str = FILE, agreed=()) -> list[Site]:
    lines = read_sites(text, ()).good
    return bulk_assignment.import_sites(
        lines, by=by, confirmed_at=clock(), agreed=agreed, now=clock()
    )


def test_sites_of_a_file_are_added_with_client_and_tags(ben, clock, database, jobs):
    florist, museum = add(ben, clock)
    assert (florist.name, museum.name) == ("Florist", "museum.example")
    assert florist.client == museum.client
    assert tags(florist) == ["shop"]
    assert (florist.state, florist.waiting_token()) == ("new", None)
    assert [row["url"] for row in facts("site_added")] == [florist.url, museum.url]
    assert len(facts("tags_changed")) == 1


def test_a_file_whose_tags_add_a_rule_needs_confirmation(ben, clock, rule):
    text = FILE.replace("florist", "florist2").replace("museum", "museum2")
    with pytest.raises(TagsJoinRules):
        add(ben, clock, text)
    assert len(fleet(EVERYTHING)) == 2
    assert len(add(ben, clock, text, agreed=[rule.id])) == 2


def test_a_site_that_was_added_meanwhile_stops_the_whole_import(ben, clock, database, jobs):
    lines = read_sites(FILE, ()).good
    make_site(ben, now=clock(), url="https://museum.example")
    with pytest.raises(Conflict, match="added meanwhile"):
        bulk_assignment.import_sites(lines, by=ben, confirmed_at=clock(), now=clock())
    assert [site.url for site in fleet(EVERYTHING)] == ["https://museum.example"]
