"""How often each site was checked and answered, day by day; kept for client reports."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from peewee import CompositeKey, DateField, ForeignKeyField, IntegerField

from app.models.base import BaseModel, JsonField, UtcField
from app.models.sites import Site
from app.models.statements import Statement, given


class DailyChecks(BaseModel):
    """The checks of one site on one day, in the agency's time zone.

    `answered` of the `made` ones got an answer with a valid signature; those `not_made` were due,
    but Aura could not send them or was interrupted. `gaps` are the long times between two checks of
    this day, as pairs of ISO times.
    """

    site = ForeignKeyField(Site, backref="+", on_delete="CASCADE")
    site_id: int
    day = DateField()
    made = IntegerField(default=0)
    answered = IntegerField(default=0)
    not_made = IntegerField(default=0)
    first_at = UtcField(null=True)
    last_at = UtcField(null=True)
    gaps = JsonField(default=list)

    class Meta:
        primary_key = CompositeKey("site", "day")

    @classmethod
    def count_made(
        cls, site_id: int, day: date, at: datetime, *, is_answered: bool, longest: timedelta
    ) -> None:
        """Count a check at `at`, inside `transaction()`; a pause above `longest` is a gap."""
        row = cls._row(site_id, day)
        gaps: list[list[str]] = row.gaps
        if row.last_at is not None and at - row.last_at > longest:
            gaps = [*gaps, [row.last_at.isoformat(), at.isoformat()]]
        _COUNT_MADE.execute(
            site=site_id,
            day=day,
            made=row.made + 1,
            answered=row.answered + is_answered,
            first_at=row.first_at or at,
            last_at=at,
            gaps=gaps,
        )

    @classmethod
    def count_not_made(cls, site_id: int, day: date) -> None:
        """Count a check that was due and could not be sent, inside `transaction()`."""
        row = cls._row(site_id, day)
        changed = cls.update(not_made=row.not_made + 1)
        changed.where(cls.site == site_id, cls.day == day).execute()

    @classmethod
    def between(cls, site_id: Any, first: date, last: date) -> Any:
        """Return the SQL condition that it is a day of this site from `first` to `last`."""
        return (cls.site == site_id) & cls.day.between(first, last)

    @classmethod
    def _row(cls, site_id: int, day: date) -> DailyChecks:
        row = cls.fetch_one(site=site_id, day=day)
        return row or cls.insert_one(site=site_id, day=day)


_COUNT_MADE = Statement(
    DailyChecks.update(
        made=given(DailyChecks.made),
        answered=given(DailyChecks.answered),
        first_at=given(DailyChecks.first_at),
        last_at=given(DailyChecks.last_at),
        gaps=given(DailyChecks.gaps),
    ).where(
        DailyChecks.site == given(DailyChecks.site),
        DailyChecks.day == given(DailyChecks.day),
    )
)
