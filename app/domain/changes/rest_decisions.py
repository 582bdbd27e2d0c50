"""What people decide about the rest period: how long it is, and which release need not rest."""

from __future__ import annotations

from datetime import datetime

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import RestLifted, RestPeriodChanged
from app.domain.changes import candidates, rest_period
from app.domain.changes.vulnerability_updates import effect_of
from app.domain.errors import Conflict, Invalid, StaleState
from app.domain.inventory.release_sightings import KINDS
from app.domain.text import require_reason
from app.models.agency import Agency
from app.models.base import DuplicateRow
from app.models.releases import RestLift
from app.models.sites import Site

# Of many vulnerabilities, an audit entry names the worst.
_MOST_NAMED = 5


def set_rest_period(
    small: int | None, major: int | None, *, by: Actor, confirmed_at: datetime, now: datetime
) -> None:
    """Set how long releases rest, in hours; None is the default.

    Raises: Forbidden, ReauthenticationRequired, Invalid, or StaleState if it is already set.
    """
    permissions.require(by, "security")
    permissions.require_recent_authentication(confirmed_at, now)
    Invalid.raise_for(rest_period.problems_in(small, major))
    with permissions.user_transaction(by, "security") as (_, present):
        permissions.require_everything(present, "security")
        before = rest_period.agency_hours(Agency.read())
        Agency.write(rest_hours=small, rest_hours_major=major)
        after = rest_period.agency_hours(Agency.read())
        if before == after:
            raise StaleState("This is already the rest period.")
        event = RestPeriodChanged(
            hours=after.small,
            hours_major=after.major,
            hours_before=before.small,
            hours_major_before=before.major,
        )
        audit.record(event, present, now=now)


def lift_rest(
    site: Site,
    kind: str,
    ident: str,
    version: str,
    *,
    reason: str,
    by: Actor,
    confirmed_at: datetime,
    now: datetime,
) -> RestLift:
    """Let rules install a release on all sites without waiting for it to rest.

    `site` lists the release, which has to fix a known vulnerability there.

    Raises: Forbidden, ReauthenticationRequired, Invalid without a reason, or Conflict.
    """
    permissions.require(by, "lift")
    permissions.require_recent_authentication(confirmed_at, now)
    reason = reason.strip()
    require_reason(reason, "rest")
    with permissions.user_transaction(by, "lift", site) as (_, present):
        permissions.require_everything(present, "lift")
        fixed = _fixed_by(site, kind, ident, version, now)
        if not fixed:
            raise Conflict(
                "This release fixes no known vulnerability on this site, so it rests for rules. "
                "You can approve the update yourself."
            )
        lift = _create(kind, ident, version, reason, present, now)
        event = RestLifted(
            site_id=site.id,
            kind=kind,
            ident=ident,
            to_version=version,
            vulnerabilities=", ".join(fixed[:_MOST_NAMED]),
            reason=reason,
        )
        audit.record(event, present, now=now)
    return lift


def _fixed_by(site: Site, kind: str, ident: str, version: str, now: datetime) -> list[str]:
    """Return the titles of what a release that the site lists fixes there."""
    if kind not in KINDS:
        return []
    for candidate in candidates.candidates_on_site(site, now):
        if candidate.is_named(kind, ident, version):
            effect = effect_of(kind, ident, candidate.target.version, version)
            return [one.vulnerability.title for one in effect.fixed]
    raise StaleState(f"{site.name} does not list this release any more. Sync the site first.")


def _create(kind: str, ident: str, version: str, reason: str, by: Actor, now: datetime) -> RestLift:
    try:
        return RestLift.create(
            kind=kind,
            ident=ident,
            version=version,
            reason=reason,
            lifted_by=by.id,
            lifter=by.name,
            lifted_at=now,
        )
    except DuplicateRow:
        raise StaleState("This release need not rest already.") from None
