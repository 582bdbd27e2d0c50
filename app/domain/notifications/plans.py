"""Decide what one person or webhook is sent now. Pure: it reads no clock and no database.

* A critical item is sent at once, every other one in a digest. A webhook may get all at once.
* Each item is sent once, then again after a day and after each week that it stays open. What
  waits for a look and stops nothing is sent once.
* That it no longer needs attention is sent once.
* At most one message an hour goes to a person. What happens meanwhile is in the next one.
* What begins together is one message, and so is what ends together (storms.py).
* In quiet hours, a message is sent only for a new critical item, and if the person wants that, not
  even then.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.attention import CRITICAL, Item
from app.domain.notifications import storms
from app.domain.notifications.preferences import Preferences
from app.models.email import CRITICAL as CRITICAL_MESSAGE
from app.models.email import DAILY, DIGEST, OFF
from app.models.told_items import ToldItem

AT_MOST_EVERY = timedelta(hours=1)
# One hour less than a day and a week, so that a digest at the same hour counts.
FIRST_REMINDER = timedelta(hours=23)
LATER_REMINDERS = timedelta(days=7, hours=-1)
# These can wait, so only digests know them.
_ONLY_IN_DIGESTS = ("php", "new", "rule", "pause", "domain_later", "old_feed")
# A page that differs can stay so for weeks, and one message is enough to decide when to look.
_TOLD_ONCE = ("pages",)


@dataclass(frozen=True)
class Situation:
    """One person or webhook at one moment.

    `items` is what needs this person's attention, and `every_key` what needs anyone's. `later` can
    wait, and is None unless a digest is due. `is_quiet` is about this moment. Items of a
    severity in `at_once` are sent at once, with `at_most_every` between two messages.
    """

    preferences: Preferences
    items: list[Item]
    every_key: Collection[str]
    known: Sequence[ToldItem]
    last_message_at: datetime | None
    is_quiet: bool
    now: datetime
    later: list[Item] | None = None
    at_once: frozenset[str] = frozenset({CRITICAL})
    at_most_every: timedelta = AT_MOST_EVERY


@dataclass
class Plan:
    """What to store, and what to tell.

    `note` are items to store as not sent yet, `raise_again` rows that are critical now and were
    not. `gone` and `back` are rows of items that are no longer open, or are open again. `drop` are
    rows to delete. If `kind` is not empty, a message tells `fresh`, `still` and `resolved`.
    """

    note: list[Item] = field(default_factory=list)
    raise_again: list[ToldItem] = field(default_factory=list)
    gone: list[ToldItem] = field(default_factory=list)
    back: list[ToldItem] = field(default_factory=list)
    drop: list[ToldItem] = field(default_factory=list)
    kind: str = ""
    fresh: list[Item] = field(default_factory=list)
    still: list[Item] = field(default_factory=list)
    resolved: list[ToldItem] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to store and nothing to tell."""
        return not (
            self.kind or self.note or self.raise_again or self.gone or self.back or self.drop
        )


def make_plan(situation: Situation) -> Plan:
    """Return what to store and to tell now."""
    plan = Plan()
    rows = {row.key: row for row in situation.known}
    open_items = {item.key: item for item in (*situation.items, *(situation.later or ()))}
    _follow_known(situation, open_items, plan)
    if situation.preferences.critical_now:
        _note_urgent(situation, rows, plan)
    if not has_waited(situation.last_message_at, situation.now, situation.at_most_every):
        return plan
    if situation.later is not None:
        _tell_digest(situation, list(open_items.values()), rows, plan)
    elif situation.preferences.critical_now:
        _tell_urgent(situation, open_items, rows, plan)
    return plan


def _follow_known(situation: Situation, open_items: dict[str, Item], plan: Plan) -> None:
    """Find out which known items are no longer open, or open again."""
    for row in situation.known:
        is_open = row.key in open_items
        if is_open and row.gone_at is not None:
            plan.back.append(row)
        elif is_open or (_can_wait(row) and situation.later is None):
            continue
        elif row.key in situation.every_key or not _is_news(row, situation):
            # It is open for others: the role, the client or the choice has changed.
            plan.drop.append(row)
        elif row.gone_at is None:
            plan.gone.append(row)


