"""How often Aura checked a site and how often the site answered. Pure functions.

These are checks, not uptime monitoring: hours without checks are listed as gaps, not counted as
good or bad.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.inventory.checks import longest_pause
from app.models.daily_checks import CheckedDays

# The reasons for a gap.
NOT_CONNECTED = "not_connected"
NOT_ASKED = "not_asked"

_BEGINS = ("pairing_completed", "site_reconnected")
_ENDS = ("revocation_started", "site_disconnected")


@dataclass(frozen=True)
class ReportEntry:
    """An audit entry for the report: `who` is a name, facts are plain values."""

    seq: int
    at: datetime
    event: str
    site_id: int | None
    who: str
    facts: dict[str, object]


@dataclass(frozen=True)
class Gap:
    """A time without checks, and its reason."""

    begins: datetime
    ends: datetime
    why: str


@dataclass(frozen=True)
class ErrorSpan:
    """An error with its number and its first and last entries."""

    name: str
    count: int
    first: ReportEntry
    last: ReportEntry


@dataclass(frozen=True)
class Checks:
    """How many checks were made, answered and missed.

    `answered` of `made` got an answer that the site signed. `not_made` were due, but Aura was
    interrupted or could not send them.
    """

    made: int = 0
    answered: int = 0
    not_made: int = 0
    gaps: tuple[Gap, ...] = ()
    errors: tuple[ErrorSpan, ...] = ()

    @property
    def permille(self) -> int:
        """Return the answered checks per thousand, rounded down, so 1000 means all."""
        return self.answered * 1000 // self.made if self.made else 0


@dataclass(frozen=True)
class SiteHistory:
    """What is known about the checks of one site in a period.

    `days` are its times with checks, oldest first, and `errors` the failed ones. `reports` is the
    number of new reports; `first_report` and `last_report` are their entries.
    """

    days: tuple[CheckedDays, ...] = ()
    errors: tuple[ErrorSpan, ...] = ()
    reports: int = 0
    first_report: ReportEntry | None = None
    last_report: ReportEntry | None = None


def count_checks(
    history: SiteHistory,
    spans: Sequence[tuple[datetime, datetime]],
    begins: datetime,
    ends: datetime,
    *,
    every: timedelta,
) -> Checks:
    """Return the checks of one site between two moments.

    `spans` are the times with a connection (`connected`), `every` is the check interval.
    """
    finder = _GapFinder(spans, begins, ends)
    is_failing = False
    for day in history.days:
        has_failed = day.answered < day.made
        longest = longest_pause(every, is_failing=is_failing or has_failed)
        for first, last in _stretches_of(day):
            if first < ends and last >= begins:
                finder.cover(max(first, begins), min(last, ends), longest)
        is_failing = has_failed
    finder.longest = longest_pause(every, is_failing=is_failing)
    return Checks(
        made=sum(day.made for day in history.days),
        answered=sum(day.answered for day in history.days),
        not_made=sum(day.not_made for day in history.days),
        gaps=tuple(finder.result()),
        errors=tuple(sorted(history.errors, key=lambda error: (-error.count, error.name))),
    )


def _stretches_of(day: CheckedDays) -> Iterator[tuple[datetime, datetime]]:
    """Yield the first and last check of each stretch of a day without gaps, in order."""
    if day.first_at is None or day.last_at is None:
        return
    first = day.first_at
    for begins, ends in day.gaps:
        yield first, datetime.fromisoformat(begins)
        first = datetime.fromisoformat(ends)
    yield first, day.last_at


class _GapFinder:
    """Return the gaps in order: without a connection, or longer than `longest`."""

    longest = timedelta.max

    def __init__(
        self, spans: Sequence[tuple[datetime, datetime]], begins: datetime, ends: datetime
    ) -> None:
        clipped = ((max(opened, begins), min(closed, ends)) for opened, closed in spans)
        self._spans = [
            (opened, closed) for opened, closed in clipped if closed > begins and opened < ends
        ]
        self._ends, self._at = ends, begins
        self._found: list[Gap] = []
        self._is_inside = False

    def cover(self, first: datetime, last: datetime, longest: timedelta) -> None:
        """Note regular checks between two moments; a pause before them above `longest` is a gap."""
        self.longest = longest
        self._look(first)
        self.longest = timedelta.max
        self._look(last)

    def _look(self, at: datetime) -> None:
        while self._spans and at > self._spans[0][1]:
            self._leave()
        if self._spans and at >= self._spans[0][0]:
            self._enter()
            self._reach(at)

    def result(self) -> list[Gap]:
        while self._spans:
            self._leave()
        if self._at < self._ends:
            self._found.append(Gap(self._at, self._ends, NOT_CONNECTED))
        return self._found

    def _enter(self) -> None:
        opened = self._spans[0][0]
        if not self._is_inside and opened > self._at:
            self._found.append(Gap(self._at, opened, NOT_CONNECTED))
        if not self._is_inside:
            self._at = max(self._at, opened)
        self._is_inside = True

    def _leave(self) -> None:
        self._enter()
        self._reach(self._spans.pop(0)[1])
        self._is_inside = False

    def _reach(self, at: datetime) -> None:
        if at - self._at > self.longest:
            self._found.append(Gap(self._at, at, NOT_ASKED))
        self._at = max(self._at, at)


def connected(lines: Iterable[ReportEntry], until: datetime) -> list[tuple[datetime, datetime]]:
    """Return the times when the site was connected."""
    spans, opened = [], None
    for line in lines:
        if line.event in _BEGINS and opened is None:
            opened = line.at
        elif line.event in _ENDS and line.facts.get("confirmed", True) and opened is not None:
            spans.append((opened, line.at))
            opened = None
    if opened is not None and opened < until:
        spans.append((opened, until))
    return spans
