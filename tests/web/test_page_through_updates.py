"""Page through long lists of updates by their links."""

from __future__ import annotations

import html
import re

import pytest

from app.domain.actor import Actor
from app.models.available_updates import AvailableUpdate
from app.models.base import utcnow
from app.views.update_view_models import PAGE_SIZE
from tests.support.browsers import Person
from tests.support.many_updates import add_updates
from tests.support.queries import counted_queries

MANY = 2 * PAGE_SIZE + 20
LISTS = pytest.mark.parametrize("path", ["/updates", "/updates?by=site", "/updates/blocked"])
MAX_QUERIES = 12


def fill(path: str, by: Actor) -> None:
    """Add more rows than two pages of a list have."""
    sites, plugins = (MANY, 1) if "by=site" in path else (5, MANY)
    is_blocked = "blocked" in path
    # Sites with the same reason would be one row.
    add_updates(
        by, utcnow(), sites=1 if is_blocked else sites, plugins=plugins, is_blocked=is_blocked
    )


def links(text: str) -> dict[str, str]:
    """Return the addresses of the previous and the next page by their link text."""
    found = re.findall(r'<a [^>]*href="([^"]+)"[^>]*>(?:<[^>]+>)*((?:Next|Previous) page)', text)
    return {words: html.unescape(address) for address, words in found}


def rows(text: str) -> list[str]:
    """Return the rows of the list without their input fields."""
    found = re.findall(
        r'<tr role="row">\s*(?:<td.*?)?<th role="rowheader".*?</tr>', text, re.DOTALL
    )
    return [re.sub(r"<input[^>]*>", "", row) for row in found]


def page_words(text: str) -> str:
    found = re.search(r"Page [^<]+", text)
    return found[0].strip() if found else ""


@LISTS
def test_the_links_lead_through_the_whole_list_and_back(
    as_ana: Person, ana: Actor, path: str
) -> None:
    fill(path, ana)
    first = as_ana.get(path).text
    second = as_ana.get(links(first)["Next page"]).text
    third = as_ana.get(links(second)["Next page"]).text
    assert [len(rows(text)) for text in (first, second)] == [PAGE_SIZE] * 2
    assert not set(rows(first)) & set(rows(second))
    assert not set(rows(second)) & set(rows(third))
    assert set(links(first)) == {"Next page"}
    assert set(links(third)) == {"Previous page"}
    back = as_ana.get(links(third)["Previous page"]).text
    assert rows(back) == rows(second)
    start = as_ana.get(links(back)["Previous page"]).text
    assert rows(start) == rows(first)
    assert set(links(start)) == {"Next page"}


@LISTS
def test_each_page_shows_its_number_and_the_total(as_ana: Person, ana: Actor, path: str) -> None:
    fill(path, ana)
    text, labels = as_ana.get(path).text, []
    while True:
        labels.append(page_words(text))
        following = links(text).get("Next page")
        if following is None:
            break
        text = as_ana.get(following).text
    total = labels[0].split(", ", 1)[1]
    assert labels == [f"Page {number} of 3, {total}" for number in (1, 2, 3)]
    assert re.fullmatch(r"\d{3} (updates|sites|blocked updates)", total)


@LISTS
def test_no_page_takes_more_queries_than_the_first(as_ana: Person, ana: Actor, path: str) -> None:
    fill(path, ana)
    address: str | None = path
    as_ana.get(path)
    while address:
        with counted_queries() as statements:
            text = as_ana.get(address).text
        assert len(statements) <= MAX_QUERIES, address
        address = links(text).get("Next page")


@LISTS
@pytest.mark.parametrize(
    "start",
    [
        "page=2",
        "after=x",
        "after=",
        "after=1&after=2",
        "after=x&after=x&after=x",
        "before=-99999999999&before=a&before=1",
        "after=0&after=0&after=--1&after=a&after=b&after=c&after=d&after=e",
        "before=0&before=0&before=1.5&before=a&before=b&before=c&before=d&before=e",
        "before=-1&before=&before=0",
        "after=\U0010fffd&after=b&after=c&after=99999999&after=d&after=e",
    ],
)
def test_an_invalid_position_shows_the_first_page(
    as_ana: Person, ana: Actor, path: str, start: str
) -> None:
    fill(path, ana)
    answer = as_ana.get(f"{path}{'&' if '?' in path else '?'}{start}")
    assert answer.status_code == 200
    assert page_words(answer.text).startswith("Page 1 of 3")
    assert rows(answer.text) == rows(as_ana.get(path).text)


def test_a_page_stays_the_same_when_earlier_updates_disappear(as_ana: Person, ana: Actor) -> None:
    fill("/updates", ana)
    address = links(as_ana.get("/updates").text)["Next page"]
    before = rows(as_ana.get(address).text)
    gone = AvailableUpdate.select().where(AvailableUpdate.ident == "plugin-0/main.php")
    assert AvailableUpdate.delete().where(AvailableUpdate.ident == gone[0].ident).execute()
    assert rows(as_ana.get(address).text) == before


def test_filters_and_a_selection_stay_on_the_page(as_ana: Person, ana: Actor) -> None:
    fill("/updates", ana)
    second = links(as_ana.get("/updates?q=o&by=").text)["Next page"]
    assert "q=o" in second
    text = as_ana.get(second).text
    found = re.search(r'<a class="update-all" href="([^"]+)"', text)
    assert found
    selected = as_ana.get(html.unescape(found[1])).text
    names = re.compile(r'cell-name"[^>]*>([^<]+)')
    assert names.findall(selected) == names.findall(text)
    assert selected.count(" checked") == len(rows(text)) > 0
    assert page_words(selected) == page_words(text)
