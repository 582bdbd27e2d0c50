"""Look at the front page of a site that a rule updated first, before its other sites follow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from app.config import Config
from app.domain.changes import late_failures, outcomes, site_probe
from app.domain.changes.site_probe import LookCall
from app.http import site_client
from app.models.base import utcnow
from app.models.canaries import CanaryLook
from app.models.changes import SUCCEEDED, Change


def look_at_canary(
    change_id: int,
    *,
    config: Config,
    look: LookCall = site_client.probe,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Look at the site of a change that succeeded, record what the page showed, and return it.

    Safe to run twice at once.
    """
    change = Change.get_or_none(Change.id == change_id)
    if change is None or change.state != SUCCEEDED:
        return "not_updated"
    answer = site_probe.judge_site(change.site, config=config, look=look, now=now)
    if answer == outcomes.FATAL:
        # Within a day of the update, this also pauses the site's other updates.
        late_failures.check_site(change.site, config=config, look=look, now=now)
    CanaryLook.record(change, answer, now())
    return answer
