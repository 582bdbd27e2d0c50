"""Pages of a long list that begin at a key of a row instead of after a number of rows.

A page deep in the list costs what the first one costs, and rows that come or go before it neither
repeat a row nor hide one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from peewee import CharField, Expression, Field, IntegerField, Tuple

from app.models.statements import given

Key = tuple[int | str, ...]
# The types of a key, in the order of its columns.
KeyTypes = tuple[type[int] | type[str], ...]

# Which rows a page has: the first ones of the list, or those next to a key on one side.
FIRST, AFTER, BEFORE = "first", "after", "before"

Item = TypeVar("Item")


class Start(NamedTuple):
    """Where a page begins. `key` is that of the row beside it, and empty for the first page."""

    side: str = FIRST
    key: Key = ()

    def values(self) -> dict[str, int | str]:
        """Return the values for `key_places`."""
        return {f"key{number}": value for number, value in enumerate(self.key)}


FIRST_PAGE = Start()


class Placed(NamedTuple, Generic[Item]):
    """A row with its key."""

    key: Key
    item: Item


@dataclass(frozen=True)
class KeyPage(Generic[Item]):
    """The rows of one page, and where the pages beside it begin; None if there is none."""

    items: Sequence[Item]
    start: Start
    previous: Start | None
    next: Start | None


def typed_key(values: Iterable[Any], types: KeyTypes) -> Key:
    """Return a key of plain values: databases return some numbers as decimals."""
    return tuple(each(value) for value, each in zip(values, types, strict=True))


def key_places(types: KeyTypes) -> list[Any]:
    """Return places for a key in a query that is composed once."""
    fields: dict[type, Field] = {int: IntegerField(), str: CharField()}
    return [given(fields[each], f"key{number}") for number, each in enumerate(types)]


def beside(query: Any, order: Sequence[Any], side: str, key: Sequence[Any], limit: Any) -> Any:
    """Return `query` for as many rows on this side of `key`, the nearest first.

    `order` are the columns of the key, by which the list ascends.
    """
    if side != FIRST:
        is_beside = Expression(Tuple(*order), ">" if side == AFTER else "<", Tuple(*key))
        query = query.where(is_beside)
    query = query.order_by(*(column.desc() if side == BEFORE else column for column in order))
    return query.limit(limit)


def read_page(
    read: Callable[[Start, int], Sequence[Placed[Item]]], start: Start, size: int
) -> KeyPage[Item]:
    """Return the page that begins at `start`, or the first one if it would be none of its own.

    `read` returns at most so many rows, in the order of `beside`.
    """
    # One more than is shown tells whether the list goes on.
    rows = read(start, size + 1)
    goes_on, rows = len(rows) > size, rows[:size]
    is_before = start.side == BEFORE
    if start.side != FIRST and len(rows) < (size if is_before else 1):
        return read_page(read, FIRST_PAGE, size)
    if is_before:
        rows = rows[::-1]
    has_previous = goes_on if is_before else start.side == AFTER
    return KeyPage(
        [row.item for row in rows],
        start,
        Start(BEFORE, rows[0].key) if has_previous else None,
        Start(AFTER, rows[-1].key) if is_before or goes_on else None,
    )
