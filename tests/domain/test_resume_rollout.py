"""Resume a rollout despite the findings that the person has read, and no others."""

from __future__ import annotations

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import page_questions
from app.domain.errors import StaleState
from app.domain.rollouts import control, evidence
from app.models.changes import ROLLED_BACK, SUCCEEDED, Change
from app.models.rollouts import RUNNING, STOPPED, Rollout, RolloutUpdate
from app.models.site_pages import LOOKS_RIGHT, RESTORED, ChangePages
from app.models.uptime import Outage
from tests.support.factories import AKISMET
from tests.support.fakes import Clock, RecordingQueue
from tests.support.page_questions import change_shop, watch_shop
from tests.support.rollouts import RolloutWorld, all_facts, halted

pytestmark = pytest.mark.both_databases


@pytest.fixture
def world(ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue) -> RolloutWorld:
    return RolloutWorld.make(ana, config, clock, count=3)


@pytest.fixture
def running(world: RolloutWorld) -> RolloutWorld:
    """A rollout whose first site A was updated; the others wait for their wave."""
    world.approve()
    world.work()
    return world


def restore(world: RolloutWorld, name: str) -> None:
    """Restore the former version as a site's owner does, and have Aura read the site's log."""
    change = world.change(name)
    about = (change.site_id, change.kind, change.ident, change.to_version)
    page_questions.close_restored(*about, world.clock())


# ---- only the findings on the page ----


def test_a_finding_that_came_after_the_page_was_opened_is_not_accepted(world: RolloutWorld) -> None:
    world.fake("A").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    world.approve()
    world.work()
    world.advance()
    shown = [finding.key for finding in evidence.read_evidence(Rollout.get()).findings]
    Change.update(is_incident=True, state=SUCCEEDED).where(Change.state == ROLLED_BACK).execute()
    now = world.clock()
    with pytest.raises(StaleState, match="Reload the page"):
        control.resume_rollout(
            Rollout.get(), by=world.ana, seen=shown, reason="Fine", confirmed_at=now, now=now
        )
    update = RolloutUpdate.of_change(world.change("A").id)
    assert update is not None
    assert (halted()[0], update.accepted) == (STOPPED, "")
    assert all_facts("rollout_resumed") == []


def test_a_finding_that_is_over_meanwhile_does_not_prevent_resuming(world: RolloutWorld) -> None:
    world.fake("A").changes.plays[AKISMET] = (ROLLED_BACK, "fatal_after")
    world.approve()
    world.work()
    world.advance()
    now = world.clock()
    shown = [f"{world.change('A').id}:{ROLLED_BACK}", f"{world.change('B').id}:outage"]
    control.resume_rollout(
        Rollout.get(), by=world.ana, seen=shown, reason="Fine", confirmed_at=now, now=now
    )
    assert halted()[0] == RUNNING


def unproven(world: RolloutWorld) -> None:
    """Make site A's update unproven, and have Ana resume the rollout."""
    Change.update(outcome_reason="unproven").where(Change.site == world.site("A")).execute()
    assert (world.advance(), halted()) == ("stopped", (STOPPED, "unproven", "A"))
    world.resume("It is behind a login")
    assert world.advance() == ""


def test_an_outage_after_an_accepted_unproven_update_stops_it_again(
    running: RolloutWorld,
) -> None:
    unproven(running)
    running.clock.advance(hours=2)
    Outage.create(site=running.site("A"), began_at=running.clock(), cause="timeout")
    assert (running.advance(), halted()) == ("stopped", (STOPPED, "outage", "A"))
    running.resume("The host was moved")
    running.wait(hours=25)
    assert running.states() == "A succeeded, B succeeded, C succeeded"


def test_an_accepted_unproven_update_lets_the_rollout_go_on(running: RolloutWorld) -> None:
    unproven(running)
    running.wait(hours=25)
    assert running.states() == "A succeeded, B succeeded, C succeeded"


# ---- a version that the owner restored ----


def test_a_restored_version_stops_the_rollout_without_watched_pages(
    running: RolloutWorld,
) -> None:
    restore(running, "A")
    assert (running.advance(), halted()) == ("stopped", (STOPPED, "version_restored", "A"))
    running.wait(hours=100)
    assert running.states() == "A succeeded, B approved, C approved"


def test_a_version_restored_after_its_pages_were_right_stops_it(
    world: RolloutWorld,
) -> None:
    watch_shop(world.site("A"), world.ana, world.fake("A"))
    change_shop(world.fake("A"))
    world.approve()
    world.work()
    change = world.change("A")
    page_questions.answer_looks_right(change, by=world.ana, note="Fine", now=world.clock())
    row = ChangePages.of(change.id)
    assert (row and row.answer, world.advance()) == (LOOKS_RIGHT, "")
    restore(world, "A")
    row = ChangePages.of(change.id)
    assert row is not None
    assert (row.answer, row.note, row.asks) == (RESTORED, "Fine", False)
    assert world.advance() == "stopped"


def test_restoring_another_version_stops_nothing(running: RolloutWorld) -> None:
    change = running.change("A")
    about = (change.site_id, change.kind, change.ident, "5.2")
    page_questions.close_restored(*about, running.clock())
    assert (running.advance(), ChangePages.select().count()) == ("", 0)
