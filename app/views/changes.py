"""Pages to propose, approve and follow changes."""

from __future__ import annotations

from flask import (
    Blueprint,
    current_app,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from app.domain.changes import approvals, page_questions, proposals
from app.domain.changes.approvals import Terms
from app.domain.errors import Invalid
from app.models.base import utcnow
from app.models.changes import Change
from app.views import change_view_models
from app.views.authorization import (
    current_actor,
    current_session,
    load_change,
    require_permission,
)

bp = Blueprint("changes", __name__)


@bp.get("/changes/<int:change_id>")
@require_permission("see")
def show(change_id: int) -> ResponseReturnValue:
    return render_template("changes/show.html", page=_page(load_change(change_id)))


@bp.get("/changes/<int:change_id>/progress")
@require_permission("see")
def progress(change_id: int) -> ResponseReturnValue:
    """Render the part that polls. When its state has changed, htmx loads the whole page."""
    page = _page(load_change(change_id))
    answer = make_response(render_template("changes/_progress.html", page=page))
    answer.cache_control.no_store = True
    if page.change.state != request.args.get("seen"):
        answer.headers["HX-Redirect"] = url_for("changes.show", change_id=change_id)
    return answer


@bp.post("/changes/<int:change_id>/approve")
@require_permission("decide")
def approve(change_id: int) -> ResponseReturnValue:
    change = load_change(change_id)
    approvals.approve_changes(
        [change],
        by=current_actor(),
        seen={change.id: request.form.get("digest", "")},
        confirmed_at=current_session().session.confirmed_at,
        config=current_app.config["AURA"],
        now=utcnow(),
        terms=Terms(after_freeze=request.form.get("start") == "after_freeze"),
    )
    flash("Update approved and queued.")
    return _to_change(change)


@bp.post("/changes/<int:change_id>/override")
@require_permission("lift")
def override(change_id: int) -> ResponseReturnValue:
    """Approve this update in spite of a freeze and of the site's maintenance window."""
    change = load_change(change_id)
    try:
        approvals.approve_in_spite(
            change,
            by=current_actor(),
            seen=request.form.get("digest", ""),
            reason=request.form.get("override", ""),
            confirmed_at=current_session().session.confirmed_at,
            config=current_app.config["AURA"],
            now=utcnow(),
        )
    except Invalid as refusal:
        return _invalid(change, refusal)
    flash("Update approved and queued.")
    return _to_change(change)


@bp.post("/changes/<int:change_id>/reject")
@require_permission("decide")
def reject(change_id: int) -> ResponseReturnValue:
    change = load_change(change_id)
    try:
        approvals.reject_change(
            change, by=current_actor(), reason=request.form.get("reason", ""), now=utcnow()
        )
    except Invalid as refusal:
        return _invalid(change, refusal)
    flash("Update rejected.")
    return _to_change(change)


@bp.post("/changes/<int:change_id>/cancel")
@require_permission("propose")
def cancel(change_id: int) -> ResponseReturnValue:
    change = load_change(change_id)
    proposals.cancel_change(change, by=current_actor(), now=utcnow())
    flash("Update cancelled. Nothing was sent to the site.")
    if "batch" in request.form:
        return redirect(url_for("batches.show", batch=change.batch), 303)
    return _to_change(change)


@bp.post("/changes/<int:change_id>/close")
@require_permission("approve")
def close(change_id: int) -> ResponseReturnValue:
    """Record that a person checked the site after a failed change."""
    change, note = load_change(change_id), request.form.get("note", "")
    try:
        if change.is_incident:
            proposals.close_incident(change, by=current_actor(), note=note, now=utcnow())
        else:
            proposals.acknowledge(change, by=current_actor(), note=note, now=utcnow())
    except Invalid as refusal:
        return _invalid(change, refusal)
    flash(f"{change.name} on {change.site.name} marked as checked.")
    return _to_change(change)


@bp.post("/changes/<int:change_id>/pages")
@require_permission("approve")
def answer_pages(change_id: int) -> ResponseReturnValue:
    """Record that a person looked at the pages after an update and found them right."""
    change, note = load_change(change_id), request.form.get("pages_note", "")
    try:
        page_questions.answer_looks_right(change, by=current_actor(), note=note, now=utcnow())
    except Invalid as refusal:
        return _invalid(change, refusal)
    flash(f"Pages of {change.site.name} marked as right.")
    return redirect(url_for("changes.show", change_id=change.id, _anchor="pages"), 303)


def _invalid(change: Change, refusal: Invalid) -> ResponseReturnValue:
    page = render_template("changes/show.html", page=_page(change), errors=refusal.messages)
    return page, 422


def _page(change: Change) -> change_view_models.ChangePage:
    return change_view_models.change_page(
        change, current_actor(), current_session().session.confirmed_at
    )


def _to_change(change: Change) -> ResponseReturnValue:
    return redirect(url_for("changes.show", change_id=change.id), 303)
