"""The data of a client report. `computation.py` computes it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.domain.inventory.eligibility import Reason
from app.domain.inventory.versions import available_updates
from app.domain.reporting.site_uptime import UptimeSummary
from app.domain.reporting.sync_stats import Checks, ReportEntry
from app.domain.time_zones import UTC_ZONE, zone_of
from app.protocol import canonical

_UTC = zone_of(UTC_ZONE)

# The connection state of a removed site.
FORGOTTEN = "forgotten"


@dataclass(frozen=True)
class Period:
    """A period from the start of the first day to the end of the last day in a time zone.

    `begins` and `ends` are in UTC, because the difference of two times in one zone ignores that a
    clock was changed between them.
    """

    begins: datetime
    ends: datetime
    zone: ZoneInfo = _UTC

    @classmethod
    def of_days(cls, first: date, last: date, zone: ZoneInfo | None = None) -> Period:
        """Return the period of these days, both included; in UTC unless a zone is given."""
        zone = zone or _UTC
        return cls(_midnight(first, zone), _midnight(last + timedelta(days=1), zone), zone)

    @property
    def first_day(self) -> date:
        return self.begins.astimezone(self.zone).date()

    @property
    def last_day(self) -> date:
        return self.ends.astimezone(self.zone).date() - timedelta(days=1)

    def holds(self, at: datetime) -> bool:
        return self.begins <= at < self.ends


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the start of a day of the zone, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


@dataclass(frozen=True)
class AvailableUpdate:
    """An available update, with the reasons that block it."""

    kind: str
    ident: str
    name: str
    version: str
    available: str
    against: tuple[Reason, ...] = ()
    change_id: int | None = None


@dataclass(frozen=True)
class HoldSummary:
    """Ignored updates of a component."""

    kind: str
    ident: str
    name: str
    reason: str
    by: str
    until: datetime | None


@dataclass(frozen=True)
class SiteSnapshot:
    """A site when the report is created. `connection` is the state in the list.

    `uptime` is None if its front page was not checked in the period.
    """

    id: int
    name: str
    url: str
    connection: str
    error_code: str = ""
    report_at: datetime | None = None
    wordpress: str = ""
    php: str = ""
    components: int = 0
    available_updates: tuple[AvailableUpdate, ...] = ()
    holds: tuple[HoldSummary, ...] = ()
    permissions: tuple[str, ...] = ()
    alerts: int = 0
    uptime: UptimeSummary | None = None

    @property
    def available(self) -> int:
        """Return the number of available updates, as in the list of sites."""
        return sum(available_updates(self.available_updates).values())


@dataclass(frozen=True)
class RuleSummary:
    """An auto-update rule that applies to this client's sites."""

    name: str
    covers: str
    window: str
    expires_at: datetime


@dataclass(frozen=True)
class Rights:
    """Who may approve updates of these sites. `approvals` is the client's setting.

    `standing` are the auto-update rules. The names of the fields are part of a report's digest.
    """

    approvals: str
    deciders: tuple[str, ...] = ()
    client_people: tuple[str, ...] = ()
    standing: tuple[RuleSummary, ...] = ()


@dataclass(frozen=True)
class ChangeHistory:
    """A change from its proposal to its state at the end of the period."""

    change_id: int
    site_id: int | None
    name: str
    from_version: str
    to_version: str
    state: str
    reason: str
    steps: tuple[ReportEntry, ...]
    ended: ReportEntry | None
    looked_after: ReportEntry | None
    is_open_incident: bool


@dataclass(frozen=True)
class UsualUpdates:
    """Updates of one component that were approved and succeeded, which a long report adds up.

    `first` and `last` are the entries of the first and the last success.
    """

    count: int
    sites: int
    first: ReportEntry
    last: ReportEntry


@dataclass(frozen=True)
class Risk:
    """An open item with the name of its sentence and the facts for it."""

    code: str
    site_id: int | None
    facts: dict[str, str]


@dataclass(frozen=True)
class SiteSection:
    """What happened on one site in the period, and its current state."""

    site: SiteSnapshot
    checks: Checks
    reports: int
    first_report: ReportEntry | None
    last_report: ReportEntry | None
    notable: tuple[ReportEntry, ...]


@dataclass(frozen=True)
class ClientReport:
    """Everything in the report. `created_at` is not part of the digest.

    `changes` and `usual_updates` together are all updates of the period.
    """

    client: str
    period: Period
    created_at: datetime
    sites: tuple[SiteSection, ...]
    changes: tuple[ChangeHistory, ...]
    usual_updates: tuple[UsualUpdates, ...]
    agreements: tuple[ReportEntry, ...]
    risks: tuple[Risk, ...]
    rights: Rights

    @property
    def ends_at(self) -> datetime:
        """Return the end of the period, or the time of creation if it is earlier."""
        return min(self.period.ends, self.created_at)

    @property
    def outcomes(self) -> dict[str, int]:
        """Return the number of changes by state at the end of the period."""
        counted = Counter(
            change.state
            for change in self.changes
            if change.ended is None or self.period.holds(change.ended.at)
        )
        usual = sum(updates.count for updates in self.usual_updates)
        return dict(counted + Counter(succeeded=usual) if usual else counted)

    @property
    def not_done(self) -> int:
        """Return the number of changes that changed nothing: not started, or not wanted."""
        ended = ("succeeded", "rolled_back", "refused", "failed", "unknown", "running")
        return sum(count for state, count in self.outcomes.items() if state not in ended)

    @property
    def incidents(self) -> list[ChangeHistory]:
        """Return the changes that needed checking."""
        return [change for change in self.changes if change.is_open_incident or change.looked_after]

    @property
    def made(self) -> int:
        return sum(site.checks.made for site in self.sites)

    @property
    def answered(self) -> int:
        return sum(site.checks.answered for site in self.sites)

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the report without the time of its creation."""
        # Of its canonical JSON, one site at a time: as a whole, that of many sites is large.
        found = hashlib.sha256(b"{")
        names = sorted({one.name for one in fields(self)} - {"created_at"})
        for number, name in enumerate(names):
            found.update(b"," * bool(number) + canonical(name) + b":")
            for part in _canonical_parts(getattr(self, name)):
                found.update(part)
        found.update(b"}")
        return found.hexdigest()


def _canonical_parts(value: Any) -> Iterator[bytes]:
    """Yield the canonical JSON of a value, with each item of a list as a part of its own."""
    if not isinstance(value, tuple):
        yield canonical(_plain(value))
        return
    yield b"["
    for number, item in enumerate(value):
        yield b"," * bool(number) + canonical(_plain(item))
    yield b"]"


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int):
        return value  # most values: first, because a report has thousands
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, ZoneInfo):
        return value.key
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