def _is_news(row: ToldItem, situation: Situation) -> bool:
    """Whether the person wants to hear that an item is no longer open."""
    has_digest = situation.preferences.digest != OFF
    return row.severity in situation.at_once or (has_digest and not _can_wait(row))


def _can_wait(row: ToldItem) -> bool:
    return row.key.partition(":")[0] in _ONLY_IN_DIGESTS


def _is_told_once(key: str) -> bool:
    """Whether no later message mentions the item while it is open."""
    return key.partition(":")[0] in _TOLD_ONCE


def _note_urgent(situation: Situation, rows: dict[str, ToldItem], plan: Plan) -> None:
    for item in situation.items:
        row = rows.get(item.key)
        if item.severity not in situation.at_once:
            continue
        if row is None:
            plan.note.append(item)
        elif item.severity == CRITICAL and row.severity != CRITICAL:
            plan.raise_again.append(row)


def _tell_urgent(
    situation: Situation, open_items: dict[str, Item], rows: dict[str, ToldItem], plan: Plan
) -> None:
    """Add the message about what is sent at once, if one is due."""
    now, chosen = situation.now, situation.preferences
    urgent = [row for row in rows.values() if row.severity in situation.at_once]
    waiting = [row for row in urgent if row.told_at is None and row not in plan.drop]
    is_ready = storms.is_ready([row.seen_at for row in waiting], now)
    if situation.is_quiet and (chosen.critical_waits or not is_ready):
        return
    ended = storms.ended_together(urgent, [row for row in urgent if _has_gone(row, plan)], now)
    # A daily digest reminds as well.
    reminds = chosen.digest != DAILY
    still = [row for row in urgent if reminds and _is_reminded(row, plan, now)]
    fresh = [open_items[row.key] for row in waiting if row.key in open_items]
    is_due = is_ready or still or any(row.told_at is not None for row in ended)
    if not is_due or not (fresh or still or ended):
        return
    plan.kind = CRITICAL_MESSAGE
    plan.fresh = fresh
    plan.still = [open_items[row.key] for row in still]
    # Among them is what ended before it could be sent.
    plan.resolved = ended


def _has_gone(row: ToldItem, plan: Plan) -> bool:
    return row in plan.gone or (row.gone_at is not None and row not in (*plan.back, *plan.drop))


def _is_reminded(row: ToldItem, plan: Plan, now: datetime) -> bool:
    is_open: bool = not _has_gone(row, plan) and row not in plan.drop
    return is_open and is_reminder_due(row, now)


def _tell_digest(
    situation: Situation, items: list[Item], rows: dict[str, ToldItem], plan: Plan
) -> None:
    """Add the digest, if there is anything new in it, and anything to remind of."""
    fresh = [item for item in items if item.key not in rows or rows[item.key].told_at is None]
    known = [item for item in items if item not in fresh and not _is_told_once(item.key)]
    is_due = [is_reminder_due(rows[item.key], situation.now) for item in known]
    resolved = [row for row in rows.values() if _has_gone(row, plan)]
    if not (fresh or resolved or any(is_due)):
        return
    plan.kind, plan.fresh, plan.still, plan.resolved = DIGEST, fresh, known, resolved


def is_reminder_due(row: ToldItem, now: datetime) -> bool:
    """Whether an item that was sent is due to be sent again while it is open."""
    if row.told_at is None or _is_told_once(row.key):
        return False
    wait = FIRST_REMINDER if row.times_told <= 1 else LATER_REMINDERS
    waited: timedelta = now - row.told_at
    return waited >= wait


def has_waited(
    last_message_at: datetime | None, now: datetime, at_most_every: timedelta = AT_MOST_EVERY
) -> bool:
    """Whether another message may go out."""
    return last_message_at is None or now - last_message_at >= at_most_every


def is_digest_due(chosen: Preferences, last_time: datetime, done_until: datetime) -> bool:
    """Whether the digest of `last_time` has not been made yet."""
    return chosen.digest != OFF and last_time > done_until
