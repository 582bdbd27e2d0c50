"""Data of the lists of updates: available ones by plugin and by site, batches, blocked ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote, unquote

from werkzeug.datastructures import MultiDict

from app.domain import permissions
from app.domain.actor import Actor
from app.domain.changes import fleet_updates
from app.domain.changes.fleet_updates import BlockedUpdate
from app.domain.inventory.eligibility import KINDS, SEPARATE_KINDS
from app.domain.sites.tag_names import fold
from app.models import change_batches
from app.models.available_updates import (
    RELEASE_TYPES,
    AvailableUpdate,
    SiteGroup,
    UpdateCounts,
    UpdateFilter,
    UpdateGroup,
    UpdateKey,
)
from app.models.change_batches import Batch
from app.models.changes import Change
from app.models.clients import Client
from app.models.site_pages import PageQuestion
from app.models.tags import SiteTag
from app.views.page_context import urgent_items
from app.views.pagination import Page
from app.views.request_validation import row_number
from app.views.vulnerability_view_models import SecurityFix, fixes_of

PAGE_SIZE = 50
# A row of a batch is taller, and has more to say.
BATCHES_PAGE_SIZE = 30
# Fewer sites with the same reasons are named one by one.
_FOLDED_FROM = 3
_SITE = "site:"
_SEPARATOR = "|"

Row = TypeVar("Row")


@dataclass(frozen=True)
class Narrowing:
    """The filters of the lists, as the address names them."""

    text: str = ""
    size: str = ""
    client: int | None = None
    tag: str = ""
    sites: tuple[int, ...] = ()
    by: str = ""

    @classmethod
    def of(cls, values: MultiDict[str, str]) -> Narrowing:
        """Return the filters in an address or a form; unknown values narrow nothing."""
        size = values.get("size", "")
        return cls(
            text=values.get("q", "").strip()[:100],
            size=size if size in RELEASE_TYPES else "",
            client=values.get("client", type=row_number),
            tag=values.get("tag", "").strip()[:30],
            sites=tuple(values.getlist("site", type=row_number)),
            by="site" if values.get("by") == "site" else "",
        )

    def args(self, **changes: object) -> dict[str, object]:
        """Return the parameters of the same list with `changes`, without empty ones."""
        found: dict[str, object] = {
            "q": self.text,
            "size": self.size,
            "client": self.client,
            "tag": self.tag,
            "site": list(self.sites),
            "by": self.by,
            **changes,
        }
        return {name: value for name, value in found.items() if value not in ("", None, [])}

    def is_narrow(self) -> bool:
        return bool(self.text or self.client or self.tag or self.sites)

    def filter_for(self, actor: Actor, now: datetime) -> UpdateFilter:
        """Return the filter for the database, within what `actor` may see."""
        return fleet_updates.updates_visible_to(
            actor,
            now,
            client_id=self.client,
            site_ids=self.sites,
            tag=fold(self.tag),
            text=self.text,
            release_type=self.size,
        )


@dataclass(frozen=True)
class Tabs:
    """The numbers beside the tabs; those that this person may not open are None."""

    available: UpdateCounts | None
    waiting: int
    running: int
    to_check: int


@dataclass(frozen=True)
class AvailableList:
    """The page of available updates."""

    tabs: Tabs
    narrowing: Narrowing
    counts: UpdateCounts
    groups: Page[UpdateGroup] | None
    sites: Page[SiteGroup] | None
    clients: list[tuple[int, str]]
    tags: list[str]
    security: dict[UpdateKey, SecurityFix]

    @property
    def page(self) -> Page[UpdateGroup] | Page[SiteGroup]:
        found = self.sites if self.groups is None else self.groups
        if found is None:
            raise ValueError("a list is by plugin or by site")
        return found


@dataclass(frozen=True)
class BlockedGroup:
    """Blocked updates to one version of one component, for the same reasons."""

    rows: tuple[BlockedUpdate, ...]

    @property
    def first(self) -> BlockedUpdate:
        return self.rows[0]

    @property
    def from_version(self) -> str:
        """Return the installed version; empty if the sites have several."""
        found = {row.update.from_version for row in self.rows}
        return found.pop() if len(found) == 1 else ""


@dataclass(frozen=True)
class BlockedList:
    """A page of the updates that something speaks against."""

    tabs: Tabs
    narrowing: Narrowing
    page: Page[BlockedUpdate]
    security: dict[UpdateKey, SecurityFix]

    @property
    def groups(self) -> list[BlockedGroup]:
        """Return the rows of the page; several sites with the same reasons are one row."""
        alike: dict[tuple[object, ...], list[BlockedUpdate]] = {}
        for row in self.page.items:
            alike.setdefault(_likeness_of_blocked(row), []).append(row)
        found = []
        for rows in alike.values():
            together = [rows] if len(rows) >= _FOLDED_FROM else [[row] for row in rows]
            found += [BlockedGroup(tuple(members)) for members in together]
        return found


@dataclass(frozen=True)
class BatchList:
    """A page of batches.

    On the first one, `to_check` are the changes that need checking, and `questions` are about pages
    after updates.

    `before` is where the page begins, and `older` where the next one does; None if there is none.
    """

    tabs: Tabs
    tab: str
    outcome: str
    rows: list[Batch]
    before: int | None
    older: int | None
    to_check: list[Change]
    questions: list[PageQuestion]


def as_choice(key: UpdateKey) -> str:
    """Return the form value of an update on any site, which includes the versions shown."""
    return _SEPARATOR.join(quote(part, safe="/") for part in key)


def from_choices(texts: Sequence[str]) -> tuple[list[UpdateKey], list[int]]:
    """Return the updates and the sites that form values name.

    Raises: ValueError for other values.
    """
    site_ids = [row_number(text.removeprefix(_SITE)) for text in texts if text.startswith(_SITE)]
    return [_key(text) for text in texts if not text.startswith(_SITE)], site_ids


def _key(text: str) -> UpdateKey:
    parts = [unquote(part) for part in text.split(_SEPARATOR)]
    if len(parts) != len(UpdateKey._fields) or parts[0] not in KINDS:
        raise ValueError(text)
    return UpdateKey(*parts)


def is_separate(key: UpdateKey) -> bool:
    """Whether the update is reviewed without others."""
    return key.kind in SEPARATE_KINDS


def tabs(actor: Actor, now: datetime) -> Tabs:
    """Return the numbers of all tabs, in two queries."""
    counts = change_batches.counts(permissions.visibility_of(actor))
    is_agency = permissions.is_allowed(actor.role, "overview")
    update_filter = fleet_updates.updates_visible_to(actor, now)
    return Tabs(
        available=AvailableUpdate.counts(update_filter) if is_agency else None,
        waiting=counts[change_batches.TO_APPROVE],
        running=counts[change_batches.UNDER_WAY],
        to_check=counts[change_batches.TO_CHECK],
    )


def available(actor: Actor, narrowing: Narrowing, number: int, now: datetime) -> AvailableList:
    """Return a page of the available updates."""
    update_filter = narrowing.filter_for(actor, now)
    shown = tabs(actor, now)
    counts = shown.available
    if counts is None or narrowing.is_narrow():
        counts = AvailableUpdate.counts(Narrowing.filter_for(_unsized(narrowing), actor, now))
    groups = None if narrowing.by else _page(AvailableUpdate.by_component, update_filter, number)
    return AvailableList(
        tabs=shown,
        narrowing=narrowing,
        counts=counts,
        groups=groups,
        sites=_page(AvailableUpdate.by_site, update_filter, number) if narrowing.by else None,
        clients=list(Client.names(update_filter.visible).items()),
        tags=list(SiteTag.in_use(update_filter.visible).values()),
        security=fixes_of([group.key for group in groups.items]) if groups else {},
    )


def _unsized(narrowing: Narrowing) -> Narrowing:
    """Return the filters without the size, whose numbers the chips show."""
    return Narrowing(narrowing.text, "", narrowing.client, narrowing.tag, narrowing.sites)


def _page(
    read: Callable[..., tuple[list[Row], int]], update_filter: UpdateFilter, number: int
) -> Page[Row]:
    rows, total = read(update_filter, limit=PAGE_SIZE, offset=(number - 1) * PAGE_SIZE)
    return Page(rows, number, total, PAGE_SIZE)


def blocked(actor: Actor, narrowing: Narrowing, number: int, now: datetime) -> BlockedList:
    """Return a page of the blocked updates with their reasons."""
    update_filter = narrowing.filter_for(actor, now)
    shown = tabs(actor, now)
    counts = AvailableUpdate.counts(update_filter) if narrowing.is_narrow() else shown.available
    rows = fleet_updates.blocked_updates(
        update_filter, limit=PAGE_SIZE, offset=(number - 1) * PAGE_SIZE
    )
    total = counts.blocked if counts else len(rows)
    security = fixes_of([row.update.key for row in rows])
    return BlockedList(shown, narrowing, Page(rows, number, total, PAGE_SIZE), security)


def _likeness_of_blocked(row: BlockedUpdate) -> tuple[object, ...]:
    """Return what the rows of one group have in common; a hold has a text of its own."""
    update, hold = row.update, row.hold.id if row.hold else 0
    reasons = tuple((reason.code, *sorted(reason.facts.items())) for reason in row.reasons)
    return update.kind, update.ident, update.to_version, reasons, hold


def batches(actor: Actor, tab: str, outcome: str, before: int | None, now: datetime) -> BatchList:
    """Return a page of the batches in a list; for client users those of their sites."""
    outcome = outcome if tab == change_batches.ENDED and outcome in change_batches.OUTCOMES else ""
    # One more than is shown, to know whether there is an older page.
    found = change_batches.listing(
        tab,
        visible=permissions.visibility_of(actor),
        outcome=outcome,
        limit=BATCHES_PAGE_SIZE + 1,
        before=before,
    )
    rows = found[:BATCHES_PAGE_SIZE]
    shows_checks = tab == change_batches.ENDED and before is None and not outcome
    return BatchList(
        tabs=tabs(actor, now),
        tab=tab,
        outcome=outcome,
        rows=rows,
        before=before,
        older=rows[-1].last_id if len(found) > len(rows) else None,
        to_check=_to_check() if shows_checks else [],
        questions=_page_questions() if shows_checks else [],
    )


def _to_check() -> list[Change]:
    """Return the changes that need checking, which the frame of the page counts."""
    rows = (item.row for item in urgent_items() if item.about == "change")
    return [row for row in rows if isinstance(row, Change)]


def _page_questions() -> list[PageQuestion]:
    """Return the open questions about pages after updates, which the frame counts as well."""
    return [item.row for item in urgent_items() if isinstance(item.row, PageQuestion)]
