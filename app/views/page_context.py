"""The data of the frame around every page: navigation and counters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, g, request
from flask_login import current_user

from app.domain import attention, permissions
from app.domain.attention import Item
from app.models.accounts import SYSTEM_THEME
from app.models.change_stops import ChangeStop
from app.models.changes import Change
from app.models.sites import Site
from app.views.authorization import current_actor, current_session

bp = Blueprint("page_context", __name__)


@dataclass(frozen=True)
class Place:
    """An item of the navigation.

    `count` is shown beside the label, with the word `says` after it. `also` are the beginnings of
    other addresses that belong to the item.
    """

    path: str
    label: str
    symbol: str
    count: int = 0
    says: str = ""
    is_urgent: bool = False
    also: tuple[str, ...] = ()

    @property
    def is_here(self) -> bool:
        """Whether the current page belongs to this item."""
        under = (*self.also, *(() if self.path == "/" else (f"{self.path}/",)))
        return request.path == self.path or request.path.startswith(under or ("\n",))


@dataclass(frozen=True)
class Frame:
    """The frame of a page: the navigation, and what every page warns of."""

    places: list[Place]
    stop: ChangeStop | None
    critical_alerts: list[Item]
    changed_log: Item | None


def remember(urgent: list[Item], sites: int) -> None:
    """Keep what a view has read for its page, so that the frame does not read it again."""
    g.urgent, g.site_count = urgent, sites


def announce_site(site: Site) -> None:
    """Say which site the page is about, so that its changes are read with those of the frame."""
    g.site_of_page = site


def changes_on(site: Site) -> list[Change]:
    """Return the open changes and the incidents of the site that the page is about."""
    urgent_items()
    return [change for change in g.changes if change.site_id == site.id]


@bp.app_template_global("theme")
def theme() -> str:
    """Return 'light' or 'dark' if the signed-in user has chosen it, otherwise an empty text."""
    is_known = current_user and current_user.is_authenticated
    return "" if not is_known or current_user.theme == SYSTEM_THEME else str(current_user.theme)


def urgent_items() -> list[Item]:
    """Return what needs attention now, read once for the frame and the page in it.

    Unless the page lists the sites, the items about connections do not name theirs.
    """
    if "urgent" not in g:
        brief = attention.urgent_in_brief(current_actor(), g.get("site_of_page"))
        remember(brief.items, brief.sites)
        g.changes = brief.changes
    found: list[Item] = g.urgent
    return found


def count_sites() -> int:
    """Return how many sites the signed-in user may see, read once as above."""
    urgent_items()
    return int(g.site_count)


@bp.app_template_global("page_frame")
def page_frame() -> Frame:
    """Return the frame for the signed-in user."""
    urgent = urgent_items()
    return Frame(
        places=_places(current_user.role, urgent, g.site_count),
        stop=current_session().session.stop,
        critical_alerts=[
            one for one in urgent if one.about == "alert" and one.severity == attention.CRITICAL
        ],
        changed_log=next((one for one in urgent if one.about == "audit_log"), None),
    )


def _places(role: str, urgent: Sequence[Item], sites: int) -> list[Place]:
    tasks = attention.tasks(urgent)
    is_critical = any(task.severity == attention.CRITICAL for task in tasks)
    found = [
        Place("/", "Overview", "house", len(tasks), is_urgent=is_critical),
        Place("/sites", "Sites", "layout-grid", sites),
        _updates(role, urgent),
    ]
    is_reader = permissions.is_allowed(role, "audit")
    if is_reader:
        found.append(_alerts([one for one in urgent if one.about == "alert"]))
    label = "Clients" if permissions.is_allowed(role, "overview") else "Report"
    found.append(Place("/clients", label, "briefcase"))
    if is_reader:
        found.append(Place("/activity", "Activity", "scroll-text"))
    also = ("/team", "/what-leaves")
    return [*found, Place("/settings", "Settings", "sliders-horizontal", also=also)]


def _updates(role: str, urgent: Sequence[Item]) -> Place:
    is_checker = permissions.is_allowed(role, "approve")
    about = {"approval", "change", "pages", "release"} if is_checker else {"approval"}
    count = sum(one.about in about for one in urgent)
    also = ("/changes/", "/plugins/", "/auto-update-rules", "/vulnerabilities")
    return Place("/updates", "Updates", "circle-arrow-up", count, "for you", also=also)


def _alerts(items: Sequence[Item]) -> Place:
    critical = sum(one.severity == attention.CRITICAL for one in items)
    if critical:
        return Place("/alerts", "Alerts", "bell", critical, "critical", is_urgent=True)
    return Place("/alerts", "Alerts", "bell", len(items), "open")
