"""The lists of updates, and what begins with a selection in them: a review, or ignoring."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain import permissions
from app.domain.changes import fleet_updates, proposals
from app.domain.changes.proposals import MAX_TOGETHER
from app.domain.errors import Invalid, StaleChange
from app.formats import counted
from app.models.available_updates import AvailableUpdate
from app.models.base import utcnow
from app.views import change_view_models, update_view_models
from app.views.authorization import current_actor, require_permission
from app.views.components import typed_day
from app.views.request_validation import row_number
from app.views.update_view_models import Narrowing
from app.views.vulnerability_view_models import fixes_of

bp = Blueprint("updates", __name__)
bp.add_app_template_filter(update_view_models.as_choice, "update_choice")
bp.add_app_template_filter(update_view_models.is_separate, "is_separate_update")
bp.add_app_template_filter(change_view_models.IN_SUMMARY.__getitem__, "in_summary")


@bp.get("/updates")
@require_permission("see")
def index() -> ResponseReturnValue:
    """Show the available updates; client users go to what waits for their approval."""
    if not permissions.is_allowed(current_actor().role, "overview"):
        return redirect(url_for("updates.batches", tab="waiting"))
    return _available({})


@bp.get("/updates/blocked")
@require_permission("overview")
def blocked() -> ResponseReturnValue:
    found = update_view_models.blocked(current_actor(), Narrowing.of(request.args), utcnow())
    return render_template("updates/blocked.html", listing=found)


@bp.get("/updates/<any(waiting, running, done):tab>")
@require_permission("see")
def batches(tab: str) -> ResponseReturnValue:
    outcome = request.args.get("outcome", "")
    before = request.args.get("before", type=row_number)
    found = update_view_models.batches(current_actor(), tab, outcome, before, utcnow())
    return render_template("updates/batches.html", listing=found)


@bp.post("/updates/review")
@require_permission("propose")
def review() -> ResponseReturnValue:
    """Start the pre-checks of the selected updates, and show their batch."""
    try:
        chosen = _chosen()
        if not chosen and {"want", "only", "everything"} & request.form.keys():
            raise StaleChange("The selected updates are in progress or no longer available.")
        changes = proposals.review_changes(
            fleet_updates.as_requests(chosen[:MAX_TOGETHER]), by=current_actor(), now=utcnow()
        )
    except Invalid as refusal:
        return _available(refusal.messages), 422
    if len(chosen) > MAX_TOGETHER:
        left = len(chosen) - MAX_TOGETHER
        flash(
            f"These are the first {MAX_TOGETHER} of {len(chosen)} selected updates. The other"
            f" {left} stay available.",
            "info",
        )
    return redirect(url_for("batches.show", batch=changes[0].batch), 303)


@bp.post("/updates/ignore")
@require_permission("propose")
def ignore() -> ResponseReturnValue:
    """Ask for a reason and the sites, then ignore the selected updates."""
    try:
        chosen = _chosen()
        if not chosen:
            raise Invalid("wanted", "Choose at least one update.")
    except Invalid as refusal:
        return _available(refusal.messages), 422
    if "hold_reason" not in request.form:
        return _ignore_page(chosen, {})
    try:
        count = fleet_updates.ignore_updates(
            chosen,
            everywhere=request.form.get("scope") == "everywhere",
            until=typed_day(),
            reason=request.form["hold_reason"],
            by=current_actor(),
            now=utcnow(),
        )
    except Invalid as refusal:
        return _ignore_page(chosen, refusal.messages), 422
    flash(f"Updates are ignored in {counted(count, 'place')}.")
    return redirect(url_for("updates.blocked"), 303)


def _ignore_page(chosen: list[AvailableUpdate], errors: dict[str, str]) -> str:
    key_names = {update.key: update.name for update in chosen}
    return render_template(
        "updates/ignore.html",
        names=sorted({update.name for update in chosen}),
        sites=sorted({update.site.name for update in chosen}),
        vulnerable=sorted({key_names[key] for key in fixes_of(list(key_names))}),
        fields=_selection_fields(),
        typed=request.form,
        errors=errors,
    )


def _selection_fields() -> list[tuple[str, str]]:
    """Return the fields of the form that make the selection, to send them again."""
    kept = ("want", "only", "everything", "q", "size", "client", "tag", "site", "by")
    return [(name, value) for name, value in request.form.items(multi=True) if name in kept]


def _chosen() -> list[AvailableUpdate]:
    """Return the selected updates that are ready now.

    `only` is the button of one row, and `everything` selects all pages of the list.
    """
    update_filter = Narrowing.of(request.form).filter_for(current_actor(), utcnow())
    only = request.form.get("only")
    if only is None and "everything" in request.form:
        return fleet_updates.usual_updates(update_filter)
    try:
        texts = request.form.getlist("want") if only is None else [only]
        keys, site_ids = update_view_models.from_choices(texts)
    except ValueError as why:
        raise Invalid("wanted", "Choose updates from the list below.") from why
    return fleet_updates.chosen_updates(update_filter, keys, site_ids)


def _available(errors: dict[str, str]) -> str:
    narrowing = Narrowing.of(request.values)
    return render_template(
        "updates/index.html",
        listing=update_view_models.available(current_actor(), narrowing, utcnow()),
        all_selected=request.args.get("all") == "1",
        selected=request.form.getlist("want"),
        errors=errors,
    )
