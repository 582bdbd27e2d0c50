"""Data of the lists of updates: available ones by plugin and by site, batches, blocked ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote, unquote

from werkzeug.datastructures import MultiDict

from app.domain import permissions
from app.domain.actor import Actor
from app.domain.changes import fleet_updates
from app.domain.changes.fleet_updates import BlockedUpdate
from app.domain.inventory.eligibility import KINDS, SEPARATE_KINDS
from app.domain.sites.tag_names import fold
from app.models import change_batches, update_lists
from app.models.available_updates import (
    RELEASE_TYPES,
    AvailableUpdate,
    UpdateCounts,
    UpdateFilter,
    UpdateKey,
)
from app.models.change_batches import Batch
from app.models.changes import Change
from app.models.clients import Client
from app.models.site_pages import PageQuestion
from app.models.tags import SiteTag
from app.models.update_lists import SiteGroup, UpdateGroup
from app.views.page_context import urgent_items
from app.views.pagination import KeyedPage, keyed_page, requested_start
from app.views.request_validation import row_number
from app.views.vulnerability_view_models import SecurityFix, fixes_of

PAGE_SIZE = 48
# A row of a batch is taller, and has more to say.
BATCHES_PAGE_SIZE = 30
# Fewer sites with the same reasons are named one by one.
_FOLDED_FROM = 3
_SITE = "site:"
_SEPARATOR = "|"


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
    groups: KeyedPage[UpdateGroup] | None
    sites: KeyedPage[SiteGroup] | None
    clients: list[tuple[int, str]]
    tags: list[str]
    security: dict[UpdateKey, SecurityFix]

    @property
    def page(self) -> KeyedPage[UpdateGroup] | KeyedPage[SiteGroup]:
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
    page: KeyedPage[BlockedUpdate]
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
    # A zero byte that was encoded twice passes request_validation, and PostgreSQL refuses it.
    if len(parts) != len(UpdateKey._fields) or parts[0] not in KINDS or "\0" in "".join(parts):
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
        available=AvailableUpdate.counts(update_filter, SEPARATE_KINDS) if is_agency else None,
        waiting=counts[change_batches.TO_APPROVE],
        running=counts[change_batches.UNDER_WAY],
        to_check=counts[change_batches.TO_CHECK],
    )


def available(actor: Actor, narrowing: Narrowing, now: datetime) -> AvailableList:
    """Return the page of the available updates that this request names."""
    update_filter = narrowing.filter_for(actor, now)
    shown = tabs(actor, now)
    counts = shown.available
    if counts is None or narrowing.is_narrow():
        # The chips show the number of each size.
        every_size = replace(update_filter, release_type="")
        counts = AvailableUpdate.counts(every_size, SEPARATE_KINDS)
    groups = None if narrowing.by else _by_component(update_filter)
    return AvailableList(
        tabs=shown,
        narrowing=narrowing,
        counts=counts,
        groups=groups,
        sites=_by_site(update_filter) if narrowing.by else None,
        clients=list(Client.names(update_filter.visible).items()),
        tags=list(SiteTag.in_use(update_filter.visible).values()),
        security=fixes_of([group.key for group in groups.items]) if groups else {},
    )


def _by_component(update_filter: UpdateFilter) -> KeyedPage[UpdateGroup]:
    start = requested_start(update_lists.COMPONENT_KEY)
    found, total = update_lists.by_component(update_filter, size=PAGE_SIZE, start=start)
    return keyed_page(found, total, PAGE_SIZE)


def _by_site(update_filter: UpdateFilter) -> KeyedPage[SiteGroup]:
    start = requested_start(update_lists.SITE_KEY)
    found, total = update_lists.by_site(update_filter, size=PAGE_SIZE, start=start)
    return keyed_page(found, total, PAGE_SIZE)


def blocked(actor: Actor, narrowing: Narrowing, now: datetime) -> BlockedList:
    """Return the page of the blocked updates that this request names, with their reasons."""
    update_filter = narrowing.filter_for(actor, now)
    shown = tabs(actor, now)
    counts = AvailableUpdate.counts(update_filter) if narrowing.is_narrow() else shown.available
    start = requested_start(update_lists.BLOCKED_KEY)
    found = fleet_updates.blocked_updates(update_filter, size=PAGE_SIZE, start=start)
    page = keyed_page(found, counts.blocked if counts else len(found.items), PAGE_SIZE)
    security = fixes_of([row.update.key for row in found.items])
    return BlockedList(shown, narrowing, page, security)


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
