"""Rows that a job works on: queued, in progress, ended.

The queue may lose jobs and workers may die, so these rows decide what is due.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

from peewee import AutoField, CharField, IntegerField

from app.models.base import BaseModel, UtcField

QUEUED = "queued"


class QueuedRow(BaseModel):
    """Work for one job, from the request to the result.

    A subclass lists its open states in `open_states`, starting with the first one, and names in
    `working_since` the column with the last sign of work.
    """

    open_states: ClassVar[tuple[str, ...]]
    working_since: ClassVar[str] = "started_at"
    # Only in tables of site work.
    site: Any

    id = AutoField()
    requested_by = CharField(max_length=120)
    requested_at = UtcField()
    ended_at = UtcField(null=True)
    state = CharField(max_length=16, default=QUEUED, index=True)

    @property
    def is_open(self) -> bool:
        return self.state in self.open_states

    def move(self, *, to: str, when: tuple[str, ...], **changes: Any) -> bool:
        """Set state `to` if the row is in one of `when`; return False otherwise."""
        return self.update_in_state(when, state=to, **changes)

    @classmethod
    def ask(cls, site: BaseModel, *, requested_by: str, now: datetime) -> Self:
        """Queue one for `site`; raises DuplicateRow while another is open."""
        return cls.insert_one(site=site, requested_by=requested_by[:120], requested_at=now)

    @classmethod
    def ask_each(cls, sites: Any, *, requested_by: str, now: datetime) -> list[int]:
        """Queue one for each site of a query for their ids, in one statement; return their ids."""
        columns = cls.columns()
        row = cls._meta.get_default_dict() | {"requested_by": requested_by, "requested_at": now}
        chosen = sites.select_extend(*(columns[name].to_value(row[name]) for name in row))
        fields = [columns[name] for name in ("site", *row)]
        query = cls.insert_from(chosen, fields).returning(cls.id)
        return [number for (number,) in query.tuples().execute()]

    @classmethod
    def open_for(cls, site: BaseModel) -> Self | None:
        return cls.get_or_none(cls.site == site, cls.state.in_(cls.open_states))

    @classmethod
    def count_open(cls) -> int:
        """Return how many rows wait or are worked on."""
        return int(cls.select().where(cls.state.in_(cls.open_states)).count())

    @classmethod
    def latest_for(cls, site: BaseModel) -> Self | None:
        """Return the newest of the site's rows."""
        return cls.select().where(cls.site == site).order_by(cls.id.desc()).first()

    @classmethod
    def stuck(cls, before: datetime) -> list[Self]:
        """Return rows without a sign of work since that time: their worker is gone."""
        since = getattr(cls, cls.working_since)
        return list(cls.select().where(cls.state.in_(cls.open_states[1:]), since < before))

    @classmethod
    def waiting_since(cls, before: datetime) -> list[int]:
        """Return the ids of those queued before that time and never begun.

        The queue may have lost them.
        """
        is_lost = (cls.state == cls.open_states[0]) & (cls.requested_at < before)
        query: Any = cls.select(cls.id).where(is_lost).order_by(cls.id)
        return [number for (number,) in query.tuples()]

    @classmethod
    def last_until(cls, moment: datetime) -> int:
        """Return the id of the newest row that was requested up to `moment`; 0 if there is none.

        Rows are requested in the order of their ids, so this reads only what is newer.
        """
        found = cls.select(cls.id).where(cls.requested_at <= moment).order_by(cls.id.desc()).first()
        return 0 if found is None else int(found.id)

    @classmethod
    def forget_ended(cls, before: datetime) -> int:
        """Delete what was requested and ended before that time; return how many."""
        kept = cls.select(cls.id).where(cls.requested_at >= before).order_by(cls.id).first()
        is_old = (cls.ended_at < before) if kept is None else (cls.id < kept.id)
        return cls.delete().where(is_old, cls.state.not_in(cls.open_states)).execute()


class LeasedRow(BaseModel):
    """Work that is attempted repeatedly.

    `next_attempt_at` is when the next attempt is due. `leased_until` is the lease of the running
    attempt, which expires if its worker dies.
    """

    state: Any
    next_attempt_at: Any

    attempts = IntegerField(default=0)
    leased_until = UtcField(null=True)

    def lease(
        self, states: tuple[str, ...], now: datetime, until: datetime, **changes: Any
    ) -> bool:
        """Take the lease for an attempt.

        Return False if the row is in none of `states`, is not due, or another worker has the lease.
        """
        cls = type(self)
        return self.update_if(
            cls.state.in_(states),
            cls.next_attempt_at <= now,
            cls._is_free(now),
            leased_until=until,
            attempts=cls.attempts + 1,
            **changes,
        )

    @classmethod
    def overdue(cls, states: tuple[str, ...], before: datetime, *when: Any) -> list[Self]:
        """Return rows whose next attempt was due before that time, oldest first."""
        is_due = cls.state.in_(states), cls.next_attempt_at <= before, cls._is_free(before)
        return list(cls.select().where(*is_due, *when).order_by(cls._meta.primary_key))

    @classmethod
    def _is_free(cls, now: datetime) -> Any:
        return cls.leased_until.is_null() | (cls.leased_until < now)
