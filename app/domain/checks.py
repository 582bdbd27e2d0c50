"""How often Aura asked a site for its report, and how often the site answered. Pure.

This is what was looked at and nothing more: between two checks nobody knows how a site was,
and hours in which Aura did not look are named rather than counted as good or bad.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

# Why nobody looked.
NOT_CONNECTED = "not_connected"
NOT_ASKED = "not_asked"

# Aura asks once in an interval; a round that comes late is no gap, three that never came are.
_ROUNDS_MISSED = 3
# A check that was asked for this shortly before the end may still be under way.
_UNDER_WAY = timedelta(minutes=10)

_BEGINS = ("pairing_completed", "site_reconnected")
_ENDS = ("revocation_started", "site_disconnected")


@dataclass(frozen=True)
class Line:
    """One entry of the trail as a report reads it: who is a name, facts are plain values."""

    seq: int
    at: datetime
    event: str
    site_id: int | None
    who: str
    facts: dict[str, object]


@dataclass(frozen=True)
class Gap:
    """A time in which nobody looked, and why."""

    begins: datetime
    ends: datetime
    why: str


@dataclass(frozen=True)
class Fault:
    """What stood in the way, how often, and the entries of the first and the last time."""

    name: str
    count: int
    first: Line
    last: Line


@dataclass(frozen=True)
class Checks:
    """`answered` of `made` got an answer the site signed; `not_made` were planned, and Aura
    itself did not get as far as asking."""

    made: int = 0
    answered: int = 0
    not_made: int = 0
    gaps: tuple[Gap, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def unanswered(self) -> int:
        return self.made - self.answered

    @property
    def permille(self) -> int:
        """Answered of a thousand, rounded down: nothing but all of them is 1000."""
        return self.answered * 1000 // self.made if self.made else 0


@dataclass
class _Open:
    """A check that began and has not been counted."""

    at: datetime
    was_asked: bool = False
    was_answered: bool = False


def count(lines: Sequence[Line], begins: datetime, ends: datetime, *, every: timedelta) -> Checks:
    """What the entries about one site, oldest first and from its beginning on, tell of the
    checks between two moments. `every` is how often Aura means to look."""
    found, faults = _walk([one for one in lines if begins <= one.at < ends])
    if found and not found[-1].was_asked and ends - found[-1].at < _UNDER_WAY:
        found.pop()
    made = [one for one in found if one.was_asked]
    return Checks(
        made=len(made),
        answered=sum(one.was_answered for one in made),
        not_made=len(found) - len(made),
        gaps=tuple(_gaps(lines, [one.at for one in made], begins, ends, every)),
        faults=tuple(_by_name(faults)),
    )


def _walk(lines: Iterable[Line]) -> tuple[list[_Open], list[Line]]:
    """The checks in their order, and the entries of what stood in their way."""
    found: list[_Open] = []
    faults = []
    is_open = False
    for line in lines:
        if line.event == "sync_asked":
            found.append(_Open(line.at))
            is_open = True
        elif line.event == "site_called" and line.facts.get("op") == "report":
            if not is_open:
                # It was asked for before the first of these entries.
                found.append(_Open(line.at))
                is_open = True
            found[-1].was_asked = True
            found[-1].was_answered |= line.facts.get("outcome") == "ok"
        elif line.event == "sync_failed":
            faults.append(line)
            is_open = False
    return found, faults


def _by_name(lines: list[Line]) -> list[Fault]:
    counts = Counter(str(line.facts.get("fault", "")) for line in lines)
    found = []
    for name, how_often in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        of_it = [line for line in lines if line.facts.get("fault", "") == name]
        found.append(Fault(name, how_often, of_it[0], of_it[-1]))
    return found


def _gaps(
    lines: Sequence[Line],
    looked: Sequence[datetime],
    begins: datetime,
    ends: datetime,
    every: timedelta,
) -> Iterable[Gap]:
    """Every stretch without a look, in order: without a connection, or longer than three rounds."""
    at = begins
    for opened, closed in connected(lines, ends):
        opened, closed = max(opened, begins), min(closed, ends)
        if closed <= begins or opened >= ends:
            continue
        if opened > at:
            yield Gap(at, opened, NOT_CONNECTED)
        seen = [opened, *(one for one in looked if opened <= one <= closed), closed]
        for one, following in pairwise(seen):
            if following - one > every * _ROUNDS_MISSED:
                yield Gap(one, following, NOT_ASKED)
        at = closed
    if at < ends:
        yield Gap(at, ends, NOT_CONNECTED)


def connected(lines: Iterable[Line], until: datetime) -> list[tuple[datetime, datetime]]:
    """From when to when there was a connection to the site."""
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
