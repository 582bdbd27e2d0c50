"""A rule updates the sites with a tag first, and the others after these have proven it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.changes import (
    auto_update_rules,
    bulk_assignment,
    execution,
    page_questions,
    proposals,
    rule_canaries,
    site_assignment,
    update_evidence,
)
from app.domain.changes.rule_canaries import Canaries
from app.domain.errors import Invalid, TagsJoinRules
from app.models.alerts import Alert
from app.models.auto_update_rules import AutoUpdateRule
from app.models.available_updates import AvailableUpdate
from app.models.changes import (
    APPROVED,
    FAILED,
    PROPOSED,
    ROLLED_BACK,
    SUCCEEDED,
    UNKNOWN,
    WAITING,
    Change,
)
from app.models.clients import Client
from app.models.packages import KnownPackage
from app.models.reports import Report
from app.models.sites import Site
from app.models.tags import SiteTag
from app.models.uptime import Outage
from app.models.visibility import EVERYTHING
from app.protocol import from_b64u, parse_json
from tests.support.canaries import CanaryWorld, tag
from tests.support.factories import AKISMET, approve, check, propose
from tests.support.page_questions import change_shop, hide_shop, watch_shop
from tests.support.rollouts import all_facts
from tests.support.rules import terms

pytestmark = pytest.mark.both_databases

FATAL_PAGE = (500, b"There has been a critical error on this website.")
OTHER_PACKAGE = ("12" * 32, "34" * 32)


@pytest.fixture
def world(canary_world) -> CanaryWorld:
    return canary_world


@pytest.fixture
def proving(world) -> CanaryWorld:
    """Update site A, which is tagged."""
    world.round()
    assert (world.updated(), world.held()) == ("A", (rule_canaries.PROVES, ""))
    return world


def break_later(world: CanaryWorld) -> None:
    """Record that the home page of A breaks later."""
    broken = {"is_incident": True, "outcome_reason": "broke_later"}
    Change.update(**broken).where(Change.site == world.site("A")).execute()


# ---- the order ----


def test_others_follow_once_first_sites_have_run_the_version_long_enough(proving):
    ended = proving.change("A").ended_at
    proving.clock.now = ended + timedelta(hours=24) - timedelta(seconds=1)
    proving.sync()
    proving.round()
    proving.round()
    assert (proving.updated(), Change.select().count()) == ("A", 1)
    proving.pass_hours(1 / 3600)
    assert (proving.updated(), proving.held()) == ("ABC", None)


def test_the_time_counts_from_the_last_of_the_first_sites(ana, config, clock, jobs):
    world = CanaryWorld.start(ana, config, clock, jobs, canaries=2)
    world.fake("B").failing = []
    world.fake("B").refusing = {"change.run": "clock_skew"}
    world.round()
    assert (world.updated(), world.held()) == ("A", (rule_canaries.NOT_UPDATED, "B"))
    world.fake("B").refusing = {}
    world.pass_hours(5)
    assert world.updated() == "AB"
    world.pass_hours(23)
    assert (world.updated(), world.held()) == ("AB", (rule_canaries.PROVES, ""))
    world.pass_hours(1)
    assert world.updated() == "ABC"


def test_no_other_site_follows_before_the_first_sites_are_checked(proving):
    proving.clock.advance(hours=25)
    proving.sync()
    for _ in range(3):
        assert auto_update_rules.propose_due(proving.clock()) == 0
    assert proving.held() == (rule_canaries.NOT_SEEN, "")
    assert proving.look_at_canaries() == ["ok"] * 3
    assert auto_update_rules.propose_due(proving.clock()) == 2


def test_a_check_of_another_night_does_not_count(proving):
    proving.pass_hours(25)
    SiteTag.delete().where(SiteTag.site != proving.site("A")).execute()
    proving.add_site("D")
    proving.clock.advance(days=1)
    proving.sync()
    assert proving.held() == (rule_canaries.NOT_SEEN, "")
    proving.round()
    proving.round()
    assert proving.updated() == "ABCD"


def test_each_version_needs_its_own_proof(proving):
    proving.clock.advance(hours=25)
    assert proving.held() == (rule_canaries.NOT_SEEN, "")
    release = ("plugin", AKISMET, "5.3.2")
    wait = Canaries(proving.clock()).why_rule_waits(proving.rule, (), release)
    assert wait is not None
    assert wait.code == rule_canaries.NO_CANARY


def test_a_newer_version_on_a_first_site_does_not_stop_the_proven_one(proving):
    row = {"kind": "plugin", "ident": AKISMET, "name": "Akismet", "permission": "plugins"}
    row |= {"from_version": "5.3.1", "release_type": "patch", "is_fit": True, "reasons": []}
    AvailableUpdate.create(site=proving.site("A"), to_version="5.3.2", **row)
    assert proving.held() == (rule_canaries.PROVES, "")


def test_without_a_tag_all_sites_are_updated_at_once(ana, config, clock, jobs):
    world = CanaryWorld.start(ana, config, clock, jobs, canary_tag="", canary_hours=12)
    assert (world.rule.canary_tag, world.rule.canary_hours) == ("", None)
    world.round()
    assert (world.updated(), world.held()) == ("ABC", None)


def test_a_person_may_approve_at_any_time(proving):
    change = check(
        propose(proving.site("B"), proving.ana, proving.clock()),
        proving.fake("B"),
        proving.config,
    )
    assert approve(change, proving.ana, proving.config, proving.clock()).state == APPROVED
    proving.work()
    assert proving.updated() == "AB"


# ---- what holds the others ----


@pytest.mark.parametrize("state", [ROLLED_BACK, FAILED])
def test_a_failed_update_on_a_first_site_holds_all_others(world, state):
    world.fake("A").changes.plays[AKISMET] = (state, "fatal_after")
    world.round()
    assert (world.change("A").state, world.held()) == (state, (state, "A"))
    world.pass_hours(200)
    assert (world.updated(), Change.select().count()) == ("", 1)


def test_others_follow_once_the_first_site_succeeds_after_all(world):
    world.fake("A").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    world.round()
    world.fake("A").changes.plays.clear()
    world.clock.advance(hours=2)
    Change.update(closed_by="Ana", is_incident=False).execute()
    again = check(propose(world.site("A"), world.ana, world.clock()), world.fake("A"), world.config)
    approve(again, world.ana, world.config, world.clock())
    world.work()
    world.sync()
    assert world.held() == (rule_canaries.PROVES, "")
    world.pass_hours(24)
    assert world.updated() == "ABC"


def test_an_unknown_result_is_no_success(world):
    world.fake("A").losing = {"change.run"}
    world.round()
    assert (world.change("A").state, world.held()) == (UNKNOWN, (rule_canaries.NOT_UPDATED, "A"))
    Change.update(is_incident=True).execute()
    world.pass_hours(30)
    assert (world.updated(), world.held()) == ("", ("unknown", "A"))


def test_a_new_proposal_does_not_hide_a_failed_update(world):
    world.fake("A").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    world.round()
    Change.update(closed_by="Ana", is_incident=False).execute()
    again = propose(world.site("A"), world.ana, world.clock())
    assert world.held() == (ROLLED_BACK, "A")
    proposals.cancel_change(again, by=world.ana, now=world.clock())
    world.fake("A").report["updates"]["plugins"] = []
    world.sync("A")
    assert world.held() == (ROLLED_BACK, "A")


def test_a_site_that_breaks_later_holds_the_others(proving):
    proving.fake("A").front_page = FATAL_PAGE
    change = proving.change("A")
    assert proving.look_at(change.id) == "fatal"
    assert proving.held() == ("broke_later", "A")
    proving.fake("A").front_page = (200, b"<!doctype html><title>Bakery</title>")
    proving.pass_hours(100)
    assert proving.updated() == "A"


def test_an_unclear_home_page_holds_the_others_until_the_next_night(proving):
    proving.fake("A").front_page = (404, b"nothing here")
    proving.pass_hours(25)
    assert (proving.updated(), proving.held()) == ("A", ("page_unclear", "A"))
    proving.fake("A").front_page = (200, b"<!doctype html><title>Bakery</title>")
    proving.pass_hours(1)
    assert proving.updated() == "A"
    proving.pass_hours(24)
    assert proving.updated() == "ABC"


@pytest.mark.parametrize("changes", [change_shop, hide_shop])
def test_pages_with_a_question_hold_the_others_until_it_is_answered(world, changes):
    watch_shop(world.site("A"), world.ana, world.fake("A"))
    changes(world.fake("A"))
    world.round()
    world.pass_hours(30)
    assert (world.updated(), world.held()) == ("A", (update_evidence.PAGES_CHANGED, "A"))
    now = world.clock()
    page_questions.answer_looks_right(world.change("A"), by=world.ana, note="", now=now)
    world.pass_hours(1)
    assert (world.updated(), world.held()) == ("ABC", None)


def test_a_restored_version_on_any_site_of_the_rule_holds_the_others(proving):
    change = proving.change("A")
    about = (change.site_id, change.kind, change.ident, change.to_version)
    page_questions.close_restored(*about, proving.clock())
    proving.pass_hours(30)
    assert (proving.updated(), proving.held()) == ("A", (update_evidence.VERSION_RESTORED, "A"))


@pytest.mark.parametrize(("minutes", "held"), [(90, True), (23 * 60, True), (25 * 60, False)])
def test_an_outage_in_the_hours_after_the_update_holds_the_others(proving, minutes, held):
    began_at = proving.change("A").ended_at + timedelta(minutes=minutes)
    Outage.create(
        site=proving.site("A"), began_at=began_at, ended_at=began_at + timedelta(minutes=9),
        cause="timeout",
    )  # fmt: skip
    proving.pass_hours(26)
    assert proving.updated() == ("A" if held else "ABC")
    assert proving.held() == (("outage", "A") if held else None)


def test_a_failed_update_on_any_site_of_the_rule_holds_the_others(proving):
    proving.fake("B").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    late = proving.add_site("D")
    Report.delete().where(Report.site == late).execute()
    proving.pass_hours(25)
    assert proving.change("B").state == ROLLED_BACK
    assert proving.held() == (ROLLED_BACK, "B")
    assert auto_update_rules.propose_due(proving.clock()) == 0


def test_a_failed_update_approved_by_a_person_holds_nothing(proving):
    proving.fake("B").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    change = check(
        propose(proving.site("B"), proving.ana, proving.clock()), proving.fake("B"), proving.config
    )
    approve(change, proving.ana, proving.config, proving.clock())
    proving.work()
    assert proving.change("B").state == ROLLED_BACK
    assert proving.held() == (rule_canaries.PROVES, "")


def test_others_follow_once_that_site_succeeds_after_all(proving):
    proving.fake("B").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    Site.update(state="revoked").where(Site.name == "C").execute()
    proving.pass_hours(25)
    Site.update(state="active").where(Site.name == "C").execute()
    Change.update(closed_by="Ana", is_incident=False).execute()
    proving.fake("B").changes.plays.clear()
    again = check(
        propose(proving.site("B"), proving.ana, proving.clock()), proving.fake("B"), proving.config
    )
    assert proving.held() == (ROLLED_BACK, "B")
    approve(again, proving.ana, proving.config, proving.clock())
    proving.work()
    assert proving.held() is None
    proving.pass_hours(1)
    assert proving.updated() == "ABC"


def test_a_failed_first_site_without_its_tag_still_holds_the_others(ana, config, clock, jobs):
    world = CanaryWorld.start(ana, config, clock, jobs, canaries=2)
    world.fake("A").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    world.round()
    SiteTag.delete().where(SiteTag.site == world.site("A")).execute()
    world.pass_hours(30)
    assert (world.change("B").state, world.held()) == (SUCCEEDED, (ROLLED_BACK, "A"))


def test_an_update_outside_of_aura_proves_nothing(ana, config, clock, jobs):
    """The only tagged site already has the version, installed in wp-admin."""
    world = CanaryWorld.start(ana, config, clock, jobs)
    world.fake("A").report["plugins"][0]["version"] = "5.3.1"
    world.sync()
    world.pass_hours(100)
    assert (world.updated(), world.held()) == ("", (rule_canaries.NO_CANARY, ""))


def test_a_mirror_with_another_package_blocks_the_version(proving):
    proving.fake("B").changes.package = OTHER_PACKAGE
    proving.clock.advance(hours=25)
    proving.sync()
    proving.round()
    proving.round()
    assert "B succeeded" not in proving.states()
    assert KnownPackage.get().is_disputed
    assert [alert.site.name for alert in Alert.unresolved(EVERYTHING)] == ["B"]


def test_a_proposal_is_not_approved_once_the_first_site_breaks(proving):
    proving.clock.advance(hours=25)
    proving.sync()
    auto_update_rules.propose_due(proving.clock())
    proving.look_at_canaries()
    auto_update_rules.propose_due(proving.clock())
    check(proving.change("B"), proving.fake("B"), proving.config)
    break_later(proving)
    assert auto_update_rules.approve_due(proving.config, proving.clock()) == 0
    assert proving.change("B").state == PROPOSED


def test_an_approval_on_the_next_day_needs_another_check(proving):
    proving.clock.advance(hours=25)
    proving.sync()
    auto_update_rules.propose_due(proving.clock())
    proving.look_at_canaries()
    proving.clock.now = proving.clock().replace(hour=23, minute=55)
    auto_update_rules.propose_due(proving.clock())
    check(proving.change("B"), proving.fake("B"), proving.config)
    proving.clock.advance(minutes=10)
    proving.queue.jobs.clear()
    assert auto_update_rules.approve_due(proving.config, proving.clock()) == 0
    assert proving.look_at_canaries() == ["ok"]
    assert auto_update_rules.approve_due(proving.config, proving.clock()) == 1


def test_an_approved_update_does_not_start_once_the_first_site_breaks(proving):
    proving.clock.advance(hours=25)
    proving.sync()
    auto_update_rules.propose_due(proving.clock())
    proving.look_at_canaries()
    auto_update_rules.propose_due(proving.clock())
    for name in "BC":
        check(proving.change(name), proving.fake(name), proving.config)
    assert auto_update_rules.approve_due(proving.config, proving.clock()) == 2
    break_later(proving)
    assert [proving.run(name) for name in "BC"] == [APPROVED] * 2
    proving.clock.advance(minutes=5)
    proving.queue.jobs.clear()
    execution.recover_changes(proving.clock())
    assert "run_change" not in proving.queue.names()
    Change.update(is_incident=False, outcome_reason="").where(
        Change.site == proving.site("A")
    ).execute()
    assert [proving.run(name) for name in "BC"] == [SUCCEEDED] * 2


def test_an_update_is_not_sent_if_a_first_site_breaks_during_the_check(proving):
    proving.clock.advance(hours=25)
    proving.sync()
    auto_update_rules.propose_due(proving.clock())
    proving.look_at_canaries()
    auto_update_rules.propose_due(proving.clock())
    check(proving.change("B"), proving.fake("B"), proving.config)
    auto_update_rules.approve_due(proving.config, proving.clock())
    fake = proving.fake("B")
    look = fake.look

    def broken_meanwhile(*args, **more):
        Change.update(is_incident=True).where(Change.site == proving.site("A")).execute()
        return look(*args, **more)

    fake.look = broken_meanwhile
    assert proving.run("B") == WAITING
    assert proving.change("B").outcome_reason == "canary_disproved"
    assert "change.run" not in [op for op, _, _ in fake.calls]


# ---- which sites are first ----


def test_only_sites_that_the_rule_covers_are_first(ana, config, clock, jobs):
    CanaryWorld.start(ana, config, clock, jobs)
    bakery = Client.named("Bakery Ltd")
    Site.update(client=bakery).where(Site.name == "B").execute()
    narrow = terms(clock, client=bakery, canary_tag="canary", canary_hours=1)
    with pytest.raises(Invalid) as refusal:
        auto_update_rules.create_rule(narrow, by=ana, confirmed_at=clock(), now=clock())
    assert list(refusal.value.messages) == ["canary_tag"]
    assert AutoUpdateRule.select().count() == 1


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"canary_tag": "a, b"}, "canary_tag"),
        ({"canary_tag": "x" * 31}, "canary_tag"),
        ({"canary_tag": "nowhere"}, "canary_tag"),
        ({"canary_hours": None}, "canary_hours"),
        ({"canary_hours": 0}, "canary_hours"),
        ({"canary_hours": 25}, "canary_hours"),
    ],
)
def test_an_invalid_tag_or_time_is_refused(world, ana, clock, wrong, field):
    usual = {"canary_tag": "canary", "canary_hours": 24}
    with pytest.raises(Invalid) as refusal:
        auto_update_rules.create_rule(
            terms(clock, **{**usual, **wrong}), by=ana, confirmed_at=clock(), now=clock()
        )
    assert list(refusal.value.messages) == [field]
    assert AutoUpdateRule.select().count() == 1


def test_the_audit_log_and_each_plan_name_the_order(proving):
    (facts,) = all_facts("auto_update_rule_created")
    assert (facts["canary_tag"], facts["canary_hours"]) == ("canary", 24)
    proving.pass_hours(25)
    reasons = {
        name: parse_json(from_b64u(proving.change(name).plan))["approval"]["reason"]
        for name in "AB"
    }
    assert reasons == {
        "A": "agreed with every client First, as one of the sites tagged “canary”.",
        "B": "agreed with every client After sites tagged “canary” ran it for 24 hours.",
    }


def test_a_rule_does_not_wait_for_a_disconnected_first_site(ana, config, clock, jobs):
    world = CanaryWorld.start(ana, config, clock, jobs, canaries=2)
    Site.update(state="revoked").where(Site.name == "B").execute()
    world.round()
    assert world.held() == (rule_canaries.PROVES, "")


def test_a_rule_waits_for_a_site_that_is_tagged_later(proving):
    proving.clock.advance(hours=25)
    tag(proving.site("C"))
    proving.sync()
    assert proving.held() == (rule_canaries.NOT_UPDATED, "C")


@pytest.mark.parametrize(("site", "tags"), [("B", "canary"), ("A", "")])
def test_a_tag_that_changes_the_order_needs_confirmation(proving, site, tags):
    actor_and_times = {"by": proving.ana, "confirmed_at": proving.clock(), "now": proving.clock()}
    with pytest.raises(TagsJoinRules) as question:
        site_assignment.set_tags(proving.site(site), tags, **actor_and_times)
    assert question.value.rule_ids == (proving.rule.id,)
    with pytest.raises(TagsJoinRules):
        bulk_assignment.change_tags(
            [proving.site(site)], add=tags, remove="" if tags else "canary", **actor_and_times
        )
    site_assignment.set_tags(proving.site(site), tags, agreed=[proving.rule.id], **actor_and_times)
    assert list(SiteTag.of_site(proving.site(site))) == ([tags] if tags else [])
    site_assignment.set_tags(proving.site("C"), "other", **actor_and_times)
