"""With many sites, each list says how many there are and shows all of them, page by page."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.domain.actor import Actor
from app.models.base import utcnow
from app.models.changes import Change
from app.models.sites import ACTIVE, Site
from app.views.pagination import PAGE_SIZE

MANY = 2 * PAGE_SIZE + 30


@pytest.fixture
def many(ana: Actor) -> None:
    rows = [
        {
            "name": f"Site {number:03}",
            "url": f"https://site{number}.example",
            "state": ACTIVE,
            "added_at": utcnow(),
            "added_by": ana.id,
        }
        for number in range(MANY)
    ]
    Site.insert_many(rows).execute()


def names(text: str) -> set[str]:
    return set(re.findall(r"Site \d{3}", text))


def test_the_list_of_sites_has_pages(as_ana: Any, many: None) -> None:
    pages = [as_ana.get(f"/sites?page={number}").text for number in (1, 2, 3)]
    assert [len(names(page)) for page in pages] == [PAGE_SIZE, PAGE_SIZE, 30]
    assert len(set().union(*map(names, pages))) == MANY
    assert f"Sites 1 to {PAGE_SIZE} of {MANY}" in pages[0]
    assert "page=2" in pages[0]
    assert "Next page" not in pages[2]


def test_a_filter_is_kept_from_page_to_page(as_ana: Any, many: None) -> None:
    page = as_ana.get("/sites?q=Site 1&sort=-added").text
    assert f"{PAGE_SIZE} of {MANY} shown" in page
    again = as_ana.get("/sites?q=Site&sort=-added").text
    assert re.search(r'href="/sites\?page=2&amp;q=Site&amp;sort=-added"', again)


@pytest.mark.parametrize(("asked", "shown"), [("0", "001"), ("99", "229"), ("x", "001")])
def test_a_page_that_is_not_there_is_the_nearest(
    as_ana: Any, many: None, asked: str, shown: str
) -> None:
    assert f"Site {shown}" in as_ana.get(f"/sites?page={asked}").text


def test_a_rule_can_name_every_site(as_ana: Any, many: None) -> None:
    assert len(names(as_ana.get("/auto-update-rules").text)) == MANY


def test_the_history_of_a_component_is_whole(as_ana: Any, proposed: Change) -> None:
    Change.update(state="expired", ended_at=utcnow()).execute()
    ended = Change.get().__data__
    for number in range(60):
        Change.create(**{**ended, "id": None, "op_id": f"other {number}"})
    address = f"/sites/{proposed.site_id}/component?kind=plugin&ident={proposed.ident}"
    assert len(set(re.findall(r'href="/changes/(\d+)"', as_ana.get(address).text))) == 61
