"""Page through the lists of updates: every row once, and the last page as fast as the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from app.domain.actor import Actor
from app.domain.inventory.eligibility import STALE_AFTER
from app.models import update_lists
from app.models.available_updates import AvailableUpdate, UpdateFilter
from app.models.base import db
from app.models.key_pages import AFTER, BEFORE, KeyPage, Start
from tests.support.fakes import Clock
from tests.support.many_updates import add_updates

pytestmark = pytest.mark.both_databases

SITES, PLUGINS, FEW_PLUGINS, SIZE = 24, 40, 6, 7
_STEPS_PER_CALL = 100

Read = Callable[..., KeyPage[Any]]


def by_component(filters: UpdateFilter, **where: Any) -> KeyPage[Any]:
    return update_lists.by_component(filters, **where)[0]


def by_site(filters: UpdateFilter, **where: Any) -> KeyPage[Any]:
    return update_lists.by_site(filters, **where)[0]


LISTS = pytest.mark.parametrize("read", [by_component, by_site, update_lists.blocked])


@pytest.fixture
def filters(clock: Clock) -> UpdateFilter:
    return UpdateFilter(clock(), clock() - STALE_AFTER)


def fill(read: Read, by: Actor, now: datetime, *, plugins: int = PLUGINS) -> None:
    is_blocked = read is update_lists.blocked
    add_updates(by, now, sites=SITES, plugins=plugins, is_blocked=is_blocked)


def fill_some_pages(read: Read, by: Actor, now: datetime) -> None:
    """Add updates for a few pages of this list; each blocked update is a row of its own."""
    fill(read, by, now, plugins=FEW_PLUGINS if read is update_lists.blocked else PLUGINS)


def name_of(item: Any) -> object:
    """Return what one row of a list is about."""
    if isinstance(item, AvailableUpdate):
        return item.site_id, item.key
    return item.site.id if hasattr(item, "site") else item.key


def names(page: KeyPage[Any]) -> list[object]:
    return [name_of(item) for item in page.items]


def all_pages(read: Read, filters: UpdateFilter) -> list[KeyPage[Any]]:
    """Follow the links from the first page to the last and return all pages."""
    pages = [read(filters, size=SIZE)]
    while following := pages[-1].next:
        pages.append(read(filters, size=SIZE, start=following))
    return pages


@LISTS
def test_the_pages_contain_every_row_once_in_list_order(
    read: Read, ana: Actor, filters: UpdateFilter
) -> None:
    fill_some_pages(read, ana, filters.now)
    expected = names(read(filters, size=10_000))
    pages = all_pages(read, filters)
    assert [name for page in pages for name in names(page)] == expected
    assert [len(page.items) for page in pages[:-1]] == [SIZE] * (len(pages) - 1)
    assert len(pages) > 3


@LISTS
def test_the_way_back_has_the_same_pages(read: Read, ana: Actor, filters: UpdateFilter) -> None:
    fill_some_pages(read, ana, filters.now)
    pages = all_pages(read, filters)
    assert pages[0].previous is None
    page = pages[-1]
    for before in reversed(pages[:-1]):
        assert page.previous is not None
        page = read(filters, size=SIZE, start=page.previous)
        assert names(page) == names(before)
        assert page.next == before.next
    assert page.previous is None


@LISTS
def test_a_row_that_leaves_the_first_page_hides_none_on_the_second(
    read: Read, ana: Actor, filters: UpdateFilter
) -> None:
    fill_some_pages(read, ana, filters.now)
    first, second, *_ = all_pages(read, filters)
    delete_row(first.items[0])
    assert first.next is not None
    assert names(read(filters, size=SIZE, start=first.next)) == names(second)


def delete_row(item: Any) -> None:
    """Delete the updates that a row is about."""
    update = AvailableUpdate
    query = update.delete()
    if isinstance(item, AvailableUpdate):
        query = query.where(update.id == item.id)
    elif hasattr(item, "site"):
        query = query.where(update.site == item.site)
    else:
        query = query.where(update.ident == item.key.ident)
    assert query.execute()


@LISTS
def test_the_first_page_is_full_after_paging_back(
    read: Read, ana: Actor, filters: UpdateFilter
) -> None:
    fill_some_pages(read, ana, filters.now)
    first, second, *_ = all_pages(read, filters)
    assert second.previous is not None
    delete_row(first.items[0])
    page = read(filters, size=SIZE, start=second.previous)
    assert names(page) == [*names(first)[1:], names(second)[0]]
    assert (page.previous, page.start) == (None, Start())


@LISTS
def test_a_start_after_the_last_row_shows_the_first_page(
    read: Read, ana: Actor, filters: UpdateFilter
) -> None:
    fill_some_pages(read, ana, filters.now)
    pages = all_pages(read, filters)
    assert pages[1].previous is not None
    # Greater than any key, with the same types.
    key = tuple(10**8 if isinstance(part, int) else "ÿ" for part in pages[1].previous.key)
    page = read(filters, size=SIZE, start=Start(AFTER, key))
    assert names(page) == names(pages[0])


@LISTS
@pytest.mark.sqlite_only
def test_the_last_page_costs_the_database_no_more_than_the_first(
    read: Read, ana: Actor, filters: UpdateFilter
) -> None:
    fill(read, ana, filters.now)
    pages = all_pages(read, filters)
    last = pages[-2].start
    with counted_steps() as for_first:
        read(filters, size=SIZE)
    with counted_steps() as for_last:
        read(filters, size=SIZE, start=last)
    with counted_steps() as for_back:
        read(filters, size=SIZE, start=pages[1].previous or Start(BEFORE))
    assert for_first[0] > 50
    assert max(for_last[0], for_back[0]) <= 1.15 * for_first[0]


@contextmanager
def counted_steps() -> Iterator[list[int]]:
    """Count the steps of SQLite's virtual machine, in hundreds."""
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    connection = db.connection()
    connection.set_progress_handler(count, _STEPS_PER_CALL)
    try:
        yield steps
    finally:
        connection.set_progress_handler(None, 0)


def test_a_list_that_fits_on_one_page_has_no_other_page(ana: Actor, filters: UpdateFilter) -> None:
    add_updates(ana, filters.now, sites=2, plugins=2)
    page, total = update_lists.by_component(filters, size=2)
    assert (page.previous, page.next, len(page.items), total) == (None, None, 2, 2)


def test_a_list_without_rows_is_an_empty_page(ana: Actor, filters: UpdateFilter) -> None:
    page, total = update_lists.by_component(filters, size=2)
    assert (list(page.items), page.previous, page.next, total) == ([], None, None, 0)
