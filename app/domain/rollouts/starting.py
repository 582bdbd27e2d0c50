"""Approve a batch in waves: one approval of all its plans, of which later waves wait."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.config import Config
from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import RolloutStarted
from app.domain.changes import approvals
from app.domain.changes.approvals import Terms
from app.domain.errors import StaleChange, StaleState
from app.domain.rollouts import wave_choice
from app.domain.rollouts.wave_choice import WaveChoice
from app.models.changes import Change
from app.models.rollouts import Rollout, RolloutUpdate
from app.models.tags import SiteTag


def approve_in_waves(
    batch: Sequence[Change],
    choice: WaveChoice,
    *,
    by: Actor,
    seen: dict[int, str],
    confirmed_at: datetime,
    config: Config,
    now: datetime,
    terms: Terms,
) -> int:
    """Approve the changes of `batch` that are in `seen`, to start in waves; return how many.

    Each plan is signed now, for the exact bytes that were shown. Those of later waves are valid
    from the earliest start of their wave until their approval expires. Raises as
    `approvals.approve_changes` does, and StaleState if the batch is in waves already.
    """
    permissions.require(by, "decide")
    permissions.require_recent_authentication(confirmed_at, now)
    chosen = [change for change in batch if change.id in seen]
    if not chosen:
        raise StaleChange("None of these updates is waiting for approval.")
    sites = {change.site_id: change.site for change in chosen}
    with permissions.user_transaction(by, "decide", *sites.values()) as (_, present):
        if Rollout.of_batch(chosen[0].batch) is not None:
            raise StaleState("These updates are approved in waves already.")
        divided = wave_choice.divide(chosen, choice, SiteTag.folded_by_site(list(sites)))
        _create(chosen, divided, choice, present, max(now, terms.starts_at or now))
        count = approvals.approve_changes(
            chosen,
            by=present,
            seen=seen,
            confirmed_at=confirmed_at,
            config=config,
            now=now,
            terms=terms,
        )
        event = RolloutStarted(
            batch=chosen[0].batch,
            name=wave_choice.name_of(chosen),
            waves=[[change.id for change in wave] for wave in divided],
            wait_hours=choice.wait_hours,
            valid_until=min(change.not_after for change in chosen).isoformat(),
        )
        audit.record(event, present, now=now)
    return count


def _create(
    chosen: Sequence[Change],
    divided: Sequence[Sequence[Change]],
    choice: WaveChoice,
    by: Actor,
    starts_at: datetime,
) -> None:
    rollout = Rollout.create(
        batch=chosen[0].batch,
        name=wave_choice.name_of(chosen),
        started_by=by.name[:120],
        started_at=starts_at,
        wait_s=int(choice.wait.total_seconds()),
        waves=len(divided),
        wave_started_at=starts_at,
        changed_at=starts_at,
    )
    for number, changes in enumerate(divided, start=1):
        for change in changes:
            RolloutUpdate.create(change=change, rollout=rollout, wave=number)
