"""The data of the frame around every page: navigation and counters."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, request
from flask_login import current_user

from app.domain import alerts as alert_actions
from app.domain import attention, permissions
from app.models.alerts import Alert
from app.views.authorization import current_actor

bp = Blueprint("page_context", __name__)


@dataclass(frozen=True)
class Place:
    """An item of the navigation.

    `count` is the number of open items, and `waits` says what they are.
    """

    path: str
    label: str
    symbol: str
    count: int = 0
    waits: str = ""
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
    found = attention.by_site(actor)
    to_do = attention.waiting_for(actor) + (
        _to_check(found) if permissions.is_allowed(role, "approve") else 0
    )
    open_alerts = Alert.open_ones() if permissions.is_allowed(role, "audit") else []
    critical = [
        one for one in open_alerts if alert_actions.severity(one.kind) == attention.CRITICAL
    ]
    alerts = (len(open_alerts), "open", bool(critical))
    places = {
        "see": [
            Place("/", "Sites", "layout-grid", len(found), "need attention", also=("/sites/",)),
            Place(
                "/changes",
                "Updates",
                "circle-arrow-up",
                to_do,
                "waiting for you",
                also=("/auto-update-rules",),
            ),
            Place(
                "/clients",
                "Clients" if permissions.is_allowed(role, "overview") else "Report",
                "printer",
            ),
        ],
        "audit": [
            Place("/audit", "Activity", "scroll-text"),
            Place("/alerts", "Alerts", "circle-alert", *alerts),
        ],
        "people": [Place("/team", "Team", "users")],
    }
    return Frame(
        [one for verb in places if permissions.is_allowed(role, verb) for one in places[verb]],
        critical,
    )


def _to_check(found: dict[int, list[attention.Item]]) -> int:
    return sum(one.about == "change" for items in found.values() for one in items)
