"""Changes that were proposed together, as one row in lists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import Case, fn

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
    states: dict[str, int]

    def count(self, *states: str) -> int:
        return sum(self.states[state] for state in states)


def listing(
    tab: str,
    *,
    client_id: int | None = None,
    outcome: str = "",
    limit: int,
    offset: int = 0,
) -> tuple[list[Batch], int]:
    """Return the batches of a list, the newest first, and how many it has.

    With `client_id`, only what that client was asked to approve. `outcome` is a key of OUTCOMES.
    """
    rows = _changes(client_id)
    condition = {
        TO_APPROVE: _count(Change.state.in_(BEFORE_APPROVAL)) > 0,
        UNDER_WAY: _count(_is_under_way()) > 0,
        ENDED: _count(Change.state.in_(BEFORE_APPROVAL) | _is_under_way()) == 0,
    }[tab]
    query = rows.group_by(Change.batch).having(condition)
    if outcome:
        query = query.having(condition & (_count(Change.state.in_(OUTCOMES[outcome])) > 0))
    query = query.order_by(fn.MAX(Change.id).desc()).limit(limit).offset(offset)
    found = list(query.tuples())
    return [_batch(row) for row in found], found[0][-1] if found else 0


def counts(client_id: int | None = None) -> dict[str, int]:
    """Return the number of batches to approve and under way, and of changes that need checking."""
    query = _changes(
        client_id,
        fn.COUNT(Case(None, ((Change.state.in_(BEFORE_APPROVAL), Change.batch),)).distinct()),
        fn.COUNT(Case(None, ((_is_under_way(), Change.batch),)).distinct()),
        _count(Change.is_to_check()),
    )
    waiting, running, to_check = query.tuples().get()
    return {TO_APPROVE: waiting, UNDER_WAY: running, TO_CHECK: to_check}


def _changes(client_id: int | None, *columns: Any) -> Any:
    query = Change.select(*(columns or _COLUMNS)).join(Site).where(Site.forgotten_at.is_null())
    if client_id is None:
        return query
    return query.where(Site.client == client_id, Change.requested_at.is_null(False))


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
    *(_count(Change.state == state) for state in STATES),
    fn.COUNT(Change.batch).over(),
)


def _batch(row: tuple[Any, ...]) -> Batch:
    *columns, _ = row
    split = len(columns) - len(STATES)
    states = dict(zip(STATES, columns[split:], strict=True))
    values: list[Any] = [*columns[:split], states]
    return Batch(*values)
