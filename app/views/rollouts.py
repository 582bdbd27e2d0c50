"""What people do with a rollout in waves: pause and resume it, leave a site out, end it."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from app.domain.errors import Invalid, NotFound
from app.domain.rollouts import control
from app.domain.rollouts.wave_choice import WaveChoice
from app.formats import counted
from app.models.base import utcnow
from app.models.changes import Change
from app.models.rollouts import Rollout
from app.models.sites import Site
from app.views import batch_pages
from app.views.authorization import (
    current_actor,
    current_session,
    current_visibility,
    require_permission,
)
from app.views.request_validation import row_number

bp = Blueprint("rollouts", __name__)


@bp.post("/updates/<uuid:batch>/rollout/pause")
@require_permission("propose")
def pause(batch: UUID) -> ResponseReturnValue:
    """Let no further site start."""
    control.pause_rollout(_rollout(batch), by=current_actor(), now=utcnow())
    flash("Rollout paused. No further site starts until someone resumes it.")
    return _back(batch)


@bp.post("/updates/<uuid:batch>/rollout/resume")
@require_permission("decide")
def resume(batch: UUID) -> ResponseReturnValue:
    """Go on, and accept what has stopped it."""
    try:
        control.resume_rollout(
            _rollout(batch),
            by=current_actor(),
            seen=request.form.getlist("seen"),
            reason=request.form.get("resume_reason", ""),
            confirmed_at=current_session().session.confirmed_at,
            now=utcnow(),
        )
    except Invalid as refusal:
        problem = {"resume_reason": refusal.message}
        return batch_pages.rendered("updates/batch.html", batch, errors=problem), 422
    flash("Rollout resumed.")
    return _back(batch)


@bp.post("/updates/<uuid:batch>/rollout/leave-out")
@require_permission("propose")
def leave_out(batch: UUID) -> ResponseReturnValue:
    """Leave a site out, and cancel what was not sent to it."""
    site = _site(batch)
    count = control.leave_site_out(_rollout(batch), site, by=current_actor(), now=utcnow())
    flash(f"{site.name} left out of the rollout. {counted(count, 'update')} cancelled.")
    return _back(batch)


@bp.post("/updates/<uuid:batch>/rollout/end")
@require_permission("propose")
def end(batch: UUID) -> ResponseReturnValue:
    """End the rollout, and cancel what was not sent."""
    count = control.end_rollout(_rollout(batch), by=current_actor(), now=utcnow())
    flash(f"Rollout ended. {counted(count, 'update')} cancelled.")
    return _back(batch)


def wave_choice() -> WaveChoice | None:
    """Return the waves that the form asks for; None for all at once. Raises Invalid."""
    form = request.form
    if form.get("waves") != "1":
        return None
    first = form.get("first", "")
    tag = first.removeprefix("tag:") if first.startswith("tag:") else ""
    try:
        count = 0 if tag else row_number(first)
        return WaveChoice(tag, count, row_number(form["percent"]), row_number(form["wait"]))
    except (KeyError, ValueError) as why:
        raise Invalid("first", "Choose the first sites, the second wave and the wait.") from why


def _rollout(batch: UUID) -> Rollout:
    """Return the rollout of a batch of which this person sees something."""
    batch_pages.changes_of(batch)
    found = Rollout.of_batch(str(batch))
    if found is None:
        raise NotFound("These updates are not rolled out in waves.")
    return found


def _site(batch: UUID) -> Site:
    try:
        site_id = row_number(request.form.get("site", ""))
    except ValueError as why:
        raise NotFound("This site is not part of the rollout.") from why
    changes: list[Change] = Change.in_batch(str(batch), current_visibility())
    found = next((one.site for one in changes if one.site_id == site_id), None)
    if found is None:
        raise NotFound("This site is not part of the rollout.")
    return found


def _back(batch: UUID) -> ResponseReturnValue:
    return redirect(url_for("batches.show", batch=batch), 303)
