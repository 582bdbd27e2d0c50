"""The life of a rollout in waves. Each of its updates has entries of its own."""

from __future__ import annotations

from app.domain.audit.events.base import Event, Personal


class RolloutEvent(Event, is_declared=False):
    """The facts that all entries about a rollout have; `name` is what it updates."""

    batch: str
    name: str


class RolloutStarted(RolloutEvent):
    """Updates were approved to start in waves.

    `waves` are the ids of the changes of each wave. What has not started at `valid_until` expires.
    """

    waves: list[list[int]]
    wait_hours: int
    valid_until: str


class RolloutWaveStarted(RolloutEvent):
    """The evidence of the wave before held for its time. `updates` is how many were due at once."""

    wave: int
    waves: int
    updates: int


class RolloutStopped(RolloutEvent):
    """Aura stopped it, because something speaks against going on; `waiting` updates were held."""

    wave: int
    reason: str
    change_id: int | None
    waiting: int


class RolloutPaused(RolloutEvent):
    """A person paused it; `waiting` updates were held."""

    wave: int
    waiting: int


class RolloutResumed(RolloutEvent):
    """A person let it go on. `accepted` are the changes whose results they accept."""

    wave: int
    accepted: list[int]
    reason: Personal


class RolloutContinued(RolloutEvent):
    """It had stopped because of pages, and people found all of them right."""

    wave: int


class RolloutSiteLeftOut(RolloutEvent):
    """A person left a site out; `cancelled` of its updates had not been sent."""

    cancelled: int


class RolloutEnded(RolloutEvent):
    """A person ended it before its last wave was done; `cancelled` updates had not been sent."""

    wave: int
    cancelled: int


class RolloutFinished(RolloutEvent):
    """No wave is left to start, and nothing speaks against the last one.

    `waves` is how many have started.
    """

    waves: int
