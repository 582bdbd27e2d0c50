"""The list of sites: its filters, its order, and the rows of a page."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from app.domain import attention, permissions
from app.domain.actor import Actor
from app.domain.attention import CRITICAL, Item
from app.domain.inventory import php_eol, versions, wordpress_eol
from app.domain.sites import tag_names
from app.models import fleet
from app.models.base import utcnow
from app.models.changes import APPROVED, PROPOSED, RUNNING, WAITING
from app.models.clients import Client
from app.models.fleet import FleetSite
from app.models.sites import ENDING_OR_OVER
from app.models.tags import SiteTag
from app.models.visibility import Visibility
from app.views import page_context
from app.views.pagination import Page, page_of
from app.views.request_validation import row_number

PAGE_SIZE = 40
_MOST_CHARS = 200
_DEFAULT_SORT = "attention"

_UNPAIRED = frozenset({"new", "pairing"})
# Values of the state filter that name values of Site.connection.
_CONNECTIONS = {
    "healthy": frozenset({"healthy"}),
    "unconnected": _UNPAIRED | frozenset(ENDING_OR_OVER),
    "unpaired": _UNPAIRED,
    "ended": frozenset(ENDING_OR_OVER),
}
# The filters above the list, in their order.
CHIPS = ("", "attention", "updates", "unconnected", "changed_files", "old_php", "old_wordpress")


@dataclass(frozen=True)
class SiteFilter:
    """The filter and the order of the list, as its address names them."""

    q: str = ""
    state: str = ""
    tag: str = ""
    client: int | None = None
    sort: str = _DEFAULT_SORT

    @classmethod
    def from_values(cls, values: Mapping[str, str]) -> SiteFilter:
        """Read the parameters of an address or the fields of a form; wrong ones filter nothing."""
        return cls(
            q=values.get("q", "").strip()[:_MOST_CHARS],
            state=values.get("state", "")[:20],
            tag=values.get("tag", "").strip()[: tag_names.MAX_CHARS + 1],
            client=_row_id(values.get("client", "")),
            sort=values.get("sort", "") or _DEFAULT_SORT,
        )

    def args(self, **changes: Any) -> dict[str, Any]:
        """Return the parameters of an address, with `changes`; without what filters nothing."""
        values = {**self.__dict__, **changes}
        if values["sort"] == _DEFAULT_SORT:
            del values["sort"]
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True)
class SiteRow:
    """A row of the list. `open_changes` counts the open updates by Change.state."""

    site: FleetSite
    tags: list[str]
    attention: list[Item]
    open_changes: dict[str, int]
    is_php_ended: bool

    @property
    def worst(self) -> Item | None:
        """Return what needs attention most; an update that needs checking before the rest."""
        ranked = sorted(self.attention, key=lambda item: (item.severity != CRITICAL, item.about))
        return ranked[0] if ranked else None

    @property
    def to_approve(self) -> int:
        return self.open_changes.get(PROPOSED, 0)

    @property
    def under_way(self) -> int:
        return sum(self.open_changes.get(state, 0) for state in (APPROVED, RUNNING, WAITING))


@dataclass(frozen=True)
class Selection:
    """The sites that a filter selects, in order, and what the list says beside them.

    `names` has all sites that the actor may see.
    """

    which: SiteFilter
    sites: list[FleetSite]
    counts: dict[str, int]
    names: dict[int, str]
    fleet_attention: int
    needs: dict[int, list[Item]]

    @property
    def fleet(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class SiteTable:
    """One page of the selected sites."""

    selection: Selection
    rows: list[SiteRow]
    page: Page[FleetSite]


@dataclass(frozen=True)
class Listing(SiteTable):
    """One page of the list, with the choices of its filters."""

    tags: list[str]
    clients: list[tuple[int, str]]
    client_name: str

    @property
    def which(self) -> SiteFilter:
        return self.selection.which

    @property
    def is_filtered(self) -> bool:
        return bool(self.which.q or self.which.state or self.which.tag or self.which.client)


def select_sites(actor: Actor, which: SiteFilter) -> Selection:
    """Return the sites that this actor may see and `which` selects.

    Client users see only their client's sites, and neither see nor filter by tags.
    """
    sees_tags = permissions.is_allowed(actor.role, "overview")
    sites = fleet.fleet(permissions.visibility_of(actor))
    urgent = attention.urgent(actor, sites)
    page_context.remember(urgent, len(sites))
    needs = attention.grouped_by_site(urgent)
    folded = tag_names.fold(which.tag) if which.tag and sees_tags else ""
    within = _within(sites, which, SiteTag.sites_tagged(folded) if folded else None)
    today = utcnow().date()
    chips = {
        state: [site for site in within if _is_in(site, state, needs, today)] for state in CHIPS
    }
    chosen = chips.get(which.state)
    if chosen is None:
        chosen = [site for site in within if _is_in(site, which.state, needs, today)]
    return Selection(
        which=which if sees_tags else replace(which, tag=""),
        sites=_in_order(chosen, which.sort, needs),
        counts={state: len(found) for state, found in chips.items()},
        names={site.id: site.name for site in sites},
        fleet_attention=sum(site.id in needs for site in sites),
        needs=needs,
    )


def list_sites(actor: Actor, which: SiteFilter) -> Listing:
    """Return one page of the sites that this actor may see and `which` selects."""
    is_agency = permissions.is_allowed(actor.role, "overview")
    visible = permissions.visibility_of(actor)
    tags = SiteTag.in_use(visible) if is_agency else {}
    if which.tag:
        which = replace(which, tag=tags.get(tag_names.fold(which.tag), which.tag))
    table = site_table(actor, which)
    selection = table.selection
    clients = list(Client.names(visible).items()) if is_agency else []
    return Listing(
        selection=selection,
        rows=table.rows,
        page=table.page,
        tags=list(tags.values()),
        clients=clients,
        client_name=dict(clients).get(selection.which.client or 0, ""),
    )


def site_table(actor: Actor, which: SiteFilter) -> SiteTable:
    """Return the same without the choices of the filters."""
    selection = select_sites(actor, which)
    page = page_of(selection.sites, PAGE_SIZE)
    is_agency = permissions.is_allowed(actor.role, "overview")
    visible = permissions.visibility_of(actor)
    rows = _rows(page.items, selection.needs, visible, with_tags=is_agency)
    return SiteTable(selection, rows, page)


def _row_id(text: str) -> int | None:
    try:
        return row_number(text)
    except ValueError:
        return None


def _within(sites: list[FleetSite], which: SiteFilter, tagged: set[int] | None) -> list[FleetSite]:
    return [
        site
        for site in sites
        if (not which.q or site.matches(which.q))
        and (which.client is None or site.client_id == which.client)
        and (tagged is None or site.id in tagged)
    ]


def _is_in(site: FleetSite, state: str, needs: Mapping[int, list[Item]], today: date) -> bool:
    """Whether a site matches the state filter; an unknown filter matches all."""
    if state == "attention":
        return site.id in needs
    if state == "changed_files":
        # Those that no one has accepted.
        return any(item.about == "files" for item in needs.get(site.id, ()))
    if state == "updates":
        # Sites that are no longer connected do not count.
        return site.is_paired and site.update_count > 0
    if state == "old_php":
        return site.is_paired and _is_php_ended(site, today)
    if state == "old_wordpress":
        return site.is_paired and site.wordpress != "" and _is_behind(site.wordpress)
    words = _CONNECTIONS.get(state)
    return words is None or site.connection in words


def _is_behind(wordpress: str) -> bool:
    """Whether a version is not of the newest branch, so that no one promises security fixes."""
    newest = wordpress_eol.newest_branch(())
    return wordpress_eol.support_of(wordpress, newest) != wordpress_eol.SUPPORTED


def _is_php_ended(site: FleetSite, today: date) -> bool:
    ends = php_eol.ends_on(site.php)
    return ends is not None and ends < today


def _in_order(sites: list[FleetSite], sort: str, needs: dict[int, list[Item]]) -> list[FleetSite]:
    """Sort by a column; `-` reverses it.

    Sites without a value come last. An unknown column is `attention`: those that need it first.
    """
    keys: dict[str, Any] = {
        "name": lambda site: site.name.casefold(),
        "client": lambda site: site.client_name.casefold() or None,
        "state": lambda site: site.connection,
        "updates": lambda site: site.available_updates,
        "wordpress": lambda site: versions.numbers(site.wordpress) or None,
        "php": lambda site: versions.numbers(site.php) or None,
        "synced": lambda site: site.last_success_at,
        "added": lambda site: site.added_at,
    }
    key = keys.get(sort.removeprefix("-"))
    if key is None:
        return sorted(sites, key=lambda site: _rank(needs.get(site.id, [])))
    valued = [site for site in sites if key(site) is not None]
    without = [site for site in sites if key(site) is None]
    return [*sorted(valued, key=key, reverse=sort.startswith("-")), *without]


def _rank(items: list[Item]) -> int:
    if any(item.severity == CRITICAL for item in items):
        return 0
    return 1 if items else 2


def _rows(
    sites: Collection[FleetSite],
    needs: dict[int, list[Item]],
    visible: Visibility,
    *,
    with_tags: bool,
) -> list[SiteRow]:
    ids = [site.id for site in sites]
    tags = SiteTag.of_sites(ids) if with_tags else {}
    under_way, today = fleet.open_changes(ids, visible), utcnow().date()
    return [
        SiteRow(
            site=site,
            tags=tags.get(site.id, []),
            attention=needs.get(site.id, []),
            open_changes=under_way.get(site.id, {}),
            is_php_ended=_is_php_ended(site, today),
        )
        for site in sites
    ]
