"""Count how often Aura checked a site and how often the site answered. Pure functions.

These are checks, not uptime monitoring: hours without checks are listed as gaps, not counted as
good or bad.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# The reasons for a gap.
NOT_CONNECTED = "not_connected"
NOT_ASKED = "not_asked"

# Aura checks once per interval. A late check is not a gap, three missing ones are.
_ROUNDS_MISSED = 3
# A check requested this shortly before the end may still be running.
_UNDER_WAY = timedelta(minutes=10)

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

    `answered` of `made` got an answer that the site signed. `not_made` were planned, but Aura
    itself did not send them.
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


@dataclass
class _Open:
    """A check that started and is not counted yet."""

    at: datetime
    was_sent: bool = False
    was_answered: bool = False


class CheckCounter:
    """Count the checks of one site in a period, entry by entry, oldest first.

    `spans` are the times with a connection (`connected`), `every` is the check interval. Only the
    first and last entry of each error is kept.
    """

    def __init__(
        self,
        spans: Sequence[tuple[datetime, datetime]],
        begins: datetime,
        ends: datetime,
        *,
        every: timedelta,
    ) -> None:
        self._begins, self._ends = begins, ends
        self._gaps = _GapFinder(spans, begins, ends, every * _ROUNDS_MISSED)
        self._made = self._answered = self._not_made = 0
        self._errors: dict[str, ErrorSpan] = {}
        self._last: _Open | None = None
        self._is_open = False

    def add(self, line: ReportEntry) -> None:
        """Count the next entry if it is a check between the two moments."""
        if not self._begins <= line.at < self._ends:
            return
        if line.event == "sync_requested":
            self._begin(line.at)
        elif line.event == "site_called" and line.facts.get("op") == "report":
            if not self._is_open:
                # It was requested before the first of these entries.
                self._begin(line.at)
            if self._last is not None:
                self._last.was_sent = True
                self._last.was_answered |= line.facts.get("outcome") == "ok"
        elif line.event == "sync_failed":
            self._record_error(line)
            self._is_open = False

    def result(self) -> Checks:
        """Return the counts; nothing can be added afterwards."""
        last = self._last
        if last is not None and not last.was_sent and self._ends - last.at < _UNDER_WAY:
            self._last = None
        self._close()
        return Checks(
            made=self._made,
            answered=self._answered,
            not_made=self._not_made,
            gaps=tuple(self._gaps.result()),
            errors=tuple(
                sorted(self._errors.values(), key=lambda error: (-error.count, error.name))
            ),
        )

    def _begin(self, at: datetime) -> None:
        self._close()
        self._last, self._is_open = _Open(at), True

    def _close(self) -> None:
        done, self._last = self._last, None
        if done is None:
            return
        if not done.was_sent:
            self._not_made += 1
            return
        self._made += 1
        self._answered += done.was_answered
        self._gaps.look(done.at)

    def _record_error(self, line: ReportEntry) -> None:
        name = str(line.facts.get("error_code", ""))
        known = self._errors.get(name)
        first, so_far = (known.first, known.count) if known else (line, 0)
        self._errors[name] = ErrorSpan(name, so_far + 1, first, line)


class SiteWatch:
    """The checks and syncs of one site in a period, entry by entry.

    `lines` are the site's other entries, which show when it was connected.
    """

    def __init__(
        self, lines: Iterable[ReportEntry], begins: datetime, ends: datetime, *, every: timedelta
    ) -> None:
        self._begins, self._ends = begins, ends
        self.checks = CheckCounter(connected(lines, ends), begins, ends, every=every)
        self.reports = 0
        self.first_report: ReportEntry | None = None
        self.last_report: ReportEntry | None = None

    def add(self, line: ReportEntry) -> None:
        self.checks.add(line)
        if line.event == "report_received" and self._begins <= line.at < self._ends:
            self.reports += 1
            self.first_report = self.first_report or line
            self.last_report = line


class _GapFinder:
    """Return the gaps in order: without a connection, or longer than `longest`."""

    def __init__(
        self,
        spans: Sequence[tuple[datetime, datetime]],
        begins: datetime,
        ends: datetime,
        longest: timedelta,
    ) -> None:
        clipped = ((max(opened, begins), min(closed, ends)) for opened, closed in spans)
        self._spans = [
            (opened, closed) for opened, closed in clipped if closed > begins and opened < ends
        ]
        self._longest, self._ends, self._at = longest, ends, begins
        self._found: list[Gap] = []
        self._is_inside = False

    def look(self, at: datetime) -> None:
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
        if at - self._at > self._longest:
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
