"""The end of security support of each PHP branch (php.net/eol).

A host may support a branch longer; these are the dates of the PHP project.
"""

from __future__ import annotations

from datetime import date

from app.domain.inventory.versions import branch

_ENDS: dict[tuple[int, ...], date] = {
    (7, 0): date(2019, 1, 10),
    (7, 1): date(2019, 12, 1),
    (7, 2): date(2020, 11, 30),
    (7, 3): date(2021, 12, 6),
    (7, 4): date(2022, 11, 28),
    (8, 0): date(2023, 11, 26),
    (8, 1): date(2025, 12, 31),
    (8, 2): date(2026, 12, 31),
    (8, 3): date(2027, 12, 31),
    (8, 4): date(2028, 12, 31),
    (8, 5): date(2029, 12, 31),
}
_OLDER_ENDED = date(2018, 12, 31)  # 5.6, the last of its line


def ends_on(version: str) -> date | None:
    """Return the last day of security fixes for this PHP version; None if it is unknown."""
    known = branch(version)
    if known == (0, 0):
        return None
    return _OLDER_ENDED if known < min(_ENDS) else _ENDS.get(known)
