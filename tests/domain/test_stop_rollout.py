"""Stop a rollout on bad evidence, name the site and the reason, and let a person decide."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from app.domain import attention
from app.domain.actor import Actor
from app.domain.changes import execution, late_failures, proposals
from app.domain.errors import Conflict, Invalid, NotFound, ReauthenticationRequired, StaleState
from app.domain.notifications import contents
from app.domain.rollouts import control
from app.models.alerts import Alert
from app.models.changes import APPROVED, CANCELLED, REFUSED, ROLLED_BACK, SUCCEEDED, Change
from app.models.clients import Client
from app.models.packages import KnownPackage
from app.models.rollouts import ENDED, PAUSED, RUNNING, STOPPED, Rollout
from app.models.sites import Site
from app.models.uptime import Outage
from app.models.visibility import EVERYTHING
from tests.support.factories import AKISMET, make_user
from tests.support.rollouts import RolloutWorld, all_facts, halted

FATAL_PAGE = (500, b"There has been a critical error on this website.")
OTHER_PACKAGE = ("12" * 32, "34" * 32)


@pytest.fixture
def world(rollout_world) -> RolloutWorld:
    return rollout_world


@pytest.fixture
def running(world) -> RolloutWorld:
    """A rollout whose first site A was updated; the others wait for their wave."""
    world.approve()
    world.work()
    return world


def items(world: RolloutWorld) -> list[attention.Item]:
    return [one for one in attention.urgent(world.ana, []) if one.about == "rollout"]


# ---- what stops it ----


def test_a_fatal_error_on_the_first_site_stops_the_rollout(world):
    world.fake("A").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    world.approve()
    world.work()
    # The rollout stops at once, before the periodic check.
    assert [world.run(name) for name in "BCDE"] == [APPROVED] * 4
    assert world.advance() == "stopped"
    assert halted() == (STOPPED, ROLLED_BACK, "A")
    (facts,) = all_facts("rollout_stopped")
    assert (facts["reason"], facts["change_id"], facts["wave"]) == (
        "rolled_back", world.change("A").id, 1
    )  # fmt: skip
    (item,) = items(world)
    assert (item.word, item.name, item.site.name) == (ROLLED_BACK, "Akismet 5.3.1", "A")
    world.wait(hours=100)
    assert world.states() == "A rolled_back, B approved, C approved, D approved, E approved"


def test_a_failed_update_holds_the_other_sites_of_its_own_wave(running):
    running.clock.advance(hours=25)
    running.advance()
    running.look()
    assert running.advance() == "started"
    running.fake("C").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    assert [running.run(name) for name in "BCDE"] == [SUCCEEDED, ROLLED_BACK, APPROVED, APPROVED]
    assert running.advance() == "stopped"
    assert halted() == (STOPPED, ROLLED_BACK, "C")


def test_a_site_that_breaks_later_stops_the_rollout(running):
    running.fake("A").front_page = FATAL_PAGE
    site = running.site("A")
    look = running.fake("A").look
    late_failures.check_site(site, config=running.config, look=look, now=running.clock)
    running.wait(minutes=1)
    assert halted() == (STOPPED, "broke_later", "A")


def test_a_broken_page_at_the_end_of_the_wait_stops_the_rollout(running):
    running.clock.advance(hours=20)
    running.fake("A").front_page = FATAL_PAGE
    running.wait(hours=5)
    assert halted()[0::2] == (STOPPED, "A")
    assert Rollout.get().wave == 1


def test_a_page_with_an_unclear_result_is_no_evidence(running):
    running.fake("A").front_page = (404, b"nothing here")
    running.wait(hours=25)
    assert halted() == (STOPPED, "page_unclear", "A")


def test_an_unknown_result_is_no_success(world):
    world.fake("A").losing = {"change.run"}
    world.approve()
    world.work()
    world.wait(minutes=30)
    assert (halted()[0], world.change("A").state) == (RUNNING, "unknown")
    Change.update(is_incident=True).where(Change.site == world.site("A")).execute()
    world.wait(hours=30)
    assert halted() == (STOPPED, "unknown", "A")
    assert world.states().count("approved") == 4


def test_a_refusal_is_no_success(world):
    world.approve()
    world.fake("A").refusing = {"change.run": "not_permitted"}
    world.work()
    world.wait(minutes=1)
    assert halted() == (STOPPED, REFUSED, "A")


@pytest.mark.parametrize(
    ("minutes", "state"), [(-60, RUNNING), (90, STOPPED), (23 * 60, STOPPED), (25 * 60, RUNNING)]
)
def test_an_outage_after_the_update_stops_the_rollout(running, minutes, state):
    began_at = running.clock() + timedelta(minutes=minutes)
    Outage.create(
        site=running.site("A"), began_at=began_at, ended_at=began_at + timedelta(minutes=9),
        cause="timeout",
    )  # fmt: skip
    running.clock.advance(hours=23, minutes=30)
    running.advance()
    assert halted()[0] == state


def test_another_site_that_is_down_stops_nothing(running):
    Outage.create(site=running.site("B"), began_at=running.clock(), cause="timeout")
    running.wait(hours=25)
    assert Rollout.get().wave == 2


def test_another_package_for_site_nine_stops_the_whole_rollout(ana, config, clock, jobs):
    world = RolloutWorld.make(ana, config, clock, count=12)
    world.approve()
    world.work()
    world.fake("I").changes.package = OTHER_PACKAGE
    world.clock.advance(hours=25)
    world.advance()
    world.look()
    world.advance()
    for name in "BCI":
        world.run(name)
    assert world.change("I").state == REFUSED
    assert [world.run(name) for name in "DEFGHJKL"] == [CANCELLED] * 8
    assert world.advance() == "stopped"
    assert halted() == (STOPPED, "package_differs", "I")
    assert KnownPackage.get().is_disputed
    assert [alert.site.name for alert in Alert.unresolved(EVERYTHING)] == ["I"]
    (item,) = items(world)
    assert item.severity == attention.CRITICAL
    with pytest.raises(Conflict, match="Resolve the alert first"):
        world.resume()
    assert sum(sum(fake.changes.installs.values()) for fake in world.sites.values()) == 3


def test_another_package_seen_anywhere_holds_a_wave_that_has_not_started(running):
    KnownPackage.update(is_disputed=True).execute()
    running.wait(hours=25)
    assert (halted()[:2], Rollout.get().wave) == ((STOPPED, "package_differs"), 1)


def test_a_stop_is_reported_by_email_and_webhook_until_it_is_resolved(world):
    world.fake("A").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    world.approve()
    world.work()
    world.advance()
    found = attention.read_findings()
    (item,) = [one for one in attention.urgent_from(found, world.ana) if one.about == "rollout"]
    keys = found.keys()
    assert item.key in keys
    assert contents.title_of(item, ZoneInfo("UTC")) == "The rollout of Akismet 5.3.1 stopped"
    assert contents.path_of(attention.Task((item,))) == f"/updates/{Rollout.get().batch}"
    world.resume()
    keys = attention.read_findings().keys()
    assert item.key not in keys


def test_a_person_who_does_not_see_the_site_gets_no_message(world):
    world.fake("A").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    world.approve()
    world.work()
    world.advance()
    other = Client.named("Another")
    carl = Actor.of(make_user("Carl", "operator", limited_to=[other.id]), "192.0.2.9")
    found = attention.read_findings()
    assert [one for one in attention.urgent_from(found, carl) if one.about == "rollout"] == []
    assert [one for one in attention.urgent(carl, []) if one.about == "rollout"] == []


# ---- decisions of a person ----


def test_a_pause_holds_unsent_updates_and_resuming_releases_them(running):
    running.clock.advance(hours=25)
    running.advance()
    running.look()
    running.advance()
    control.pause_rollout(Rollout.get(), by=running.ana, now=running.clock())
    assert {running.change(name).next_attempt_at for name in "BCDE"} == {None}
    assert [running.run(name) for name in "BC"] == [APPROVED] * 2
    running.wait(hours=1)
    assert running.states().count("approved") == 4
    assert items(running) == []
    running.resume("")
    running.work()
    assert running.states().count("succeeded") == 5
    assert [all_facts(f"rollout_{name}")[0]["wave"] for name in ("paused", "resumed")] == [2, 2]


def test_pages_are_checked_again_after_a_pause(running):
    running.clock.advance(hours=25)
    running.advance()
    running.look()
    control.pause_rollout(Rollout.get(), by=running.ana, now=running.clock())
    running.clock.advance(hours=10)
    running.fake("A").front_page = FATAL_PAGE
    running.resume("")
    assert running.advance() == "looking"
    running.look()
    assert (running.advance(), Rollout.get().wave) == ("stopped", 1)


def test_a_person_accepts_exactly_one_finding_with_a_reason(world):
    world.fake("A").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    world.approve()
    world.work()
    world.advance()
    with pytest.raises(Invalid):
        world.resume(" ")
    world.resume("An old PHP, which the others do not have")
    world.wait(hours=25)
    assert (halted()[0], Rollout.get().wave) == (RUNNING, 2)
    assert world.states().count("succeeded") == 4
    (facts,) = all_facts("rollout_resumed")
    assert facts["accepted"] == [world.change("A").id]
    assert items(world) == []


def test_a_site_is_left_out_and_the_others_go_on(world):
    world.fake("A").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    world.approve()
    world.work()
    world.advance()
    cancelled = control.leave_site_out(
        Rollout.get(), world.site("A"), by=world.ana, now=world.clock()
    )
    assert (cancelled, halted()[0]) == (0, STOPPED)
    # No update of the first wave succeeded, so a person gives a reason for the next wave.
    with pytest.raises(Invalid):
        world.resume("")
    world.resume("Its theme was the reason")
    world.wait(hours=25)
    assert world.states().count("succeeded") == 4


def test_a_waiting_site_that_is_left_out_is_never_updated(running):
    site = running.site("C")
    assert control.leave_site_out(Rollout.get(), site, by=running.ana, now=running.clock()) == 1
    running.wait(hours=25)
    assert running.states() == "A succeeded, B succeeded, C cancelled, D succeeded, E succeeded"
    with pytest.raises(StaleState):
        control.leave_site_out(Rollout.get(), site, by=running.ana, now=running.clock())
    assert all_facts("rollout_site_left_out")[0]["cancelled"] == 1


def test_ending_a_rollout_cancels_its_remaining_updates(running):
    assert control.end_rollout(Rollout.get(), by=running.ana, now=running.clock()) == 4
    running.wait(hours=100)
    assert (Rollout.get().state, running.states().count("cancelled")) == (ENDED, 4)
    for act in (control.end_rollout, control.pause_rollout):
        with pytest.raises(StaleState):
            act(Rollout.get(), by=running.ana, now=running.clock())
    with pytest.raises(StaleState):
        running.resume()


def test_an_update_cancelled_by_a_person_does_not_stop_the_rollout(running):
    proposals.cancel_change(running.change("B"), by=running.ana, now=running.clock())
    running.wait(hours=25)
    running.wait(minutes=1)
    assert (halted()[0], running.states().count("succeeded")) == ("done", 4)


def test_resuming_needs_the_password_again(running):
    control.pause_rollout(Rollout.get(), by=running.ana, now=running.clock())
    with pytest.raises(ReauthenticationRequired):
        control.resume_rollout(
            Rollout.get(), by=running.ana, seen=[], reason="", now=running.clock(),
            confirmed_at=running.clock() - timedelta(hours=2),
        )  # fmt: skip
    assert halted()[0] == PAUSED


def test_a_person_who_does_not_see_all_its_sites_cannot_decide(running):
    client = Client.named("Bakery Ltd")
    Site.update(client=client).where(Site.name == "A").execute()
    carl = Actor.of(make_user("Carl", "operator", limited_to=[client.id]), "192.0.2.9")
    for act in (control.pause_rollout, control.end_rollout):
        with pytest.raises(NotFound):
            act(Rollout.get(), by=carl, now=running.clock())
    assert halted()[0] == RUNNING


# ---- races ----


def test_a_pause_between_claim_and_request_keeps_the_update_unsent(world):
    world.approve()
    change, fake = world.change("A"), world.fake("A")

    def pause_meanwhile(*args, **more):
        if Rollout.get().state == RUNNING:
            control.pause_rollout(Rollout.get(), by=world.ana, now=world.clock())
        return fake.look(*args, **more)

    state = execution.run_change(
        change.id, config=world.config, call=fake.call, look=pause_meanwhile, now=world.clock
    )
    assert (state, fake.changes.asked.total()) == ("waiting_for_site", 0)
    assert world.change("A").outcome_reason == "rollout_halted"
    world.resume("")
    world.work()
    assert world.change("A").state == SUCCEEDED


def test_two_schedulers_stop_a_rollout_once(world):
    world.fake("A").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    world.approve()
    world.work()
    assert [world.advance(), world.advance()] == ["stopped", ""]
    assert len(all_facts("rollout_stopped")) == 1
