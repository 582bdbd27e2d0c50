"""The page of a batch: review its updates, approve them, follow and stop them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    make_response,
    redirect,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from app.domain.changes import approvals, proposals
from app.domain.changes.approvals import Terms
from app.domain.errors import Invalid
from app.domain.rollouts import control, starting
from app.domain.rollouts.wave_choice import WaveChoice
from app.domain.time_zones import zone_of
from app.formats import counted
from app.models.base import utcnow
from app.models.changes import Change
from app.views.authorization import (
    current_actor,
    current_session,
    require_permission,
)
from app.views.batch_pages import changes_of, page_of, rendered
from app.views.batch_view_models import next_night
from app.views.request_validation import row_number
from app.views.rollouts import wave_choice

bp = Blueprint("batches", __name__)


@bp.get("/updates/<uuid:batch>")
@require_permission("see")
def show(batch: UUID) -> ResponseReturnValue:
    return rendered("updates/batch.html", batch)


@bp.get("/updates/<uuid:batch>/progress")
@require_permission("see")
def progress(batch: UUID) -> ResponseReturnValue:
    """Render the part that polls; empty if no state has changed."""
    page = page_of(batch)
    if page.signature == request.args.get("seen"):
        return Response(status=204)
    answer = make_response(rendered("updates/_batch.html", batch, page, is_refresh=True))
    answer.cache_control.no_store = True
    return answer


@bp.post("/updates/<uuid:batch>/approve")
@require_permission("decide")
def approve(batch: UUID) -> ResponseReturnValue:
    """Approve the updates in `seen`, which holds the digest of each one that was shown."""
    changes = changes_of(batch)
    try:
        choice = wave_choice()
        count = _approve(changes, choice)
        rest = "They start in waves." if choice else "Each site runs one at a time."
        flash(f"{counted(count, 'update')} approved. {rest}")
        if "request" in request.form:
            _request_approval([change for change in changes if proposals.needs_request(change)])
    except Invalid as refusal:
        return rendered("updates/batch.html", batch, errors=refusal.messages), 422
    return _back(batch)


def _approve(changes: list[Change], choice: WaveChoice | None) -> int:
    about: dict[str, Any] = {
        "by": current_actor(),
        "seen": dict(request.form.getlist("seen", type=_seen)),
        "confirmed_at": current_session().session.confirmed_at,
        "config": current_app.config["AURA"],
        "now": utcnow(),
        "terms": Terms(_start(), request.form.get("reason", "")),
    }
    if choice is None:
        return approvals.approve_changes(changes, **about)
    return starting.approve_in_waves(changes, choice, **about)


@bp.post("/updates/<uuid:batch>/request")
@require_permission("propose")
def ask(batch: UUID) -> ResponseReturnValue:
    """Ask the people who decide about the sites' updates for their approval."""
    try:
        _request_approval(changes_of(batch))
    except Invalid as refusal:
        return rendered("updates/batch.html", batch, errors=refusal.messages), 422
    return _back(batch)


@bp.post("/updates/<uuid:batch>/stop")
@require_permission("propose")
def stop(batch: UUID) -> ResponseReturnValue:
    """Cancel what has not started."""
    count = control.stop_batch(changes_of(batch), by=current_actor(), now=utcnow())
    flash(f"{counted(count, 'update')} cancelled. Nothing was sent to these sites.")
    return _back(batch)


def _request_approval(changes: list[Change]) -> None:
    count = proposals.request_approval(
        changes, by=current_actor(), reason=request.form.get("reason", ""), now=utcnow()
    )
    flash(f"Approval requested for {counted(count, 'update')}.")


def _start() -> datetime | None:
    """Return when the updates should start: `tonight`, or in a number of hours."""
    text, now = request.form.get("start", "0"), utcnow()
    if text == "tonight":
        return next_night(now, zone_of(current_session().user.time_zone))
    try:
        hours = row_number(text)
        return now + timedelta(hours=min(hours, 24 * 14)) if hours else None
    except ValueError as why:
        raise Invalid("start", "Choose when the updates start.") from why


def _seen(text: str) -> tuple[int, str]:
    """Parse `17:<digest>`: the id of a change and the digest that was shown."""
    number, _, digest = text.partition(":")
    return row_number(number), digest


def _back(batch: UUID) -> ResponseReturnValue:
    return redirect(url_for("batches.show", batch=batch), 303)
