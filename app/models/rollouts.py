"""Rollouts: a batch of approved changes that start in waves.

A change of a later wave is approved and signed, but has no next attempt: nothing sends it until its
wave starts.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from peewee import JOIN, AutoField, BooleanField, CharField, ForeignKeyField, IntegerField, fn

from app.models.base import BaseModel, UtcField
from app.models.changes import APPROVED, BAD_ENDS, WAITING, Change
from app.models.site_pages import ChangePages
from app.models.sites import Site

# Rollout.state: paused by a person, stopped by its evidence, ended by a person before its last
# wave, or done.
RUNNING = "running"
PAUSED = "paused"
STOPPED = "stopped"
ENDED = "ended"
DONE = "done"
OPEN = (RUNNING, PAUSED, STOPPED)
HALTED = (PAUSED, STOPPED)


class Rollout(BaseModel):
    """One batch in waves.

    `wave` is the last wave that has started, of `waves`. `wait_s` is how long the evidence of a
    wave has to hold before the next one starts. `reason`, `change` and `site` say what stopped it,
    and `changed_at` and `changed_by` since when it is in its state, and through whom.

    `passed_wave` is a wave that a person let pass without a single success.
    """

    id = AutoField()
    batch = CharField(max_length=36, unique=True)
    name = CharField(max_length=120)
    started_by = CharField(max_length=120)
    started_at = UtcField()
    wait_s = IntegerField()
    waves = IntegerField()
    wave = IntegerField(default=1)
    wave_started_at = UtcField()
    passed_wave = IntegerField(default=0)
    state = CharField(max_length=16, default=RUNNING, index=True)
    reason = CharField(max_length=40, default="")
    change = ForeignKeyField(Change, null=True, backref="+", on_delete="SET NULL")
    change_id: int | None
    site = ForeignKeyField(Site, null=True, backref="+", on_delete="SET NULL")
    site_id: int | None
    changed_at = UtcField()
    changed_by = CharField(max_length=120, default="")

    @property
    def wait(self) -> timedelta:
        return timedelta(seconds=self.wait_s)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @classmethod
    def of_batch(cls, batch: str) -> Rollout | None:
        return cls.get_or_none(cls.batch == batch)

    @classmethod
    def running(cls) -> list[int]:
        """Return the ids of the rollouts that may need something now, oldest first."""
        return [row.id for row in cls.select(cls.id).where(cls.state == RUNNING).order_by(cls.id)]

    @classmethod
    def stopped_by(cls, reason: str) -> list[int]:
        """Return the ids of the rollouts that stopped for this reason, oldest first."""
        query = cls.select(cls.id).where(cls.state == STOPPED, cls.reason == reason)
        return [row.id for row in query.order_by(cls.id)]

    def move(self, to: str, sources: tuple[str, ...], *, now: datetime, **changes: Any) -> bool:
        """Go to state `to`; return False if it is in none of `sources` any more."""
        cleared = {"reason": "", "change": None, "site": None, "changed_by": "", **changes}
        return self.update_if(Rollout.state.in_(sources), state=to, changed_at=now, **cleared)

    def start_wave(self, number: int, now: datetime) -> bool:
        """Start the wave after this one; return False if another process did, or it is halted."""
        is_next = (Rollout.state == RUNNING) & (Rollout.wave == number - 1)
        return self.update_if(is_next, wave=number, wave_started_at=now)


class RolloutUpdate(BaseModel):
    """One change of a rollout, and its wave.

    `accepted` is the finding about it that a person has accepted, at `accepted_at`. One that is
    left out counts neither as evidence nor against it. `look` is what the front page showed at
    `looked_at`, after its wave was over. `pages` is what a person answered about its pages, as
    ChangePages.verdict; only `of_rollout` and `of_batch` read it.
    """

    change = ForeignKeyField(Change, primary_key=True, backref="+", on_delete="CASCADE")
    change_id: int
    rollout = ForeignKeyField(Rollout, backref="updates", on_delete="CASCADE")
    rollout_id: int
    wave = IntegerField()
    is_left_out = BooleanField(default=False)
    accepted = CharField(max_length=40, default="")
    accepted_at = UtcField(null=True)
    look = CharField(max_length=16, default="")
    looked_at = UtcField(null=True)
    pages: str = ""

    @classmethod
    def of_rollout(cls, rollout_id: int) -> list[RolloutUpdate]:
        """Return all of a rollout, each with its change and site, by wave and name of the site."""
        query = cls._with_pages(Site).where(cls.rollout == rollout_id)
        return list(query.order_by(cls.wave, fn.LOWER(Site.name), cls.change))

    @classmethod
    def of_batch(cls, batch: str) -> list[RolloutUpdate]:
        """Return all of a batch's rollout, each with its change, site and rollout, in that order.

        Empty if the batch is not in waves.
        """
        query = cls._with_pages(Site, Rollout).join_from(cls, Rollout).where(Rollout.batch == batch)
        return list(query.order_by(cls.wave, fn.LOWER(Site.name), cls.change))

    @classmethod
    def _with_pages(cls, *models: type[BaseModel]) -> Any:
        query = cls.select(cls, Change, *models, ChangePages.verdict().alias("pages"))
        query = query.join(Change).join(ChangePages, JOIN.LEFT_OUTER)
        return query.join_from(Change, Site)

    @classmethod
    def of_change(cls, change_id: int) -> RolloutUpdate | None:
        """Return what a change is in a rollout, with that rollout; None if it is in none."""
        query = cls.select(cls, Rollout).join(Rollout)
        return query.where(cls.change == change_id).first()

    @classmethod
    def has_bad_end(cls, rollout_id: int) -> bool:
        """Whether a change ended badly, or broke its site later, and no person has accepted it."""
        query = cls.select().join(Change).where(cls.rollout == rollout_id, cls.accepted == "")
        is_bad = Change.state.in_(BAD_ENDS) | Change.is_incident
        return query.where(~cls.is_left_out, is_bad).exists()

    @classmethod
    def hold_unsent(cls, rollout_id: int) -> int:
        """Let no change of a rollout start that has not been sent; return how many."""
        return Change.update(next_attempt_at=None).where(*cls._unsent(rollout_id)).execute()

    @classmethod
    def release_started(cls, rollout: Rollout, now: datetime) -> list[int]:
        """Let the changes of the started waves be sent; return the ids of those that are due."""
        mine = (*cls._unsent(rollout.id, rollout.wave), Change.next_attempt_at.is_null())
        ids = [change.id for change in Change.select(Change.id).where(*mine)]
        Change.update(next_attempt_at=now).where(Change.id.in_(ids), *mine).execute()
        due = Change.select(Change.id).where(Change.id.in_(ids), Change.not_before <= now)
        return [change.id for change in due.order_by(Change.id)]

    @classmethod
    def _unsent(cls, rollout_id: int, last_wave: int | None = None) -> tuple[Any, ...]:
        mine = cls.select(cls.change).where(cls.rollout == rollout_id, ~cls.is_left_out)
        if last_wave is not None:
            mine = mine.where(cls.wave <= last_wave)
        return Change.id.in_(mine), Change.state.in_((APPROVED, WAITING))

    @classmethod
    def record_look(
        cls, rollout_id: int, change_ids: Collection[int], look: str, now: datetime
    ) -> None:
        """Store what the front page of a site showed, for all changes of that site."""
        these = (cls.rollout == rollout_id) & cls.change.in_(list(change_ids))
        cls.update(look=look, looked_at=now).where(these).execute()
