"""Accept files that differ from their release because someone meant them to."""

from __future__ import annotations

from datetime import datetime

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import FileAcceptanceWithdrawn, FileDifferencesAccepted
from app.domain.errors import Invalid, NotFound, StaleState
from app.domain.integrity import file_checks
from app.domain.text import MAX_REASON_CHARS
from app.models.file_checks import ComparedComponent
from app.models.sites import Site


def get_component(site: Site, component_id: int) -> ComparedComponent:
    """Return a compared component of the site. Raises NotFound."""
    row = ComparedComponent.fetch_one(id=component_id)
    if row is None or row.site_id != site.id:
        raise NotFound("This result does not exist. The plugin or theme may have been removed.")
    return row


def accept_differences(
    site: Site,
    component_id: int,
    fingerprint: str,
    *,
    because: str,
    confirmed_at: datetime,
    by: Actor,
    now: datetime,
) -> ComparedComponent:
    """Accept the differences with this fingerprint, in the version that has them now.

    Any other difference, and any other version, needs a person again.

    Raises: Forbidden, ReauthenticationRequired, NotFound, Invalid, or StaleState if the differences
    are others by now.
    """
    permissions.require(by, "approve")
    permissions.require_recent_authentication(confirmed_at, now)
    because = because.strip()
    if not 0 < len(because) <= MAX_REASON_CHARS:
        raise Invalid("because", f"Enter who changed the files and why, up to {MAX_REASON_CHARS} "
                      "characters. It is recorded in the activity.")  # fmt: skip
    with permissions.user_transaction(by, "approve", site) as (_, by):
        row = get_component(site, component_id)
        is_same = row.fingerprint == fingerprint
        if not is_same or not row.accept(by=by.name[:120], because=because, now=now):
            raise StaleState("The files have changed since you opened the page. Check them again.")
        file_checks.count_open(site.id)
        event = FileDifferencesAccepted(
            site_id=site.id,
            component=file_checks.in_brief(row),
            fingerprint=row.fingerprint,
            because=because,
        )
        audit.record(event, by, now=now)
    return row


def withdraw_acceptance(
    site: Site, component_id: int, *, by: Actor, now: datetime
) -> ComparedComponent:
    """Let accepted differences count again.

    Raises: Forbidden, NotFound, or StaleState if they are not accepted.
    """
    with permissions.user_transaction(by, "propose", site) as (_, by):
        row = get_component(site, component_id)
        fingerprint = row.fingerprint
        if not row.withdraw():
            raise StaleState("These differences are not accepted any more.")
        file_checks.count_open(site.id)
        event = FileAcceptanceWithdrawn(
            site_id=site.id, component=file_checks.in_brief(row), fingerprint=fingerprint
        )
        audit.record(event, by, now=now)
    return row
