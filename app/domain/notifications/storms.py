"""Storms: what begins or ends on many sites within minutes, and is sent in one message.

A host or Aura's own network fails for all sites, but each is found at its own next check. So while
more keep beginning, a message waits a little; and once some have ended, it waits for the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from app.domain import attention
from app.models.told_items import ToldItem

# What begins together is sent together.
GATHER = timedelta(minutes=2)
# While a storm keeps growing, its first message waits at most this long.
GROWS_FOR = timedelta(minutes=8)
# Items of one kind belong to one storm if none of them began later than this after another.
STORM_GAP = timedelta(minutes=15)
# Once the first of a storm has ended, the others are waited for. Sites are checked this often.
ENDS_WITHIN = timedelta(minutes=15)


def is_ready(seen_at: Sequence[datetime], now: datetime) -> bool:
    """Whether items that wait to be sent, noted at these times, are sent now."""
    if not any(now - at >= GATHER for at in seen_at):
        return False
    grows = len(seen_at) >= attention.MERGED_FROM and any(now - at < GATHER for at in seen_at)
    return not grows or now - min(seen_at) >= GROWS_FOR


def ended_together(
    rows: Iterable[ToldItem], ended: Sequence[ToldItem], now: datetime
) -> list[ToldItem]:
    """Return which of the ended items are sent now; `rows` are these and all others.

    Those of a storm wait until all of it has ended, or for ENDS_WITHIN.
    """
    if not ended:
        return []
    ids = {row.id for row in ended}
    held: set[int] = set()
    for storm in _storms(rows):
        over = [row for row in storm if row.id in ids]
        is_partial = 0 < len(over) < len(storm)
        if is_partial and now - min(row.gone_at or now for row in over) < ENDS_WITHIN:
            held |= {row.id for row in over}
    return [row for row in ended if row.id not in held]


def _storms(rows: Iterable[ToldItem]) -> list[list[ToldItem]]:
    """Return the groups of items of one kind that began together."""
    groups: list[list[ToldItem]] = []
    for row in sorted(rows, key=lambda row: (_kind(row), row.seen_at)):
        last = groups[-1][-1] if groups else None
        if last and _kind(last) == _kind(row) and row.seen_at - last.seen_at <= STORM_GAP:
            groups[-1].append(row)
        else:
            groups.append([row])
    return [group for group in groups if len(group) >= attention.MERGED_FROM]


def _kind(row: ToldItem) -> str:
    kind: str = row.key.partition(":")[0]
    return kind
