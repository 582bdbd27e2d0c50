"""Detect a site that breaks after a successful update, and mark that update."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.audit.events import ChangeBrokeLater
from app.domain.changes import outcomes, site_probe
from app.domain.changes.site_probe import LookCall
from app.http import site_client
from app.http.errors import ErrorCode
from app.models.base import transaction, utcnow
from app.models.changes import SUCCEEDED, Change
from app.models.sites import Site

# How long after an update a broken site counts as broken by it.
RECENT = timedelta(hours=24)
# A page may fail for a moment, so it has to fail twice.
LOOKS = 2


def check_site(
    site: Site,
    *,
    config: Config,
    look: LookCall = site_client.probe,
    now: Callable[[], datetime] = utcnow,
) -> Change | None:
    """Check the home page of a recently updated site; return the update that broke it, if any.

    Does nothing without a recent update, or if the page was broken before it.
    """
    change = Change.newest_success(site, now() - RECENT)
    if change is None or outcomes.FATAL in (
        change.probe_before.get("answer"),
        change.evidence.get("before", {}).get("probe"),
    ):
        return None
    seen: dict[str, Any] = {}
    for _ in range(LOOKS):
        seen = site_probe.probe_site(site, config=config, look=look, now=now)
        if seen.get("answer") != outcomes.FATAL:
            return None
    return change if _record(change, seen, now()) else None


def check_synced_site(
    site: Site,
    error_code: str,
    *,
    config: Config,
    look: LookCall = site_client.probe,
    now: Callable[[], datetime] = utcnow,
) -> Change | None:
    """Do the same after a sync, unless its error shows that the site cannot be reached at all."""
    if error_code not in ("", ErrorCode.server_error, ErrorCode.web_page, ErrorCode.unsigned_reply):
        return None
    return check_site(site, config=config, look=look, now=now)


def _record(change: Change, seen: dict[str, Any], now: datetime) -> bool:
    """Open an incident on the update, once. False if a person has looked at it meanwhile."""
    with transaction():
        is_news = change.note(
            SUCCEEDED,
            ~Change.is_incident,
            Change.closed_by == "",
            is_incident=True,
            outcome_reason=outcomes.BROKE_LATER,
            probe_after={**change.probe_after, "later": seen},
        )
        if is_news:
            event = ChangeBrokeLater.of(
                change, why=str(seen.get("why", "")), status=seen.get("status", 0)
            )
            audit.record(event, SYSTEM, now=now)
    return is_news
