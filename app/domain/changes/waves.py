"""What a rollout in waves means for each of its changes: when it may start at the earliest.

app/domain/rollouts decides when a wave starts. Approving and sending ask here, so that no change
starts before its wave, no matter who queued it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.models.changes import APPROVED, Change
from app.models.rollouts import DONE, ENDED, RUNNING, Rollout, RolloutUpdate

# Why an approved change waits: a value of Change.outcome_reason.
ROLLOUT_HALTED = "rollout_halted"


@dataclass(frozen=True)
class Place:
    """Where a change is in a rollout; with `is_held`, its wave has not started."""

    wave: int
    earliest: datetime
    is_held: bool


@dataclass(frozen=True)
class Places:
    """The open rollout of a batch, and the waves of the changes that are in it."""

    rollout: Rollout | None = None
    waves: dict[int, int] | None = None

    def place_of(self, change: Change, starts_at: datetime) -> Place | None:
        """Return the place of a change that is approved now; None without an open rollout.

        What is approved later than the others is in the last wave.
        """
        rollout = self.rollout
        if rollout is None:
            return None
        wave = (self.waves or {}).get(change.id, rollout.waves)
        ahead = max(0, wave - rollout.wave)
        is_held = ahead > 0 or rollout.state != RUNNING
        return Place(wave, starts_at + ahead * rollout.wait, is_held)

    def add(self, change: Change, place: Place) -> None:
        """Record the place of an approved change, in the caller's transaction."""
        if self.rollout is not None and change.id not in (self.waves or {}):
            RolloutUpdate.create(change=change, rollout=self.rollout, wave=place.wave)


def read_places(batch: str) -> Places:
    """Return where the changes of a batch are in its rollout, as it is under the caller's lock."""
    rollout = Rollout.of_batch(batch)
    if rollout is None or not rollout.is_open:
        return Places()
    updates = RolloutUpdate.select().where(RolloutUpdate.rollout == rollout.id)
    return Places(rollout, {one.change_id: one.wave for one in updates})


def is_held(change: Change) -> bool:
    """Whether an approved change waits for its wave: nothing else has no next attempt. No query."""
    return change.state == APPROVED and change.next_attempt_at is None


def why_held(change: Change) -> str:
    """Return why a change must not be sent now because of its rollout; empty if it may be.

    One bad end holds every other change of the rollout at once, before the rollout itself is
    stopped.
    """
    update = RolloutUpdate.of_change(change.id)
    if update is None or update.rollout.state in (DONE, ENDED):
        return ""
    rollout = update.rollout
    is_due = rollout.state == RUNNING and update.wave <= rollout.wave and not update.is_left_out
    if not is_due or RolloutUpdate.has_bad_end(rollout.id):
        return ROLLOUT_HALTED
    return ""


def rollout_of(change: Change) -> int | None:
    """Return the id of the open rollout that a change is in; None if it is in none."""
    update = RolloutUpdate.of_change(change.id)
    return update.rollout_id if update is not None and update.rollout.is_open else None
