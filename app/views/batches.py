"""The page of a batch: review its updates, approve them, follow and stop them."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from app.domain.changes import approvals, proposals
from app.domain.changes.approvals import Terms
from app.domain.errors import Invalid, NotFound
from app.domain.time_zones import zone_of
from app.models.base import utcnow
from app.models.changes import Change
from app.views import batch_view_models
from app.views.authorization import (
    current_actor,
    current_session,
    current_visibility,
    require_permission,
)
from app.views.batch_view_models import BatchPage, next_night
from app.views.request_validation import row_number

bp = Blueprint("batches", __name__)


@bp.get("/updates/<uuid:batch>")
@require_permission("see")
def show(batch: UUID) -> ResponseReturnValue:
    return _rendered("updates/batch.html", _page(batch))


@bp.get("/updates/<uuid:batch>/progress")
@require_permission("see")
def progress(batch: UUID) -> ResponseReturnValue:
    """Render the part that polls; empty if no state has changed."""
    page = _page(batch)
    if page.signature == request.args.get("seen"):
        return Response(status=204)
    answer = make_response(_rendered("updates/_batch.html", page, is_refresh=True))
    answer.cache_control.no_store = True
    return answer


@bp.post("/updates/<uuid:batch>/approve")
@require_permission("decide")
def approve(batch: UUID) -> ResponseReturnValue:
    """Approve the updates in `seen`, which holds the digest of each one that was shown."""
    changes = _changes(batch)
    try:
        count = approvals.approve_changes(
            changes,
            by=current_actor(),
            seen=dict(request.form.getlist("seen", type=_seen)),
            confirmed_at=current_session().session.confirmed_at,
            config=current_app.config["AURA"],
            now=utcnow(),
            terms=Terms(_start(), request.form.get("reason", "")),
        )
        flash(f"{_updates(count)} approved. Each site runs one at a time.")
        if "request" in request.form:
            _request_approval([change for change in changes if proposals.needs_request(change)])
    except Invalid as refusal:
        return _rendered("updates/batch.html", _page(batch), errors=refusal.messages), 422
    return _back(batch)


@bp.post("/updates/<uuid:batch>/request")
@require_permission("propose")
def ask(batch: UUID) -> ResponseReturnValue:
    """Ask the people who decide about the sites' updates for their approval."""
    try:
        _request_approval(_changes(batch))
    except Invalid as refusal:
        return _rendered("updates/batch.html", _page(batch), errors=refusal.messages), 422
    return _back(batch)


@bp.post("/updates/<uuid:batch>/stop")
@require_permission("propose")
def stop(batch: UUID) -> ResponseReturnValue:
    """Cancel what has not started."""
    count = proposals.stop_batch(_changes(batch), by=current_actor(), now=utcnow())
    flash(f"{_updates(count)} cancelled. Nothing was sent to these sites.")
    return _back(batch)


def _request_approval(changes: list[Change]) -> None:
    count = proposals.request_approval(
        changes, by=current_actor(), reason=request.form.get("reason", ""), now=utcnow()
    )
    flash(f"Approval requested for {_updates(count)}.")


def _updates(count: int) -> str:
    return f"{count} {'update' if count == 1 else 'updates'}"


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


def _changes(batch: UUID) -> list[Change]:
    found = Change.in_batch(str(batch), current_visibility())
    if not found:
        raise NotFound("No updates were proposed under this address.")
    return found


def _page(batch: UUID) -> BatchPage:
    return batch_view_models.batch_page(
        str(batch),
        _changes(batch),
        current_session(),
        current_actor(),
        utcnow(),
    )


def _rendered(
    template: str,
    page: BatchPage,
    *,
    errors: dict[str, str] | None = None,
    is_refresh: bool = False,
) -> str:
    return render_template(
        template,
        page=page,
        errors=errors or {},
        is_refresh=is_refresh,
        is_live=request.args.get("live") != "0",
    )


def _back(batch: UUID) -> ResponseReturnValue:
    return redirect(url_for("batches.show", batch=batch), 303)
