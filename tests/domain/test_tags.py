"""Tag sites, and cover sites by tag in auto-update rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.audit.documents import entry_document
from app.domain.changes import auto_update_rules, rule_coverage, site_assignment
from app.domain.errors import Conflict, Forbidden, Invalid, ReauthenticationRequired, TagsJoinRules
from app.domain.permissions import REAUTH_MAX_AGE
from app.domain.sites import sites, tag_names
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import transaction
from app.models.changes import APPROVED, CANCELLED, PROPOSED, Change
from app.models.clients import CLIENT_APPROVAL, FOUR_EYES, Client
from app.models.sites import Site
from app.models.tags import SiteTag
from app.models.visibility import EVERYTHING
from tests.support.factories import check, make_site, run_change
from tests.support.fakes import Clock, FakeSite
from tests.support.rules import carried_out, terms, the_change

pytestmark = pytest.mark.both_databases


def set_tags(site: Site, text: str, by: Actor, clock: Clock, *agreed: int, **instead: Any) -> None:
    arguments = {"confirmed_at": clock(), "now": clock(), **instead}
    site_assignment.set_tags(site, text, by=by, agreed=agreed, **arguments)


def texts(site: Site) -> list[str]:
    return list(SiteTag.of_site(site).values())


def entries(event: str) -> list[dict[str, Any]]:
    return [entry_document(entry)["facts"] for entry in reversed(AuditEntry.newest(event=event))]


def by_tag(ana: Actor, clock: Clock, *names: str, **instead: Any) -> AutoUpdateRule:
    """Create an auto-update rule for patches of plugins on the sites with these tags."""
    return auto_update_rules.create_rule(
        terms(clock, tags=names, **instead), by=ana, confirmed_at=clock(), now=clock()
    )


def in_words(rule: AutoUpdateRule) -> str:
    return auto_update_rules.covers_in_words(rule, Site.names(rule.site_ids))


def covered_by(rule: AutoUpdateRule) -> int:
    return rule_coverage.count_sites(rule, Site.listing(EVERYTHING), SiteTag.folded_by_site())


@pytest.fixture
def rule(ready: Site, ana: Actor, clock: Clock) -> AutoUpdateRule:
    return by_tag(ana, clock, "Shop", "night")


@pytest.fixture
def tagged(rule: AutoUpdateRule, ready: Site, ben: Actor, clock: Clock) -> Site:
    """A site that Ben tagged under the auto-update rule, which he had seen."""
    set_tags(ready, "shop", ben, clock, rule.id)
    return ready


# ---- parsing ----


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("", []),
        (" , ,, ", []),
        ("shop", ["shop"]),
        (" VIP , shop,vip", ["shop", "VIP"]),
        ("care   plan", ["care plan"]),
        ("ｖｉｐ, VIP", ["vip"]),
        ("straße, STRASSE", ["straße"]),
        ("été, e\u0301te\u0301", ["été"]),
        ("日本, मुंबई", ["मुंबई", "日本"]),
        ("x" * 30, ["x" * 30]),
        ("<img src=x onerror=alert(1)>", ["<img src=x onerror=alert(1)>"]),
        (",".join(f"t{n}" for n in range(20)), sorted(f"t{n}" for n in range(20))),
    ],
)
def test_a_text_is_split_into_distinct_tags(typed: str, read: list[str]) -> None:
    found = tag_names.read(typed)
    assert list(found.values()) == read
    assert tag_names.read(tag_names.written(found)) == found


@pytest.mark.parametrize(
    "typed",
    [
        "x" * 31,
        "a\u202eb",
        "sh\u200bop",
        "shop\ufe0f",
        "\u3164",
        "a\x07",
        "shop” or “vip",
        '"shop"',
        "🔥",
        ",".join(f"t{n}" for n in range(21)),
        "x" * 4001,
        "\U000e0041",
        "\ud800",
    ],
)
def test_deceptive_or_too_many_tags_are_refused(typed: str) -> None:
    with pytest.raises(Invalid) as refused:
        tag_names.read(typed)
    assert "tags" in refused.value.messages


# ---- on a site ----


def test_each_change_of_a_site_s_tags_is_an_entry(site: Site, ben: Actor, clock: Clock) -> None:
    set_tags(site, "shop, VIP", ben, clock)
    set_tags(site, "vip, Shop", ben, clock)
    set_tags(site, "care plan, Shop", ben, clock)
    set_tags(site, "care plan, Shop", ben, clock)
    assert texts(site) == ["care plan", "Shop"]
    assert entries("tags_changed") == [
        {"added": "shop, VIP", "removed": "", "brings": ""},
        {"added": "Shop, vip", "removed": "shop, VIP", "brings": ""},
        {"added": "care plan", "removed": "vip", "brings": ""},
    ]


def test_a_person_who_may_not_edit_a_site_cannot_tag_it(
    site: Site, cleo: Actor, dora: Actor, ben: Actor, clock: Clock
) -> None:
    for person in (cleo, dora):
        with pytest.raises(Forbidden):
            set_tags(site, "shop", person, clock)
    sites.remove_site(site, by=ben, now=clock())
    with pytest.raises(Conflict):
        set_tags(site, "shop", ben, clock)
    assert texts(site) == []


def test_a_removed_site_keeps_no_tag(site: Site, ben: Actor, clock: Clock) -> None:
    set_tags(site, "shop", ben, clock)
    sites.remove_site(site, by=ben, now=clock())
    assert (texts(site), SiteTag.in_use(EVERYTHING)) == ([], {})


# ---- tags that bring a site under an auto-update rule ----


def test_a_tag_that_brings_a_site_under_a_rule_is_an_approval(
    rule: AutoUpdateRule, ready: Site, ben: Actor, clock: Clock
) -> None:
    with pytest.raises(ReauthenticationRequired):
        set_tags(ready, "shop", ben, clock, rule.id, confirmed_at=clock() - REAUTH_MAX_AGE)
    with pytest.raises(TagsJoinRules) as refused:
        set_tags(ready, "shop", ben, clock)
    assert refused.value.rule_ids == (rule.id,)
    assert texts(ready) == []
    set_tags(ready, "shop", ben, clock, rule.id)
    assert entries("tags_changed") == [
        {"added": "shop", "removed": "", "brings": f"{rule.id} “Patches”"}
    ]


def test_a_role_that_was_lowered_meanwhile_adds_no_site_to_a_rule(
    rule: AutoUpdateRule, ready: Site, ben: Actor, clock: Clock
) -> None:
    User.update(role="viewer").where(User.id == ben.id).execute()
    with pytest.raises(Forbidden):
        set_tags(ready, "shop", ben, clock, rule.id)
    assert texts(ready) == []


def test_every_auto_update_rule_must_have_been_seen(
    rule: AutoUpdateRule, ready: Site, ana: Actor, ben: Actor, clock: Clock
) -> None:
    other = by_tag(ana, clock, "night", name="Also")
    with pytest.raises(TagsJoinRules) as refused:
        set_tags(ready, "night", ben, clock, rule.id)
    assert refused.value.rule_ids == (rule.id, other.id)


def test_a_tag_that_adds_no_site_to_a_rule_needs_no_confirmation(
    rule: AutoUpdateRule, tagged: Site, ana: Actor, ben: Actor, clock: Clock
) -> None:
    long_ago = clock() - timedelta(hours=3)
    set_tags(tagged, "shop, blue", ben, clock, confirmed_at=long_ago)
    set_tags(tagged, "shop, night", ben, clock, confirmed_at=long_ago)  # covered before
    set_tags(tagged, "", ben, clock, confirmed_at=long_ago)
    auto_update_rules.end_rule(rule, by=ana, now=clock())
    set_tags(tagged, "shop", ben, clock, confirmed_at=long_ago)
    assert texts(tagged) == ["shop"]


# ---- what is covered ----


def test_a_site_with_any_of_the_tags_is_covered_and_no_other(
    rule: AutoUpdateRule, ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    set_tags(ready, "shopping, sho", ben, clock)
    assert auto_update_rules.propose_due(clock()) == 0
    set_tags(ready, "NIGHT", ben, clock, rule.id)
    change = carried_out(fake, config)
    assert (change.state, change.how) == (APPROVED, "auto_update_rule")
    assert run_change(change, fake, config) == "succeeded"


@pytest.mark.parametrize(
    ("client", "among", "tag", "is_covered"),
    [
        ("Bakery Ltd", True, "shop", True),
        ("Florist Ltd", True, "shop", False),
        ("Bakery Ltd", False, "shop", False),
        ("Bakery Ltd", True, "other", False),
        ("", True, "shop", True),
        ("", False, "shop", False),
        ("Bakery Ltd", None, "shop", True),
        ("Bakery Ltd", None, "other", False),
    ],
)
def test_each_further_condition_narrows_the_rule(
    ready: Site,
    ana: Actor,
    ben: Actor,
    clock: Clock,
    fake: FakeSite,
    client: str,
    among: bool | None,
    tag: str,
    is_covered: bool,
) -> None:
    Site.update(client=Client.named("Bakery Ltd")).execute()
    set_tags(ready, tag, ben, clock)
    ids = () if among is None else (ready.id,) if among else (4711,)
    rule_client = Client.named(client) if client else None
    by_tag(ana, clock, "shop", client=rule_client, site_ids=ids)
    assert auto_update_rules.propose_due(clock()) == int(is_covered)


def test_the_description_names_every_condition_and_is_logged(
    ready: Site, ana: Actor, clock: Clock
) -> None:
    bakery = Client.named("Bakery Ltd")
    descriptions = [
        in_words(by_tag(ana, clock, *names, client=client, site_ids=ids))
        for names, client, ids in [
            ((), None, ()),
            (("shop", "vip"), None, ()),
            (("shop",), bakery, ()),
            ((), None, (ready.id,)),
            (("shop",), bakery, (ready.id,)),
        ]
    ]
    assert descriptions == [
        "every site",
        "every site tagged “shop” or “vip”",
        "every site of Bakery Ltd tagged “shop”",
        "Bakery",
        "Bakery, while each is a site of Bakery Ltd tagged “shop”",
    ]
    created = entries("auto_update_rule_created")
    assert [one["covers"] for one in created] == descriptions
    assert [one["tags"] for one in created] == ["", "shop, vip", "shop", "", "shop"]


@pytest.mark.parametrize("names", [("a,b",), ("x" * 31,), ("a\u202eb",), (" shop",), ("",)])
def test_a_rule_with_an_invalid_tag_is_refused(
    ana: Actor, clock: Clock, names: tuple[str, ...]
) -> None:
    with pytest.raises(Invalid) as refused:
        by_tag(ana, clock, *names)
    assert "tags" in refused.value.messages


# ---- when tags change ----


def test_removing_the_tag_cancels_a_proposed_update(
    rule: AutoUpdateRule, tagged: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    auto_update_rules.propose_due(clock())
    change = check(the_change(), fake, config)
    set_tags(tagged, "", ben, clock)
    assert auto_update_rules.approve_due(config, clock()) == 0
    change.refresh()
    assert (change.state, change.outcome_reason) == (CANCELLED, "not_covered")


def test_removing_the_tag_cancels_an_approved_update_before_its_start(
    rule: AutoUpdateRule, tagged: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    change = carried_out(fake, config)
    assert change.state == APPROVED
    set_tags(tagged, "shop floor", ben, clock)  # renamed
    assert run_change(change, fake, config) == CANCELLED
    assert fake.changes.installs.total() == 0


def test_an_update_that_another_tag_covers_goes_on(
    rule: AutoUpdateRule, tagged: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    change = carried_out(fake, config)
    set_tags(tagged, "night", ben, clock)
    assert run_change(change, fake, config) == "succeeded"


def test_the_approval_checks_the_tags_again(
    rule: AutoUpdateRule, tagged: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    auto_update_rules.propose_due(clock())
    change = check(the_change(), fake, config)
    with transaction():
        SiteTag.replace_all(tagged, {"other": "other"})
    assert auto_update_rules.approve_due(config, clock()) == 0
    assert Change.get_by_id(change.id).state == PROPOSED


def test_a_rule_for_an_unused_tag_covers_nothing_until_it_is_approved(
    rule: AutoUpdateRule, tagged: Site, ben: Actor, clock: Clock
) -> None:
    assert covered_by(rule) == 1
    set_tags(tagged, "", ben, clock)
    assert SiteTag.in_use(EVERYTHING) == {}
    assert covered_by(rule) == 0
    assert auto_update_rules.propose_due(clock()) == 0
    with pytest.raises(TagsJoinRules):
        set_tags(tagged, "shop", ben, clock)


def test_a_rule_skips_sites_whose_client_decides_or_needs_two_people(
    rule: AutoUpdateRule, tagged: Site, ben: Actor, clock: Clock
) -> None:
    client = Client.named("Bakery Ltd")
    Site.update(client=client).execute()
    for how in (CLIENT_APPROVAL, FOUR_EYES):
        client.set_approval_mode(how)
        assert auto_update_rules.propose_due(clock()) == 0
    auto_update_rules.confirm_rule(rule, by=ben, confirmed_at=clock(), now=clock())
    assert auto_update_rules.propose_due(clock()) == 1


def test_tags_of_one_site_do_not_affect_another(
    rule: AutoUpdateRule, tagged: Site, ana: Actor, ben: Actor, clock: Clock
) -> None:
    other = make_site(ana, now=clock(), url="https://florist.example", name="Florist")
    set_tags(other, "blue", ben, clock)
    assert SiteTag.by_site() == {tagged.id: ["shop"], other.id: ["blue"]}
    assert covered_by(rule) == 1
