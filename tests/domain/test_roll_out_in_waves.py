"""Roll out in waves: each wave starts once the evidence of the previous one holds."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from app.domain.changes import change_plan, execution
from app.domain.changes.approvals import Terms
from app.domain.errors import Conflict, Invalid, StaleState
from app.domain.rollouts import wave_choice
from app.domain.rollouts.wave_choice import WaveChoice
from app.models.changes import APPROVED, Change
from app.models.freezes import Freeze
from app.models.rollouts import DONE, STOPPED, Rollout, RolloutUpdate
from app.models.tags import SiteTag
from app.protocol import from_b64u, parse_json
from tests.support.factories import approve
from tests.support.rollouts import ONE_THEN_THE_REST, RolloutWorld, all_facts

THREE_WAVES = WaveChoice(count=1, percent=50, wait_hours=24)


@pytest.fixture
def world(rollout_world) -> RolloutWorld:
    return rollout_world


def waves() -> list[list[str]]:
    """Return the names of the sites of each wave."""
    found: dict[int, list[str]] = {}
    for update in RolloutUpdate.of_rollout(Rollout.get().id):
        found.setdefault(update.wave, []).append(update.change.site.name)
    return [found[number] for number in sorted(found)]


# ---- waves ----


def test_the_waves_are_a_number_then_a_percentage_then_the_rest(world):
    world.approve(THREE_WAVES)
    assert waves() == [["A"], ["B", "C"], ["D", "E"]]


def test_the_first_wave_may_be_the_sites_with_a_tag(world):
    for name in ("B", "D"):
        SiteTag.create(site=world.site(name), text="Canary", folded="canary")
    world.approve(WaveChoice(tag="canary", percent=0))
    assert waves() == [["B", "D"], ["A", "C", "E"]]


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        (WaveChoice(tag="canary"), "first"),
        (WaveChoice(count=5), "first"),
        (WaveChoice(count=0), "first"),
        (WaveChoice(count=-1), "first"),
        (WaveChoice(count=1, percent=99), "percent"),
        (WaveChoice(count=1, wait_hours=0), "wait"),
        (WaveChoice(count=1, wait_hours=500), "wait"),
    ],
)
def test_impossible_waves_are_refused_and_nothing_is_approved(world, choice, field):
    batch = world.review()
    with pytest.raises(Invalid) as refusal:
        world.approve_reviewed(batch, choice)
    assert list(refusal.value.messages) == [field]
    assert (Rollout.select().count(), world.states().count("proposed")) == (0, 5)


def test_all_updates_of_a_site_are_in_one_wave(world):
    batch = world.review()
    divided = wave_choice.divide([*batch, *batch], WaveChoice(count=2, percent=0), {})
    assert [len(wave) for wave in divided] == [4, 6]


# ---- one approval ----


def test_one_approval_signs_all_plans_and_only_the_first_wave_may_start(world):
    rollout = world.approve()
    assert all(change.signature for change in Change.select())
    world.work()
    assert world.states() == "A succeeded, B approved, C approved, D approved, E approved"
    assert [world.run(name) for name in "BCDE"] == [APPROVED] * 4
    assert {world.change(name).next_attempt_at for name in "BCDE"} == {None}
    (facts,) = all_facts("rollout_started")
    assert facts["waves"] == [[world.change("A").id], [world.change(x).id for x in "BCDE"]]
    assert rollout.name == "Akismet 5.3.1"


def test_the_site_refuses_a_plan_of_a_later_wave_before_its_time(world):
    world.approve()
    plan = parse_json(from_b64u(world.change("B").plan))
    earliest = world.clock() + timedelta(hours=24)
    assert plan["not_before"] >= int(earliest.timestamp()) - change_plan.CLOCK_MARGIN_S
    assert plan["not_after"] == parse_json(world.change("B").document.encode())["not_after"]


def test_waves_that_would_start_after_the_approval_expires_are_refused(world):
    batch = world.review()
    world.clock.advance(days=5)
    for fake in world.sites.values():
        fake.failing = []
    with pytest.raises(Conflict, match="Choose a shorter wait"):
        world.approve_reviewed(batch, WaveChoice(count=1, percent=25, wait_hours=72))
    assert Rollout.select().count() == 0


def test_a_batch_is_approved_in_waves_once(world):
    batch = world.review()
    world.approve_reviewed(batch, ONE_THEN_THE_REST)
    with pytest.raises(StaleState):
        world.approve_reviewed(batch, ONE_THEN_THE_REST)


def test_an_update_approved_later_joins_the_last_wave(world):
    batch = world.review()
    world.approve_reviewed(batch[:3], ONE_THEN_THE_REST)
    late = batch[4]
    approve(late, world.ana, world.config, world.clock())
    assert waves() == [["A"], ["B", "C", "E"]]
    assert world.run("E") == APPROVED


# ---- the next wave ----


def test_the_next_wave_starts_when_the_evidence_has_held_long_enough(world):
    world.approve(THREE_WAVES)
    world.work()
    world.clock.advance(hours=23, minutes=59)
    assert (world.advance(), Rollout.get().wave) == ("", 1)
    world.wait(minutes=2)
    assert world.states() == "A succeeded, B succeeded, C succeeded, D approved, E approved"
    world.wait(hours=25)
    assert world.states().count("succeeded") == 5
    assert world.advance() == "finished"
    assert Rollout.get().state == DONE
    assert [facts["wave"] for facts in all_facts("rollout_wave_started")] == [2, 3]


def test_the_wait_counts_from_the_last_success(world):
    world.approve(WaveChoice(count=2, percent=0, wait_hours=24))
    world.run("A")
    world.wait(hours=10)
    world.run("B")
    world.wait(hours=23)
    assert Rollout.get().wave == 1
    world.wait(hours=2)
    assert Rollout.get().wave == 2


def test_no_wave_starts_before_each_site_was_checked(world):
    world.approve()
    world.work()
    world.clock.advance(hours=25)
    assert [world.advance(), world.advance()] == ["looking", "looking"]
    assert Rollout.get().wave == 1


def test_starting_tonight_moves_all_waves(world):
    tonight = world.clock() + timedelta(hours=8)
    world.approve(terms=Terms(starts_at=tonight))
    world.work()
    assert world.states().count("approved") == 5
    world.wait(hours=9)
    assert world.change("A").state == "succeeded"
    world.wait(hours=23)
    assert Rollout.get().wave == 1
    world.wait(hours=2)
    assert Rollout.get().wave == 2


def test_a_freeze_holds_a_wave_that_has_started(world):
    world.approve()
    world.work()
    day = world.clock().date()
    Freeze.create(name="Sale", first_day=day, last_day=day + timedelta(days=1), added_by="Ana",
                  added_at=world.clock())  # fmt: skip
    world.wait(hours=25)
    assert (Rollout.get().wave, world.states().count("approved")) == (2, 4)
    world.wait(hours=48)
    assert world.states().count("succeeded") == 5


def test_an_update_that_expires_while_waiting_needs_a_new_approval(world):
    world.approve()
    world.work()
    world.clock.advance(days=8)
    execution.recover_changes(world.clock())
    assert world.states() == "A succeeded, B expired, C expired, D expired, E expired"
    # Approved updates were not installed, so a person gets a message.
    assert world.advance() == "stopped"
    rollout = Rollout.get()
    assert (rollout.state, rollout.reason, rollout.site.name) == (STOPPED, "expired", "B")
    world.resume("They are reviewed again")
    assert world.advance() == "finished"
    assert [facts["waves"] for facts in all_facts("rollout_finished")] == [1]


# ---- two schedulers, and workers that die ----


def test_two_schedulers_start_a_wave_once(world):
    world.approve()
    world.work()
    world.clock.advance(hours=25)
    world.advance()
    world.look()
    first, second = Rollout.get(), Rollout.get()
    assert [rollout.start_wave(2, world.clock()) for rollout in (first, second)] == [True, False]


def test_a_worker_that_dies_after_the_start_of_a_wave_loses_nothing(world, jobs):
    world.approve()
    world.work()
    world.clock.advance(hours=25)
    world.advance()
    world.look()
    assert world.advance() == "started"
    # The jobs of the wave are lost with the queue; the periodic task queues them again.
    world.clock.advance(minutes=2)
    jobs.jobs.clear()
    execution.recover_changes(world.clock())
    assert ("run_change", (world.change("C").id,), 0) in jobs.jobs


@pytest.mark.parametrize("seed", range(12))
def test_no_wave_starts_early_or_twice_on_any_schedule(world, seed):
    dice = random.Random(seed)
    hours = dice.choice(wave_choice.WAIT_HOURS)
    world.approve(WaveChoice(count=dice.choice((1, 2)), percent=50, wait_hours=hours))
    began = {1: world.clock()}
    for _ in range(40):
        world.clock.advance(minutes=dice.choice((1, 7, 45, 200, hours * 60)))
        step = dice.choice((world.work, world.advance, world.advance, world.look))
        step()
        began.setdefault(Rollout.get().wave, world.clock())
    for wave in list(began)[1:]:
        ended = [
            one.change.ended_at
            for one in RolloutUpdate.select().where(RolloutUpdate.wave == wave - 1)
        ]
        assert all(ended)
        assert began[wave] >= max(ended) + timedelta(hours=hours)
    started = [facts["wave"] for facts in all_facts("rollout_wave_started")]
    assert started == sorted(set(started))
    for fake in world.sites.values():
        assert set(fake.changes.installs.values()) <= {1}
