"""Which WordPress branches get security fixes (make.wordpress.org/security).

Officially, WordPress supports its newest branch only. Its security team also fixes older ones, as a
courtesy without a promised end. A release of Aura updates this table.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from app.domain.inventory.versions import branch

# The day on which the table was last compared with WordPress's announcements.
AS_OF = date(2026, 11, 30)
_NEWEST = (7, 1)
# By the last branch for which the courtesy ended, when it did.
_ENDED = {(4, 0): date(2022, 12, 1), (4, 6): date(2025, 7, 31)}

# What a branch gets.
SUPPORTED = "supported"
COURTESY = "courtesy"
ENDED = "ended"


def newest_branch(known: Iterable[str]) -> tuple[int, ...]:
    """Return the newest branch: of the table, or newer if one of these versions is."""
    return max([_NEWEST, *(branch(version) for version in known)])


def support_of(version: str, newest: tuple[int, ...]) -> str:
    """Return SUPPORTED, COURTESY or ENDED; empty for a version that cannot be read."""
    own = branch(version)
    if own == (0, 0):
        return ""
    if ended_on(version) is not None:
        return ENDED
    return SUPPORTED if own >= newest else COURTESY


def ended_on(version: str) -> date | None:
    """Return when the fixes of this version's branch ended; None if they have not."""
    own = branch(version)
    return next((day for last, day in _ENDED.items() if (0, 0) < own <= last), None)
