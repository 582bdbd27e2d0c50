"""Choose the pages of a site that must still work after each update, and what must be on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app import queue
from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import (
    PageLookRequested,
    SitePageAdded,
    SitePageChanged,
    SitePageRemoved,
)
from app.domain.errors import Conflict, Invalid, NotFound
from app.domain.page_checks import addresses, comparison
from app.domain.page_checks.comparison import Requirements
from app.domain.text import has_hidden_characters
from app.models.base import DuplicateRow
from app.models.site_pages import PageRound, SitePage
from app.models.sites import Site

MOST_PAGES = 20
MAX_PHRASE_CHARS = 200
MAX_ACTION_CHARS = 300
# The statuses that a person can require; 0 requires none.
STATUSES = (200, 401, 403, 404, 0)


@dataclass(frozen=True)
class TypedPage:
    """A page as someone typed it."""

    path: str
    phrase: str = ""
    selector: str = ""
    form_action: str = ""
    status: int = 200
    no_notice: bool = True
    no_console_error: bool = False


def requirements_of(page: SitePage) -> Requirements:
    """Return what must be on a page."""
    return Requirements(
        page.phrase,
        page.selector,
        page.form_action,
        page.status,
        page.no_notice,
        page.no_console_error,
    )


def add_page(site: Site, typed: TypedPage, *, by: Actor, now: datetime) -> SitePage:
    """Add a page, and look at it soon.

    Raises: Forbidden, NotFound, Conflict, or Invalid with the name of a field of TypedPage.
    """
    permissions.require(by, "pair")
    columns = _columns(typed, site)
    try:
        with permissions.user_transaction(by, "pair", site) as (tx, by):
            _require_present(site)
            if len(SitePage.of_site(site.id)) >= MOST_PAGES:
                raise Conflict(f"A site has at most {MOST_PAGES} pages. Remove one first.")
            page = SitePage.insert_one(site=site, **columns)
            audit.record(SitePageAdded(site_id=site.id, **columns), by, now=now)
            PageRound.request(site.id, now)
            tx.after_commit(queue.enqueue, "look_at_pages", site.id)
    except DuplicateRow:
        raise Invalid("path", "This page is in the list already.") from None
    return page


def change_page(site: Site, page_id: int, typed: TypedPage, *, by: Actor, now: datetime) -> None:
    """Change a page or what must be on it. Raises as `add_page` does."""
    permissions.require(by, "pair")
    columns = _columns(typed, site)
    try:
        with permissions.user_transaction(by, "pair", site) as (tx, by):
            _require_present(site)
            page = _page(site, page_id)
            if all(getattr(page, name) == value for name, value in columns.items()):
                return
            before = page.path
            page.update_if(**columns, looked_at=None, result={})
            event = SitePageChanged(site_id=site.id, path_before=before, **columns)
            audit.record(event, by, now=now)
            PageRound.request(site.id, now)
            tx.after_commit(queue.enqueue, "look_at_pages", site.id)
    except DuplicateRow:
        raise Invalid("path", "This page is in the list already.") from None


def remove_page(site: Site, page_id: int, *, by: Actor, now: datetime) -> None:
    """Remove a page from the list. Raises: Forbidden, or NotFound."""
    with permissions.user_transaction(by, "pair", site) as (_, by):
        page = _page(site, page_id)
        page.delete_instance()
        audit.record(SitePageRemoved(site_id=site.id, path=page.path), by, now=now)


def request_look(site: Site, *, by: Actor, now: datetime) -> None:
    """Look at all pages of a site soon. Raises: Forbidden, NotFound, or Conflict."""
    with permissions.user_transaction(by, "sync", site) as (tx, by):
        _require_present(site)
        PageRound.request(site.id, now)
        audit.record(PageLookRequested(site_id=site.id), by, now=now)
        tx.after_commit(queue.enqueue, "look_at_pages", site.id)


def _page(site: Site, page_id: int) -> SitePage:
    page = SitePage.known(site.id, page_id)
    if page is None:
        raise NotFound("This page is not in the list. It may have been removed.")
    return page


def _require_present(site: Site) -> None:
    site.refresh()
    if site.forgotten_at:
        raise Conflict("This site was removed from Aura.")


def _columns(typed: TypedPage, site: Site) -> dict[str, Any]:
    """Return the columns of a page. Raises: Invalid."""
    problems: dict[str, str] = {}
    path = ""
    try:
        path = addresses.path_of(typed.path, site.url)
    except Invalid as refusal:
        problems |= refusal.messages
    phrase = " ".join(typed.phrase.split())
    selector, action = typed.selector.strip(), typed.form_action.strip()
    if len(phrase) > MAX_PHRASE_CHARS:
        problems["phrase"] = f"At most {MAX_PHRASE_CHARS} characters."
    if len(selector) > comparison.MAX_SELECTOR_CHARS:
        problems["selector"] = f"At most {comparison.MAX_SELECTOR_CHARS} characters."
    elif selector and not comparison.is_selector(selector):
        problems["selector"] = "This is not a CSS selector. An example: form#order button."
    if len(action) > MAX_ACTION_CHARS:
        problems["form_action"] = f"At most {MAX_ACTION_CHARS} characters."
    for name, text in (("phrase", phrase), ("selector", selector), ("form_action", action)):
        if has_hidden_characters(text):
            problems[name] = "Remove characters that are invisible or change the text direction."
    if typed.status not in STATUSES:
        problems["status"] = "Choose one of the statuses."
    Invalid.raise_for(problems)
    return {
        "path": path,
        "phrase": phrase,
        "selector": selector,
        "form_action": action,
        "status": typed.status,
        "no_notice": typed.no_notice,
        "no_console_error": typed.no_console_error,
    }
