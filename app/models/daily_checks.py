"""How often each site was checked and answered, day by day; kept for client reports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from peewee import SQL, Case, CompositeKey, DateField, ForeignKeyField, IntegerField, fn

from app.models.base import BaseModel, JsonField, UtcField, is_postgres, json_rows
from app.models.sites import Site
from app.models.statements import Statement, given


@dataclass(frozen=True)
class CheckedDays:
    """Days of one site on which it was checked without a long pause, added up.

    A day with failed checks is alone.

    `first_at` and `last_at` are the first and the last check. `gaps` are pauses between them, as
    pairs of ISO times; only a single day has any.
    """

    made: int = 0
    answered: int = 0
    not_made: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    gaps: tuple[tuple[str, str], ...] = ()


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
    def added_up(cls, is_wanted: Any, longest: timedelta) -> Any:
        """Return the days that meet a condition as one column of another query.

        Days without a failed check and without a pause of `longest` or more are one row, so a year
        of a site is few of them; `read_added_up` reads the column.
        """
        failed = Case(None, ((cls.answered < cls.made, 1),), 0)
        by_day = {"partition_by": [cls.site], "order_by": [cls.day]}
        own = (cls.site, cls.day, cls.made, cls.answered, cls.not_made, cls.first_at, cls.last_at)
        one = (
            cls.select(
                *own,
                cls.gaps.alias("gaps"),
                fn.LAG(cls.last_at).over(**by_day).alias("before"),
                fn.LAG(cls.gaps).over(**by_day).alias("gaps_before"),
                failed.alias("failed"),
                fn.LAG(failed).over(**by_day).alias("failed_before"),
            )
            .where(is_wanted)
            .alias("one")
        )
        has_gaps = (one.c.gaps != "[]") | (one.c.gaps_before != "[]")
        has_failed = (one.c.failed == 1) | (one.c.failed_before == 1)
        pause = _seconds(one.c.before, one.c.first_at) >= longest.total_seconds() - 1
        is_new = one.c.first_at.is_null() | one.c.before.is_null() | has_gaps | has_failed | pause
        begun = fn.SUM(Case(None, ((is_new, 1),), 0)).over(order_by=[one.c.day])
        two = cls.select(SQL("one.*"), begun.alias("run")).from_(one).alias("two")
        counts = (two.c.made, two.c.answered, two.c.not_made)
        columns = (fn.MIN(two.c.first_at), fn.MAX(two.c.last_at), fn.MAX(two.c.gaps))
        names = ("made", "answered", "not_made", "first_at", "last_at", "gaps")
        values = (*(fn.SUM(count) for count in counts), *columns)
        runs = cls.select(*(value.alias(name) for value, name in zip(values, names, strict=True)))
        run = runs.from_(two).group_by(two.c.run).alias("run")
        row = tuple(getattr(run.c, name) for name in names)
        return cls.select(json_rows(row)).from_(run)

    @classmethod
    def read_added_up(cls, column: str | None) -> Iterator[CheckedDays]:
        """Yield the rows in a column of `added_up`, in no particular order."""
        for made, answered, not_made, first_at, last_at, gaps in json.loads(column or "[]"):
            first, last = map(cls.first_at.python_value, (first_at, last_at))
            pauses = tuple((begins, ends) for begins, ends in json.loads(gaps))
            yield CheckedDays(made, answered, not_made, first, last, pauses)

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


def _seconds(earlier: Any, later: Any) -> Any:
    """Return the seconds between two times as an SQL expression."""
    if is_postgres():
        return fn.date_part("epoch", later - earlier)
    return (fn.julianday(later) - fn.julianday(earlier)) * 86400
