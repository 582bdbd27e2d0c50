"""Tell a person about packages that are refused for longer than a mistake lasts.

A rule proposes such an update day after day, and without a warning it just never arrives.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain import alerts
from app.domain.actor import SYSTEM
from app.models.changes import REFUSED, Change
from app.models.packages import KnownPackage
from app.models.sites import Site
from app.package_tree import REFUSALS

# A seller needs hours to repair a package. A rule asks once a day.
LASTS = timedelta(hours=20)
# The site's own reasons for which nothing could be inspected.
_REASONS = (*REFUSALS, "download_failed")


def record_refusal(change: Change, now: datetime) -> None:
    """Raise a warning if a site has refused the package of a version for a day.

    In the caller's transaction, once the change is refused.
    """
    since = _first_refused(change) if change.outcome_reason in _REASONS else None
    if since is not None and now - since >= LASTS:
        seen = {"reason": change.outcome_reason}
        _raise(change.site, change.kind, change.ident, change.to_version, {"site": seen}, now)


def _first_refused(change: Change) -> datetime | None:
    """Return when the site first refused this version for such a reason."""
    same = (Change.kind == change.kind) & (Change.ident == change.ident)
    same &= (Change.site == change.site_id) & (Change.to_version == change.to_version)
    refused = (Change.state == REFUSED) & Change.outcome_reason.in_(_REASONS)
    query = Change.select(Change.ended_at).where(same, refused).order_by(Change.ended_at)
    first = query.first()
    return first.ended_at if first else None


def record_own_refusal(known: KnownPackage, now: datetime) -> None:
    """Raise a warning: Aura refuses a package that a site has accepted."""
    if known.site is not None:
        seen = {"aura": {"reason": known.problem}}
        _raise(known.site, known.kind, known.ident, known.version, seen, now)


def _raise(
    site: Site, kind: str, ident: str, version: str, seen: dict[str, dict[str, str]], now: datetime
) -> None:
    about = {"kind": kind, "id": ident, "version": version}
    evidence = {"site": {}, **seen, "aura": {**about, **seen.get("aura", {})}}
    key = alerts.package_key(kind, ident, version)
    alerts.raise_alert(site, alerts.PACKAGE_REFUSED, key, evidence, SYSTEM, now)
