"""Look at the front page of an updated site, before the next wave starts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from app import queue
from app.config import Config
from app.domain.changes import late_failures, outcomes, site_probe
from app.domain.changes.site_probe import LookCall
from app.http import site_client
from app.models.base import transaction, utcnow
from app.models.rollouts import RUNNING, RolloutUpdate


def look_at_rollout(
    change_id: int,
    *,
    config: Config,
    look: LookCall = site_client.probe,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Look at the site of a change in a running rollout; return what the page showed.

    Safe to run twice at once.
    """
    update = RolloutUpdate.of_change(change_id)
    if update is None or update.rollout.state != RUNNING:
        return "not_running"
    site = update.change.site
    answer = site_probe.judge_site(site, config=config, look=look, now=now)
    if answer == outcomes.FATAL:
        # Within a day of the update, this also pauses the site's other updates.
        late_failures.check_site(site, config=config, look=look, now=now)
    updates = RolloutUpdate.of_rollout(update.rollout_id)
    same = [one.change_id for one in updates if one.change.site_id == site.id]
    with transaction() as tx:
        RolloutUpdate.record_look(update.rollout_id, same, answer, now())
        tx.after_commit(queue.enqueue, "advance_rollout", update.rollout_id)
    return answer
