"""What a client report says, as plain data. `computation.py` computes it."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from app.domain.changes.eligibility import Reason
from app.domain.inventory.versions import available_updates
from app.domain.reporting.sync_stats import Checks, ReportEntry
from app.protocol import canonical

# What a site is called that was removed from the list.
FORGOTTEN = "forgotten"


@dataclass(frozen=True)
class Period:
    """From the first moment of one day up to, and without, the first of another. UTC."""

    begins: datetime
    ends: datetime

    @classmethod
    def of_days(cls, first: date, last: date) -> Period:
        """Both days included."""
        return cls(_midnight(first), _midnight(last + timedelta(days=1)))

    @property
    def first_day(self) -> date:
        return self.begins.date()

    @property
    def last_day(self) -> date:
        return (self.ends - timedelta(days=1)).date()

    def holds(self, at: datetime) -> bool:
        return self.begins <= at < self.ends


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


@dataclass(frozen=True)
class AvailableUpdate:
    """An available update, and everything that blocks it."""

    kind: str
    ident: str
    name: str
    version: str
    offered: str
    against: tuple[Reason, ...] = ()
    change_id: int | None = None


@dataclass(frozen=True)
class HoldSummary:
    """A component whose updates are ignored."""

    kind: str
    ident: str
    name: str
    reason: str
    by: str
    until: datetime | None


@dataclass(frozen=True)
class SiteSnapshot:
    """A site as it is known when the report is made. `connection` is the word of the list."""

    id: int
    name: str
    url: str
    connection: str
    fault: str = ""
    report_at: datetime | None = None
    wordpress: str = ""
    php: str = ""
    components: int = 0
    offers: tuple[AvailableUpdate, ...] = ()
    holds: tuple[HoldSummary, ...] = ()
    scopes: tuple[str, ...] = ()
    alarms: int = 0

    @property
    def available(self) -> int:
        """How many updates are available, as the list of sites counts them."""
        return sum(available_updates(self.offers).values())


@dataclass(frozen=True)
class RuleSummary:
    """An auto-update rule that may approve changes to this client's sites."""

    name: str
    covers: str
    window: str
    expires_at: datetime


@dataclass(frozen=True)
class Rights:
    """Who may have something changed on these sites. `approvals` is the client's mode."""

    approvals: str
    deciders: tuple[str, ...] = ()
    client_people: tuple[str, ...] = ()
    standing: tuple[RuleSummary, ...] = ()


@dataclass(frozen=True)
class ChangeHistory:
    """One change from its proposal on, as far as it had come when the span ended."""

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
class Risk:
    """Something open, by the name of its sentence; `facts` are what that sentence needs."""

    code: str
    site_id: int | None
    facts: dict[str, str]


@dataclass(frozen=True)
class SiteSection:
    """What one site went through in the span, and how it is now."""

    site: SiteSnapshot
    checks: Checks
    reports: int
    first_report: ReportEntry | None
    last_report: ReportEntry | None
    notable: tuple[ReportEntry, ...]


@dataclass(frozen=True)
class ClientReport:
    """The content of the page and the PDF. `made_at` is not part of the digest."""

    client: str
    period: Period
    made_at: datetime
    sites: tuple[SiteSection, ...]
    changes: tuple[ChangeHistory, ...]
    agreements: tuple[ReportEntry, ...]
    risks: tuple[Risk, ...]
    rights: Rights

    @property
    def ends_at(self) -> datetime:
        """Up to when anything can have happened."""
        return min(self.period.ends, self.made_at)

    @property
    def outcomes(self) -> dict[str, int]:
        """How many changes came to which end within the span, or were on their way at its end."""
        counted = Counter(
            one.state
            for one in self.changes
            if one.ended is None or self.period.holds(one.ended.at)
        )
        return dict(counted)

    @property
    def not_done(self) -> int:
        """Those that touched nothing: still on their way, or not wanted any more."""
        told = ("succeeded", "rolled_back", "refused", "failed", "unknown", "running")
        return sum(count for state, count in self.outcomes.items() if state not in told)

    @property
    def incidents(self) -> list[ChangeHistory]:
        """Return the changes after which a person had to check the site, or still has to."""
        return [one for one in self.changes if one.is_open_incident or one.looked_after]

    @property
    def made(self) -> int:
        return sum(one.checks.made for one in self.sites)

    @property
    def answered(self) -> int:
        return sum(one.checks.answered for one in self.sites)

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the whole report except the time it was computed."""
        said = {name: value for name, value in _plain(self).items() if name != "made_at"}
        return hashlib.sha256(canonical(said)).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value
