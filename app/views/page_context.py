"""The data of the frame around every page: navigation and counters."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, request
from flask_login import current_user

from app.domain import alerts as alert_actions
from app.domain import attention, permissions
from app.domain.actor import Actor
from app.models.alerts import Alert
from app.models.sites import Site
from app.views.authorization import current_actor

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
    """The frame of a page: the navigation and the critical alerts."""

    places: list[Place]
    critical: list[Alert]


@bp.app_template_global("page_frame")
def page_frame() -> Frame:
    """Return the frame for the signed-in user."""
    actor, role = current_actor(), current_user.role
    alerts = Alert.open_ones() if permissions.is_allowed(role, "audit") else []
    critical = [one for one in alerts if alert_actions.severity(one.kind) == attention.CRITICAL]
    places = [_sites(actor), _updates(actor, role)]
    if permissions.is_allowed(role, "audit"):
        places.append(_alerts(len(alerts), len(critical)))
    label = "Clients" if permissions.is_allowed(role, "overview") else "Report"
    places.append(Place("/clients", label, "briefcase"))
    if permissions.is_allowed(role, "audit"):
        places.append(Place("/audit", "Activity", "scroll-text"))
    places.append(
        Place("/settings", "Settings", "sliders-horizontal", also=("/team", "/what-leaves"))
    )
    return Frame(places, critical)


def _sites(actor: Actor) -> Place:
    count = Site.count_of(permissions.restricted_client_id(actor))
    return Place("/", "Sites", "layout-grid", count, also=("/sites/",))


def _updates(actor: Actor, role: str) -> Place:
    to_do = attention.waiting_for(actor)
    if permissions.is_allowed(role, "approve"):
        found = attention.by_site(actor)
        to_do += sum(one.about == "change" for items in found.values() for one in items)
    return Place(
        "/changes", "Updates", "circle-arrow-up", to_do, "for you", also=("/auto-update-rules",)
    )


def _alerts(count: int, critical: int) -> Place:
    if critical:
        return Place("/alerts", "Alerts", "bell", critical, "critical", is_urgent=True)
    return Place("/alerts", "Alerts", "bell", count, "open")
