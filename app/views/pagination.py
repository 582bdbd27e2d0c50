"""Split a long list into pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from flask import request

from app.views.request_validation import row_number

PAGE_SIZE = 100

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
