"""Uptime: how each site is watched, what its checks found, and when it was down.

Single checks are kept for a month and hours for a year; days and outages stay.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from peewee import (
    AutoField,
    Case,
    CharField,
    CompositeKey,
    ForeignKeyField,
    IntegerField,
    TextField,
)

from app.models.base import BaseModel, UtcField
from app.models.sites import Site
from app.models.statements import adding_unless_there

DEFAULT_MINUTES = 5

# SiteWatch.state; empty before the first check, and while checks are off.
UP = "up"
DEGRADED = "degraded"
DOWN = "down"
MAINTENANCE = "maintenance"
UNKNOWN = "unknown"
STATES = (UP, DEGRADED, DOWN, MAINTENANCE, UNKNOWN)
# What a single check found: the same words, also before a state is confirmed. Stored as a number.
RESULTS = STATES

# SiteWatch.cause if so much failed at once that Aura itself has no network.
OWN_NETWORK = "own_network"

# UptimeSpan.unit
HOUR = "h"
DAY = "d"

# SiteWatch.certificate_problem and SiteWatch.domain_problem; only domains end later.
ENDS_LATER = "ends_later"
ENDS_SOON = "ends_soon"
ENDS_NOW = "ends_now"

# The columns of SiteWatch before the first check.
NOTHING_FOUND = {
    "state": "",
    "state_since": None,
    "cause": "",
    "status": 0,
    "ms": None,
    "strikes": 0,
    "failures": 0,
    "counted_until": None,
    "checked_at": None,
    "down_since": None,
    "recovered_at": None,
}

# Connections that a site which is down explains.
_EXPLAINED = ("unreachable", "degraded", "blocked")


class SiteWatch(BaseModel):
    """How one site is checked, and how it stands.

    `every_minutes` is 0 if checks are off. `strikes` counts the checks in a row that were not fine,
    `failures` those in a row that failed. Time up to `counted_until` is in the hours and days; from
    the first strike on it waits for the verdict. `down_since` is set while an outage is open, and
    `recovered_at` is when the last one ended. `cause` is why the site is not up, and `status` the
    last HTTP status.
    """

    site = ForeignKeyField(Site, primary_key=True, backref="+", on_delete="CASCADE")
    site_id: int
    every_minutes = IntegerField(default=DEFAULT_MINUTES)
    phrase = CharField(max_length=200, default="")
    state = CharField(max_length=16, default="")
    state_since = UtcField(null=True)
    cause = CharField(max_length=32, default="")
    status = IntegerField(default=0)
    ms = IntegerField(null=True)
    strikes = IntegerField(default=0)
    failures = IntegerField(default=0)
    counted_until = UtcField(null=True)
    checked_at = UtcField(null=True)
    next_check_at = UtcField(index=True)
    down_since = UtcField(null=True)
    recovered_at = UtcField(null=True)
    certificate_ends_at = UtcField(null=True)
    certificate_problem = CharField(max_length=16, default="")
    domain = CharField(max_length=253, null=True, index=True)
    domain_ends_at = UtcField(null=True)
    domain_problem = CharField(max_length=16, default="")

    @property
    def is_off(self) -> bool:
        return self.every_minutes == 0

    @classmethod
    def of(cls, site_id: int) -> SiteWatch | None:
        return cls.fetch_one(site=site_id)

    @classmethod
    def add_missing(cls, now: datetime) -> int:
        """Begin to watch each connected site that has no row yet; return how many."""
        missing = Site.select(Site.id).where(
            Site.is_connected(), Site.id.not_in(cls.select(cls.site))
        )
        rows = [
            # Spread, so that they are not all due in the same minute.
            {"site": site.id, "next_check_at": now + timedelta(seconds=site.id * 37 % 240)}
            for site in missing
        ]
        cls.insert_missing(rows)
        return len(rows)

    @classmethod
    def due(cls, now: datetime, limit: int) -> list[int]:
        """Return the ids of the connected sites whose check is due, the oldest first."""
        query = cls.select(cls.site).join(Site).where(Site.is_connected(), cls.every_minutes > 0)
        query = query.where(cls.next_check_at <= now).order_by(cls.next_check_at).limit(limit)
        return [row.site_id for row in query]

    @classmethod
    def on_other_sites(cls, site_ids: Collection[int], limit: int) -> list[int]:
        """Return connected sites besides these that were up, the least recently checked first."""
        query = cls.select(cls.site).join(Site).where(Site.is_connected(), cls.every_minutes > 0)
        query = query.where(cls.state.in_((UP, DEGRADED)), cls.site.not_in(list(site_ids)))
        return [row.site_id for row in query.order_by(cls.checked_at).limit(limit)]

    @classmethod
    def no_longer_connected(cls) -> list[SiteWatch]:
        """Return the rows that have a state although their site is no longer connected."""
        query = cls.select(cls, Site).join(Site)
        return list(query.where(cls.state != "", ~Site.is_connected()))

    def claim(self, until: datetime) -> bool:
        """Take the right to check the site, until then; False if another process was faster."""
        return self.update_unchanged(
            ("site", "next_check_at", "every_minutes"), next_check_at=until
        )

    def settle(self, **columns: Any) -> bool:
        """Store a result, unless another one or new settings were stored since this was read."""
        return self.update_unchanged(("site", "checked_at", "every_minutes"), **columns)

    def forget_state(self) -> bool:
        """Set everything back that checks found; False if another process did."""
        return self.update_unchanged(
            ("site", "checked_at"),
            **NOTHING_FOUND,
            certificate_ends_at=None,
            certificate_problem="",
        )

    @classmethod
    def problem_in_sql(cls) -> Any:
        """Return 'down', the cause of a degraded site, OWN_NETWORK or '' as an SQL expression."""
        return Case(
            None,
            (
                (~Site.is_connected() | cls.site.is_null(), ""),
                (cls.down_since.is_null(False), DOWN),
                (cls.state == DEGRADED, cls.cause),
                ((cls.state == UNKNOWN) & (cls.cause == OWN_NETWORK), OWN_NETWORK),
            ),
            "",
        )

    @classmethod
    def certificate_in_sql(cls) -> Any:
        """Return `certificate_problem` of a connected site as an SQL expression."""
        return cls._of_connected(cls.certificate_problem)

    @classmethod
    def domain_in_sql(cls) -> Any:
        """Return `domain_problem` of a connected site as an SQL expression."""
        return cls._of_connected(cls.domain_problem)

    @classmethod
    def _of_connected(cls, column: Any) -> Any:
        is_known = Site.is_connected() & cls.site.is_null(False)
        return Case(None, ((is_known, column),), "")

    @classmethod
    def explains_in_sql(cls) -> Any:
        """Return 1 if the site's failed calls follow from its outage and need no item, else 0.

        After the outage that lasts until the next call.
        """
        is_over = cls.recovered_at.is_null(False) & (Site.error_at <= cls.recovered_at)
        follows = Site.connection_in_sql().in_(_EXPLAINED)
        return Case(None, ((follows & (cls.down_since.is_null(False) | is_over), 1),), 0)


class UptimeCheck(BaseModel):
    """One check: `at` in seconds since 1970, an index into RESULTS, HTTP status, milliseconds."""

    site = ForeignKeyField(Site, backref="+", index=False, on_delete="CASCADE")
    site_id: int
    at = IntegerField()
    result = IntegerField()
    status = IntegerField()
    ms = IntegerField()

    class Meta:
        primary_key = CompositeKey("site", "at")

    @classmethod
    def note(cls, site_id: int, at: datetime, result: str, status: int, ms: int) -> None:
        """Store a check; a second one in the same second is the same."""
        row = {"at": int(at.timestamp()), "result": RESULTS.index(result)}
        adding_unless_there(cls, tuple(cls.columns())).execute(
            site=site_id, status=status, ms=ms, **row
        )

    @classmethod
    def newest(cls, site_id: int, limit: int) -> list[UptimeCheck]:
        return list(cls.select().where(cls.site == site_id).order_by(cls.at.desc()).limit(limit))

    @classmethod
    def forget(cls, before: datetime) -> int:
        """Delete the checks before that time; return how many."""
        return cls.delete().where(cls.at < int(before.timestamp())).execute()


class CountsField(TextField):
    """Small numbers with a count each, as two characters instead of nine: `A12C3` is {1: 12, 3: 3}.

    Most of the bytes of uptime are these.
    """

    _FIRST = ord("@")

    def db_value(self, value: dict[int, int]) -> str:
        return "".join(f"{chr(self._FIRST + key)}{count}" for key, count in sorted(value.items()))

    def python_value(self, value: str) -> dict[int, int]:
        found = re.findall(r"([^0-9])([0-9]+)", value)
        return {ord(key) - self._FIRST: int(count) for key, count in found}


class UptimeSpan(BaseModel):
    """The seconds of one hour or day in each state, and how fast the site answered.

    `number` is the hours since 1970 (UTC), or the ordinal of a day in the agency's time zone.
    `counts` says how many answers took how long, by the number of their bucket.
    """

    site = ForeignKeyField(Site, backref="+", index=False, on_delete="CASCADE")
    site_id: int
    unit = CharField(max_length=1)
    number = IntegerField()
    up_s = IntegerField(default=0)
    degraded_s = IntegerField(default=0)
    down_s = IntegerField(default=0)
    maintenance_s = IntegerField(default=0)
    unknown_s = IntegerField(default=0)
    counts = CountsField(default=dict)

    class Meta:
        primary_key = CompositeKey("site", "unit", "number")

    def seconds(self, *states: str) -> int:
        """Return the seconds in these states together."""
        return sum(getattr(self, f"{state}_s") for state in states)

    @property
    def day(self) -> date:
        return date.fromordinal(self.number)

    @classmethod
    def add(
        cls,
        key: tuple[int, str, int],
        seconds: Mapping[str, int],
        buckets: Mapping[int, int],
    ) -> None:
        """Add seconds by state and answers by bucket, inside `transaction()`."""
        this = dict(zip(("site", "unit", "number"), key, strict=True))
        row = cls.fetch_one(**this) or cls.insert_one(**this)
        changes = {f"{state}_s": row.seconds(state) + more for state, more in seconds.items()}
        counts = dict(row.counts)
        for bucket, more in buckets.items():
            counts[bucket] = counts.get(bucket, 0) + more
        row.update_unchanged(tuple(this), **changes, counts=counts)

    @classmethod
    def of_sites(cls, site_ids: Collection[int], unit: str, since: int) -> list[UptimeSpan]:
        """Return the hours or days of these sites from number `since` on, in order."""
        query = cls.select().where(cls.site.in_(list(site_ids)), cls.unit == unit)
        return list(query.where(cls.number >= since).order_by(cls.site, cls.number))

    @classmethod
    def forget_hours(cls, before: int) -> int:
        """Delete the hours before that number; return how many."""
        return cls.delete().where(cls.unit == HOUR, cls.number < before).execute()


class Outage(BaseModel):
    """A time in which a site was down.

    `counted_s` is how much of it Aura saw and counts: neither maintenance nor time without checks.
    """

    id = AutoField()
    site = ForeignKeyField(Site, backref="+", index=False, on_delete="CASCADE")
    site_id: int
    began_at = UtcField()
    ended_at = UtcField(null=True)
    cause = CharField(max_length=32)
    status = IntegerField(default=0)
    counted_s = IntegerField(default=0)

    class Meta:
        table_name = "uptime_outage"
        indexes = ((("site", "began_at"), False),)

    @classmethod
    def end(cls, site_id: int, at: datetime) -> bool:
        """End the open outage; False if there is none."""
        query = cls.update(ended_at=at).where(cls.site == site_id, cls.ended_at.is_null())
        return bool(query.execute())

    @classmethod
    def count(cls, site_id: int, seconds: int) -> None:
        """Add counted seconds to the open outage."""
        query = cls.update(counted_s=cls.counted_s + seconds)
        query.where(cls.site == site_id, cls.ended_at.is_null()).execute()

    @classmethod
    def of_site(cls, site_id: int, since: datetime) -> list[Outage]:
        """Return the outages of a site that were not over at `since`, the newest first."""
        query = cls.select().where(
            cls.site == site_id, cls.ended_at.is_null() | (cls.ended_at >= since)
        )
        return list(query.order_by(cls.began_at.desc()))

    @classmethod
    def begun_since(cls, site_ids: Collection[int], since: datetime) -> list[Outage]:
        """Return the outages of these sites that began after that time."""
        return list(cls.select().where(cls.site.in_(list(site_ids)), cls.began_at >= since))

    @classmethod
    def within(cls, begins: datetime, ends: datetime) -> Any:
        """Return the SQL condition that a part of it is in that time."""
        return (cls.began_at < ends) & (cls.ended_at.is_null() | (cls.ended_at >= begins))

    @classmethod
    def last_recovered(cls, site_id: int, since: datetime) -> Outage | None:
        """Return the last outage if the site answered again after `since`.

        None for an outage that only ended because checks were turned off.
        """
        query = cls.select().join(SiteWatch, on=SiteWatch.site == cls.site)
        is_over = (cls.ended_at == SiteWatch.recovered_at) & (cls.ended_at >= since)
        return query.where(cls.site == site_id, is_over).order_by(cls.id.desc()).first()
