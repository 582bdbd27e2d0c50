"""The days of many sites, as a column of another query.

A year of many sites is many rows, so they are plain values, without how fast the sites answered.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any, NamedTuple

from app.models.uptime import DAY, UptimeSpan


class DaySeconds(NamedTuple):
    """The seconds of one day of a site in each state. `number` is the ordinal of the day."""

    site_id: int
    number: int
    up_s: int
    degraded_s: int
    down_s: int
    maintenance_s: int
    unknown_s: int


def days_column(is_of_site: Any, first: date, last: date) -> Any:
    """Return the days from `first` to `last`; `read_days` reads the column."""
    span = UptimeSpan
    is_day = (span.unit == DAY) & span.number.between(first.toordinal(), last.toordinal())
    columns = [getattr(span, name) for name in DaySeconds._fields]
    return span.nested_columns(columns, is_of_site & is_day)


def read_days(column: str | None) -> list[DaySeconds]:
    """Return the days in a column of `days_column`, in no particular order."""
    return [DaySeconds(*values) for values in json.loads(column or "[]")]
