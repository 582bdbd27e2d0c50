"""Tell a person about packages that are refused for longer than a mistake lasts.

A rule proposes such an update day after day, and without a warning it just never arrives. It can
be refused in the pre-check, and in the update itself: another download may bring other bytes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from app.domain import alerts
from app.domain.actor import SYSTEM
from app.domain.changes import outcomes
from app.models.alerts import Alert
from app.models.available_updates import AvailableUpdate
from app.models.changes import FAILED, REFUSED, ROLLED_BACK, Change
from app.models.packages import KnownPackage
from app.models.sites import Site
from app.package_tree import REFUSALS

# A seller needs hours to repair a package. A rule asks once a day.
LASTS = timedelta(hours=20)
# The reasons that are about the package, of the site and of the plan that it was compared with.
REASONS = (
    *REFUSALS,
    "download_failed",
    "package_host",
    "package_mismatch",
    outcomes.PACKAGE_CHANGED,
    "tree_mismatch",
)
# A site that cannot download fails in the update, and one with other files afterwards rolls back.
_STATES = (REFUSED, FAILED, ROLLED_BACK)


def record_refusal(change: Change, now: datetime) -> None:
    """Raise a warning if a site has refused the package of a version for a day.

    In the caller's transaction, once the change has ended in any way.
    """
    if change.state not in _STATES or change.outcome_reason not in REASONS:
        return
    prefix = alerts.package_key(change.kind, change.ident, change.to_version)
    # What Aura closed, because it was over, can begin again. What a person closed is not repeated.
    over = Alert.last_closed(change.site_id, alerts.PACKAGE_REFUSED, prefix, by=SYSTEM.name)
    since = _first_refused(change, over.closed_at if over else None)
    if since is not None and now - since >= LASTS:
        key = f"{prefix}:{over.id}" if over else prefix
        about = {"kind": change.kind, "id": change.ident, "version": change.to_version}
        _raise(change.site, key, about, {"reason": change.outcome_reason}, now)


def _first_refused(change: Change, after: datetime | None) -> datetime | None:
    """Return when the site first refused this version for such a reason, after this time."""
    same = (Change.kind == change.kind) & (Change.ident == change.ident)
    same &= (Change.site == change.site_id) & (Change.to_version == change.to_version)
    refused = Change.state.in_(_STATES) & Change.outcome_reason.in_(REASONS)
    query = Change.select(Change.ended_at).where(same, refused).order_by(Change.ended_at)
    if after is not None:
        query = query.where(Change.ended_at > after)
    first = query.first()
    return first.ended_at if first else None


def record_own_refusal(known: KnownPackage, now: datetime) -> None:
    """Raise a warning: Aura refuses a package that a site has accepted."""
    if known.site is not None:
        key = alerts.package_key(known.kind, known.ident, known.version)
        about = {"kind": known.kind, "id": known.ident, "version": known.version}
        _raise(known.site, key, {**about, "reason": known.problem}, {}, now)


def _raise(
    site: Site, key: str, known: dict[str, str], seen: dict[str, str], now: datetime
) -> None:
    evidence = {"site": seen, "aura": known}
    alerts.raise_alert(site, alerts.PACKAGE_REFUSED, key, evidence, SYSTEM, now)


def close_installed(change: Change, now: datetime) -> None:
    """Close the warnings about a plugin or theme that an update has installed now.

    In the caller's transaction, once the change has succeeded.
    """
    for alert in Alert.open_of_kind(alerts.PACKAGE_REFUSED, change.site_id):
        about = alert.evidence["aura"]
        if _is_of_site(alert) and (about["kind"], about["id"]) == (change.kind, change.ident):
            alerts.close_over(alert, f"{change.name} {change.to_version} was installed.", now)


def close_gone(now: datetime) -> int:
    """Close the warnings about versions that their sites list no more; return how many.

    The plugin was removed, another version came, or an administrator updated it.
    """
    closed = 0
    for alert in Alert.open_of_kind(alerts.PACKAGE_REFUSED):
        about = alert.evidence["aura"]
        update = (about["kind"], about["id"], about["version"])
        if _is_of_site(alert) and not AvailableUpdate.is_listed(alert.site_id, *update):
            note = f"The site no longer lists version {about['version']} as an update."
            closed += alerts.close_over(alert, note, now)
    return closed


def _is_of_site(alert: Alert) -> bool:
    """Whether the site refuses the package; what Aura itself refuses does not depend on a site."""
    seen: dict[str, Any] = alert.evidence["site"]
    return "reason" in seen
