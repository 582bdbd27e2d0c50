"""Split a long list into pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from flask import request

from app.models.key_pages import AFTER, BEFORE, FIRST_PAGE, Key, KeyPage, KeyTypes, Start, typed_key
from app.views.request_validation import row_number

PAGE_SIZE = 100
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")

Item = TypeVar("Item")


@dataclass(frozen=True)
class Page(Generic[Item]):
    """The items of one page; `number` starts at 1, `total` counts all pages' items."""

    items: Sequence[Item]
    number: int
    total: int
    size: int = PAGE_SIZE

    @property
    def last(self) -> int:
        return max(1, -(-self.total // self.size))

    @property
    def first_item(self) -> int:
        return (self.number - 1) * self.size + 1

    @property
    def last_item(self) -> int:
        return self.first_item + len(self.items) - 1


def page_of(items: Sequence[Item], size: int = PAGE_SIZE) -> Page[Item]:
    """Return the page named by this request's `page`, or the nearest one."""
    requested = request.values.get("page", 1, type=row_number)
    last = max(1, -(-len(items) // size))
    number = min(max(requested, 1), last)
    start = (number - 1) * size
    return Page(items[start : start + size], number, len(items), size)


@dataclass(frozen=True)
class KeyedPage(Generic[Item]):
    """A page that begins at a key. `total` counts all pages' items.

    `number` is for people: it is counted on from link to link, while the list may change.
    """

    found: KeyPage[Item]
    number: int
    last: int
    total: int

    @property
    def items(self) -> Sequence[Item]:
        return self.found.items

    @property
    def here(self) -> dict[str, object]:
        """Return what an address says to show this page again."""
        return _address(self.found.start, self.number)

    @property
    def previous(self) -> dict[str, object] | None:
        start = self.found.previous
        return _address(start, self.number - 1) if start else None

    @property
    def next(self) -> dict[str, object] | None:
        start = self.found.next
        return _address(start, self.number + 1) if start else None


def keyed_page(found: KeyPage[Item], total: int, size: int) -> KeyedPage[Item]:
    """Return a page that was read, with the number that this request names."""
    last = max(1, -(-total // size))
    number = 1 if found.previous is None else request.args.get("page", 2, type=row_number)
    # Where the list ends is known, whatever was counted on the way there.
    number = last if found.next is None else min(number, last - 1)
    return KeyedPage(found, max(number, 1 if found.previous is None else 2), last, total)


def requested_start(types: KeyTypes) -> Start:
    """Return where this request's page begins: at the first row if it names no possible key."""
    for side in (AFTER, BEFORE):
        key = _key(request.args.getlist(side), types)
        if key:
            return Start(side, key)
    return FIRST_PAGE


def _key(texts: Sequence[str], types: KeyTypes) -> Key:
    if len(texts) != len(types):
        return ()
    wanted = zip(texts, types, strict=True)
    if not all(each is str or _WHOLE_NUMBER.fullmatch(text) for text, each in wanted):
        return ()
    return typed_key(texts, types)


def _address(start: Start, number: int) -> dict[str, object]:
    if not start.key:
        return {}
    return {"page": number, start.side: [str(value) for value in start.key]}
