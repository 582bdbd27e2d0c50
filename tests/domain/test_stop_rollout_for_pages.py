"""Stop a rollout while pages of an updated site wait for a person; resume if they are right."""

from __future__ import annotations

import pytest

from app.domain.actor import Actor
from app.domain.changes import page_questions
from app.domain.errors import Invalid
from app.domain.rollouts import control, upkeep
from app.models.rollouts import PAUSED, RUNNING, STOPPED, Rollout, RolloutUpdate
from app.models.site_pages import ChangePages
from tests.support.fakes import RecordingQueue
from tests.support.page_questions import change_shop, hide_shop, watch_shop
from tests.support.rollouts import RolloutWorld, all_facts, halted

pytestmark = pytest.mark.both_databases


@pytest.fixture
def world(small_rollout_world: RolloutWorld, ana: Actor) -> RolloutWorld:
    """A rollout in which the shop page of every site is watched."""
    world = small_rollout_world
    for name in "ABC":
        watch_shop(world.site(name), ana, world.fake(name))
    return world


@pytest.fixture
def asking(world: RolloutWorld) -> RolloutWorld:
    """A rollout whose only updated site, A, has a shop page that differs."""
    change_shop(world.fake("A"))
    world.approve()
    world.work()
    return world


def answer(world: RolloutWorld, name: str) -> None:
    change = world.change(name)
    page_questions.answer_looks_right(change, by=world.ana, note="", now=world.clock())


def test_unchanged_pages_stop_nothing(world: RolloutWorld) -> None:
    world.approve()
    world.work()
    world.wait(hours=25)
    assert world.states() == "A succeeded, B succeeded, C succeeded"


def test_a_page_that_differs_holds_the_next_wave_and_names_the_site(asking: RolloutWorld) -> None:
    assert asking.advance() == "stopped"
    assert halted() == (STOPPED, "pages_changed", "A")
    asking.wait(hours=100)
    assert asking.states() == "A succeeded, B approved, C approved"
    assert asking.change("B").next_attempt_at is None


def test_a_page_that_cannot_be_loaded_holds_the_next_wave_too(world: RolloutWorld) -> None:
    hide_shop(world.fake("A"))
    world.approve()
    world.work()
    assert world.advance() == "stopped"
    assert halted() == (STOPPED, "pages_changed", "A")


def test_the_answer_resumes_the_rollout_without_another_click(
    asking: RolloutWorld, jobs: RecordingQueue
) -> None:
    asking.advance()
    jobs.jobs.clear()
    answer(asking, "A")
    assert ("advance_rollout", (Rollout.get().id,)) in [(job[0], job[1]) for job in jobs.jobs]
    assert asking.advance() == "continued"
    assert halted() == (RUNNING, "", "")
    assert [facts["wave"] for facts in all_facts("rollout_continued")] == [1]
    asking.wait(hours=25)
    assert asking.states() == "A succeeded, B succeeded, C succeeded"


def test_the_schedule_resumes_it_if_the_job_was_lost(asking: RolloutWorld) -> None:
    asking.advance()
    assert upkeep.advance_due(asking.clock()) == 0
    answer(asking, "A")
    assert upkeep.advance_due(asking.clock()) == 1
    assert halted()[0] == RUNNING


def test_an_answer_before_the_next_check_stops_nothing(asking: RolloutWorld) -> None:
    answer(asking, "A")
    asking.wait(hours=25)
    assert asking.states() == "A succeeded, B succeeded, C succeeded"
    assert all_facts("rollout_stopped") == []


def test_the_rollout_waits_for_the_pages_of_every_site(world: RolloutWorld) -> None:
    for name in "BC":
        change_shop(world.fake(name))
    world.approve()
    world.work()
    world.wait(hours=25)
    assert world.advance() == "stopped"
    answer(world, "B")
    assert world.advance() == ""
    answer(world, "C")
    assert world.advance() == "continued"


def test_accepting_with_a_reason_keeps_the_open_question_of_the_site(
    asking: RolloutWorld,
) -> None:
    asking.advance()
    with pytest.raises(Invalid):
        asking.resume("")
    asking.resume("Only this site has that form")
    asking.wait(hours=25)
    assert asking.states() == "A succeeded, B succeeded, C succeeded"
    row = ChangePages.of(asking.change("A").id)
    assert row is not None
    assert row.asks


def test_an_accepted_difference_hides_no_broken_home_page(asking: RolloutWorld) -> None:
    asking.advance()
    asking.resume("Only this site has that form")
    update = RolloutUpdate.of_change(asking.change("A").id)
    assert update is not None
    update.update_if(look="fatal")
    assert asking.advance() == "stopped"
    assert halted() == (STOPPED, "page_broken", "A")


def test_a_restored_version_does_not_resume_the_rollout(asking: RolloutWorld) -> None:
    asking.advance()
    change = asking.change("A")
    about = (change.site_id, change.kind, change.ident, change.to_version)
    page_questions.close_restored(*about, asking.clock())
    assert asking.advance() == ""
    assert halted() == (STOPPED, "pages_changed", "A")
    with pytest.raises(Invalid):
        asking.resume("")
    asking.resume("An old theme, which the others do not have")
    asking.wait(hours=25)
    assert asking.states() == "A succeeded, B succeeded, C succeeded"


def test_an_answer_does_not_override_a_person_s_pause(asking: RolloutWorld) -> None:
    control.pause_rollout(Rollout.get(), by=asking.ana, now=asking.clock())
    answer(asking, "A")
    assert asking.advance() == ""
    assert halted()[0] == PAUSED


def test_the_answer_does_not_settle_another_finding(asking: RolloutWorld) -> None:
    asking.advance()
    update = RolloutUpdate.of_change(asking.change("A").id)
    assert update is not None
    update.update_if(look="fatal")
    answer(asking, "A")
    assert asking.advance() == ""
    assert halted()[0] == STOPPED
