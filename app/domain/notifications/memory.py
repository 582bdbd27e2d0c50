"""What one listener, a person or a webhook, was sent: follow a plan, and store it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from app.domain import attention
from app.domain.attention import Item
from app.domain.notifications import contents, plans
from app.domain.notifications.plans import Plan
from app.models.told_items import ToldItem


@dataclass(frozen=True)
class Memory:
    """The rows of one listener in their table. Titles are in the time zone of the listener."""

    table: type[ToldItem]
    listener_id: int
    zone: ZoneInfo

    def follow(self, plan: Plan, now: datetime) -> None:
        """Store what the listener knows now, without what a message adds."""
        table = self.table
        self._note(plan.note, now)
        again = {"severity": attention.CRITICAL, "seen_at": now, "told_at": None, "gone_at": None}
        table.mark(_ids(plan.raise_again), **again)
        table.mark(_ids(plan.gone), gone_at=now)
        table.mark(_ids(plan.back), gone_at=None)
        table.drop(_ids(plan.drop))

    def mark_told(self, plan: Plan, now: datetime) -> None:
        """Record what the message contains: open items as sent, resolved ones as done."""
        known = self.table.of(self.listener_id)
        self._note([item for item in plan.fresh if item.key not in known], now)
        # Of the open items, those that are due count as reminded.
        reminded = [item for item in plan.still if plans.is_reminder_due(known[item.key], now)]
        sent = {item.key for item in (*plan.fresh, *reminded)}
        self.table.mark_told(self.listener_id, sorted(sent), now)
        self.table.drop(_ids(plan.resolved))

    def _note(self, items: Iterable[Item], now: datetime) -> None:
        """Store items that the listener has not been sent yet."""
        columns = [
            {
                "key": item.key,
                "severity": item.severity,
                "site_id": item.site.id if item.site else None,
                "title": contents.title_of(item, self.zone),
                "seen_at": now,
            }
            for item in items
        ]
        self.table.note(self.listener_id, columns)


def _ids(rows: Iterable[ToldItem]) -> list[int]:
    return [row.id for row in rows]
