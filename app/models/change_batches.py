"""Changes that were proposed together, as one row in lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import SQL, Case, fn

from app.models.changes import (
    APPROVED,
    BAD_ENDS,
    CANCELLED,
    CHECKING,
    EXPIRED,
    PROPOSED,
    REFUSED,
    REJECTED,
    RUNNING,
    STATES,
    SUCCEEDED,
    UNKNOWN,
    WAITING,
    Change,
)
from app.models.sites import Site
from app.models.visibility import Visibility

# The lists of batches. A batch that is partly approved is in the first two.
TO_APPROVE = "waiting"
UNDER_WAY = "running"
ENDED = "done"
TO_CHECK = "to_check"
BEFORE_APPROVAL = (CHECKING, PROPOSED)
# The result filter of ended batches.
OUTCOMES = {
    "succeeded": (SUCCEEDED,),
    "bad": BAD_ENDS,
    "not_done": (REFUSED, REJECTED, EXPIRED, CANCELLED),
}


@dataclass(frozen=True)
class Batch:
    """One batch in numbers. `name`, `from_version` and `to_version` are those of its first update.

    `change_id` is the number of its first change, and `last_id` that of the last one.

    `updates` counts the different updates among its changes, `states` the changes by state.
    """

    batch: str
    change_id: int
    kind: str
    name: str
    from_version: str
    to_version: str
    proposer: str
    proposed_at: datetime
    ended_at: datetime | None
    sites: int
    site_name: str
    updates: int
    changes: int
    unrequested: int
    last_id: int
    states: dict[str, int]

    def count(self, *states: str) -> int:
        return sum(self.states[state] for state in states)


def listing(
    tab: str,
    *,
    visible: Visibility,
    outcome: str = "",
    limit: int,
    before: int | None = None,
) -> list[Batch]:
    """Return the batches of a list, the newest first.

    Only visible changes count. `outcome` is a key of OUTCOMES.
    `before` is the `last_id` of the last batch shown.
    """
    heads = _newest_of_each(visible).where(_is_listed(tab, visible))
    if outcome:
        heads = heads.where(fn.EXISTS(_others(visible, _in_states(OUTCOMES[outcome]))))
    if before is not None:
        heads = heads.where(Change.id < before)
    head = heads.order_by(Change.id.desc()).limit(limit).alias("head")
    shown = Change.select(head.c.batch).from_(head)
    query = _changes(visible).where(Change.batch.in_(shown))
    query = query.group_by(Change.batch).order_by(fn.MAX(Change.id).desc())
    return [_batch(row) for row in query.tuples()]


def _newest_of_each(visible: Visibility) -> Any:
    """Return the query for the newest change of each batch.

    It reads the changes from the newest on, as far as its limit needs.
    """
    newer = _others(visible, lambda other: other.id > Change.id)
    return _changes(visible, Change.id, Change.batch).where(~fn.EXISTS(newer))


def _others(visible: Visibility, condition: Callable[[Any], Any]) -> Any:
    """Return the query for the changes of the same batch that meet a condition."""
    other, site = Change.alias(), Site.alias()
    query = other.select(SQL("1")).join(site, on=other.site == site.id)
    is_same = (other.batch == Change.batch) & _is_visible(other, site, visible)
    return query.where(is_same, condition(other))


def _in_states(states: tuple[str, ...]) -> Callable[[Any], Any]:
    return lambda change: change.state.in_(states)


def _is_listed(tab: str, visible: Visibility) -> Any:
    """Return the condition that the batch of a change is in this list."""
    is_waiting = Change.state.in_(BEFORE_APPROVAL)
    condition = {
        TO_APPROVE: is_waiting,
        UNDER_WAY: _is_under_way(),
        ENDED: is_waiting | _is_under_way(),
    }[tab]
    found = _changes(visible, Change.batch).where(Change.is_unfinished(), condition)
    return Change.batch.not_in(found) if tab == ENDED else Change.batch.in_(found)


def counts(visible: Visibility) -> dict[str, int]:
    """Return the number of batches to approve and under way, and of changes that need checking."""
    query = _changes(
        visible,
        fn.COUNT(Case(None, ((Change.state.in_(BEFORE_APPROVAL), Change.batch),)).distinct()),
        fn.COUNT(Case(None, ((_is_under_way(), Change.batch),)).distinct()),
        _count(Change.is_to_check()),
    )
    waiting, running, to_check = query.where(Change.is_unfinished()).tuples().get()
    return {TO_APPROVE: waiting, UNDER_WAY: running, TO_CHECK: to_check}


def _changes(visible: Visibility, *columns: Any) -> Any:
    query = Change.select(*(columns or _COLUMNS)).join(Site)
    return query.where(_is_visible(Change, Site, visible))


def _is_visible(change: Any, site: Any, visible: Visibility) -> Any:
    """Return the condition that the site is known, and the change visible."""
    found = site.forgotten_at.is_null() & visible.in_sql(site.client)
    return found & visible.has_update_in_sql(change)


def _is_under_way() -> Any:
    """Return the condition that a change is approved and its result not known yet."""
    is_scheduled = (Change.state == UNKNOWN) & Change.next_attempt_at.is_null(False)
    return Change.state.in_((APPROVED, RUNNING, WAITING)) | is_scheduled


def _count(condition: Any) -> Any:
    return fn.COUNT(Case(None, ((condition, 1),)))


_UPDATE = Change.kind.concat(Change.ident).concat(Change.to_version)
_COLUMNS = (
    Change.batch,
    fn.MIN(Change.id),
    fn.MIN(Change.kind),
    fn.MIN(Change.name),
    fn.MIN(Change.from_version),
    fn.MIN(Change.to_version),
    fn.MIN(Change.proposer),
    fn.MIN(Change.proposed_at),
    fn.MAX(Change.ended_at),
    fn.COUNT(Change.site.distinct()),
    fn.MIN(Site.name),
    fn.COUNT(_UPDATE.distinct()),
    fn.COUNT(Change.id),
    _count(Change.requested_at.is_null()),
    fn.MAX(Change.id),
    *(_count(Change.state == state) for state in STATES),
)


def _batch(row: tuple[Any, ...]) -> Batch:
    split = len(row) - len(STATES)
    states = dict(zip(STATES, row[split:], strict=True))
    values: list[Any] = [*row[:split], states]
    return Batch(*values)
