"""Pages to propose, approve and follow changes."""

from __future__ import annotations

from datetime import timedelta
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

from app.domain import permissions
from app.domain.changes import approvals, proposals
from app.domain.changes.proposals import UpdateRequest, Window
from app.domain.errors import Invalid, NotFound
from app.models.base import utcnow
from app.models.changes import Change
from app.models.sites import Site
from app.views import change_view_models
from app.views.authorization import (
    current_actor,
    current_session,
    load_change,
    load_site,
    require_permission,
)
from app.views.pagination import page_of
from app.views.request_validation import row_number

bp = Blueprint("changes", __name__)


@bp.get("/changes")
@require_permission("see")
def index() -> ResponseReturnValue:
    queue = change_view_models.queue(
        permissions.restricted_client_id(current_actor()),
        outcome=request.args.get("outcome", ""),
        before=request.args.get("before", type=row_number),
    )
    return render_template("changes/index.html", queue=queue)


@bp.get("/changes/new")
@require_permission("propose")
def new() -> ResponseReturnValue:
    return _new_page({})


@bp.post("/changes/new")
@require_permission("propose")
def propose() -> ResponseReturnValue:
    now = utcnow()
    try:
        made = proposals.propose_changes(
            _wanted(),
            by=current_actor(),
            reason=request.form.get("reason", ""),
            window=_window(),
            now=now,
        )
    except Invalid as refusal:
        return _new_page(refusal.messages), 422
    flash("Updates proposed. Aura checks them with the sites.")
    if len(made) == 1:
        return _to_change(made[0])
    return redirect(url_for("changes.together", batch=made[0].batch), 303)


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
    )
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
        return render_template(
            "changes/show.html", page=_page(change), errors=refusal.messages
        ), 422
    flash("Update rejected.")
    return _to_change(change)


@bp.post("/changes/<int:change_id>/cancel")
@require_permission("propose")
def cancel(change_id: int) -> ResponseReturnValue:
    change = load_change(change_id)
    proposals.cancel_change(change, by=current_actor(), now=utcnow())
    flash("Update cancelled. Nothing was sent to the site.")
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
        return render_template(
            "changes/show.html", page=_page(change), errors=refusal.messages
        ), 422
    flash(f"{change.name} on {change.site.name} marked as checked.")
    return _to_change(change)


@bp.get("/changes/together/<uuid:batch>")
@require_permission("see")
def together(batch: UUID) -> ResponseReturnValue:
    return _together("changes/together.html", batch, _batch(batch))


@bp.get("/changes/together/<uuid:batch>/progress")
@require_permission("see")
def together_progress(batch: UUID) -> ResponseReturnValue:
    """Render the part that polls; empty if no state has changed.

    So a person who selects updates is not interrupted.
    """
    found = _batch(batch)
    if change_view_models.signature(found) == request.args.get("seen"):
        return Response(status=204)
    answer = make_response(_together("changes/_together.html", batch, found, is_refresh=True))
    answer.cache_control.no_store = True
    return answer


@bp.post("/changes/together/<uuid:batch>/approve")
@require_permission("decide")
def approve_together(batch: UUID) -> ResponseReturnValue:
    """Approve the selected changes.

    Each checkbox has the id of a change and the digest that was shown.
    """
    count = approvals.approve_changes(
        _batch(batch),
        by=current_actor(),
        seen=dict(request.form.getlist("seen", type=_seen)),
        confirmed_at=current_session().session.confirmed_at,
        config=current_app.config["AURA"],
        now=utcnow(),
    )
    flash(
        f"{count} {'update' if count == 1 else 'updates'} approved. Each site runs one at a time."
    )
    return redirect(url_for("changes.together", batch=batch), 303)


def _together(template: str, batch: UUID, found: list[Change], *, is_refresh: bool = False) -> str:
    return render_template(
        template,
        batch=str(batch),
        pages=[_page(change) for change in found],
        signature=change_view_models.signature(found),
        summary=change_view_models.summary(found),
        is_refresh=is_refresh,
    )


def _seen(text: str) -> tuple[int, str]:
    """Parse `17:<digest>`: the id of a change and the digest that was shown."""
    number, _, digest = text.partition(":")
    return row_number(number), digest


def _batch(batch: UUID) -> list[Change]:
    found = Change.in_batch(str(batch), permissions.restricted_client_id(current_actor()))
    if not found:
        raise NotFound("No updates were proposed under this address.")
    return found


def _page(change: Change) -> change_view_models.ChangePage:
    return change_view_models.change_page(
        change, current_actor(), current_session().session.confirmed_at
    )


def _new_page(errors: dict[str, str]) -> str:
    page, apart = page_of(_chosen_sites()), _apart()
    chosen = page.items
    return render_template(
        "changes/new.html",
        available=change_view_models.available(chosen, apart),
        page=page,
        apart=apart,
        one=chosen[0] if request.values.get("site") and chosen else None,
        component=request.args.get("component", ""),
        as_choice=change_view_models.as_choice,
        ticked=request.form.getlist("want"),
        reason=request.form.get("reason", ""),
        errors=errors,
    )


def _chosen_sites() -> list[Site]:
    asked = request.values.get("site", type=row_number)
    return [load_site(asked)] if asked is not None else change_view_models.paired_sites()


def _apart() -> str:
    apart = request.values.get("apart", "")
    return apart if apart in change_view_models.APART else ""


def _wanted() -> list[UpdateRequest]:
    found = []
    for text in request.form.getlist("want"):
        try:
            site_id, kind, to_version, ident = change_view_models.from_choice(text)
        except ValueError as why:
            raise Invalid("wanted", "Choose updates from the list below.") from why
        found.append(UpdateRequest(load_site(site_id), kind, ident, to_version))
    return found


def _window() -> Window:
    """Return the time window from the form: start in hours from now, and length in days."""
    now, hours, days = utcnow(), request.form.get("hours", "0"), request.form.get("days", "3")
    try:
        start = now + timedelta(hours=min(row_number(hours), 24 * 14))
        return Window(start, start + timedelta(days=min(row_number(days), 100)))
    except ValueError as why:
        raise Invalid("days", "Choose an expiry from the list.") from why


def _to_change(change: Change) -> ResponseReturnValue:
    return redirect(url_for("changes.show", change_id=change.id), 303)
