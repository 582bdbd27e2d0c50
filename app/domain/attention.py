"""What needs attention: the one definition for all lists, counters and pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain import alerts, permissions
from app.domain.actor import Actor
from app.domain.changes import approvals
from app.models.alerts import Alert
from app.models.changes import PROPOSED, Change
from app.models.clients import SECOND, SELF
from app.models.sites import Site

CRITICAL = "critical"
WARNING = "warning"

# Severity of each value of Site.connection that needs attention.
CONNECTIONS = {
    "unreachable": CRITICAL,
    "blocked": CRITICAL,
    "quarantined": CRITICAL,
    "degraded": WARNING,
    "revoked_unproven": WARNING,
    "revoked_unreached": WARNING,
    "disconnected": WARNING,
    "disconnected_unconfirmed": WARNING,
}


@dataclass(frozen=True)
class Item:
    """One reason why a site needs attention.

    `about` is 'connection', 'change' or 'alert'. `word` is the connection, the state of the change
    or the kind of the alert. `id` is that of the change or the alert.
    """

    about: str
    word: str
    severity: str
    id: int = 0
    name: str = ""
    since: datetime | None = None


def by_site(actor: Actor, site: Site | None = None) -> dict[int, list[Item]]:
    """Return what needs attention by site id, critical items first; for one site if given.

    The result contains only what this actor may see: client users see their own sites and no
    alerts.
    """
    only = permissions.restricted_client_id(actor)
    found: dict[int, list[Item]] = {}
    for alert in Alert.open_ones(site) if permissions.is_allowed(actor.role, "audit") else []:
        item = Item("alert", alert.kind, alerts.severity(alert.kind), alert.id, "", alert.raised_at)
        found.setdefault(alert.site_id, []).append(item)
    for change in Change.to_check(client_id=only, site=site):
        severity = CRITICAL if change.is_incident else WARNING
        item = Item("change", change.state, severity, change.id, change.name, change.ended_at)
        found.setdefault(change.site_id, []).append(item)
    for one in Site.in_connection(tuple(CONNECTIONS), client_id=only, site=site):
        since = one.error_at or one.revoked_at or one.quarantine_at
        item = Item("connection", one.connection, CONNECTIONS[one.connection], since=since)
        found.setdefault(one.id, []).append(item)
    for items in found.values():
        items.sort(key=lambda item: item.severity != CRITICAL)
    return found


def waiting_for(actor: Actor) -> int:
    """Return the number of updates that wait for this user's approval."""
    if not permissions.is_allowed(actor.role, "decide"):
        return 0
    waiting = Change.listing(
        PROPOSED, client_id=permissions.restricted_client_id(actor), limit=None
    )
    return sum(_is_theirs(change, actor) for change in waiting)


def _is_theirs(change: Change, actor: Actor) -> bool:
    if change.requested_at is None and change.site.approvals != SELF:
        return False
    if change.site.approvals == SECOND and change.proposed_by_id == actor.id:
        return False
    return approvals.can_decide(actor, change.site)
