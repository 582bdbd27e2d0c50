"""Pages of auto-update rules and of each client's approval setting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain.changes import auto_update_rules, rest_decisions
from app.domain.changes.rule_terms import RuleTerms
from app.domain.errors import Invalid
from app.domain.inventory.eligibility import RULE_PERMISSIONS
from app.domain.inventory.versions import RELEASE_TYPES
from app.models.base import utcnow
from app.models.clients import CLIENT_APPROVAL
from app.views import auto_update_rule_view_models
from app.views.authorization import current_actor, current_session, load_client, require_permission
from app.views.filters import user_zone
from app.views.request_validation import row_number, typed_midnight

bp = Blueprint("auto_update_rules", __name__)


@bp.get("/auto-update-rules")
@require_permission("overview")
def index() -> ResponseReturnValue:
    return _page({})


@bp.post("/auto-update-rules")
@require_permission("auto_update_rules")
def make() -> ResponseReturnValue:
    if "find" in request.form:
        return _page({})
    try:
        auto_update_rules.create_rule(
            _terms(),
            by=current_actor(),
            confirmed_at=current_session().session.confirmed_at,
            now=utcnow(),
        )
    except Invalid as refusal:
        return _page(refusal.messages), 422
    flash("Auto-update rule created.")
    return _back()


@bp.post("/auto-update-rules/rest-period")
@require_permission("security")
def set_rest() -> ResponseReturnValue:
    """Set how long releases rest for rules that set nothing else."""
    try:
        rest_decisions.set_rest_period(
            _hours("agency_hours"),
            _hours("agency_hours_major"),
            by=current_actor(),
            confirmed_at=current_session().session.confirmed_at,
            now=utcnow(),
        )
    except Invalid as refusal:
        wrong = {name.replace("rest", "agency"): text for name, text in refusal.messages.items()}
        return _page(wrong), 422
    flash("Rest period saved.")
    return redirect(url_for("auto_update_rules.index", _anchor="rest"), 303)


@bp.post("/auto-update-rules/<int:rule_id>/confirm")
@require_permission("approve")
def confirm(rule_id: int) -> ResponseReturnValue:
    rule = auto_update_rules.get_rule(rule_id, current_actor())
    auto_update_rules.confirm_rule(
        rule,
        by=current_actor(),
        confirmed_at=current_session().session.confirmed_at,
        now=utcnow(),
    )
    flash(f"Auto-update rule “{rule.name}” confirmed.")
    return _back()


@bp.post("/auto-update-rules/<int:rule_id>/end")
@require_permission("approve")
def end(rule_id: int) -> ResponseReturnValue:
    auto_update_rules.end_rule(
        auto_update_rules.get_rule(rule_id, current_actor()), by=current_actor(), now=utcnow()
    )
    flash("Auto-update rule ended. Updates that had not started are cancelled.")
    return _back()


@bp.post("/clients/<int:client_id>/approvals")
@require_permission("auto_update_rules")
def set_approval_mode(client_id: int) -> ResponseReturnValue:
    mode, confirmed_at = request.form.get("approvals", ""), current_session().session.confirmed_at
    client = load_client(client_id)
    try:
        auto_update_rules.set_approval_mode(
            client, mode, by=current_actor(), confirmed_at=confirmed_at, now=utcnow()
        )
    except Invalid as refusal:
        if mode != CLIENT_APPROVAL:
            raise
        flash(refusal.message, "error")
        return redirect(url_for("team.index", _anchor="invite"), 303)
    flash(f"Approval setting changed for {client.name}.")
    page = request.form.get("page", 1, type=row_number)
    return redirect(url_for("auto_update_rules.index", page=page, _anchor="clients"), 303)


def _terms() -> RuleTerms:
    form = request.form
    client_id = form.get("client", type=row_number)
    return RuleTerms(
        name=form.get("name", ""),
        permissions=tuple(
            permission
            for permission in RULE_PERMISSIONS
            if permission in form.getlist("permissions")
        ),
        release_types=tuple(
            release_type
            for release_type in RELEASE_TYPES
            if release_type in form.getlist("release_types")
        ),
        client=load_client(client_id) if client_id else None,
        site_ids=tuple(form.getlist("sites", type=row_number)),
        tags=tuple(form.getlist("tags")),
        weekdays=tuple(day for day in range(7) if str(day) in form.getlist("weekdays")),
        from_hour=form.get("from_hour", -1, type=row_number),
        to_hour=form.get("to_hour", -1, type=row_number),
        expires_at=_expiry(form.get("expires_at", "")),
        reason=form.get("reason", ""),
        rest_hours=_hours("rest_hours"),
        rest_hours_major=_hours("rest_hours_major"),
        canary_tag=form.get("canary_tag", ""),
        canary_hours=_hours("canary_hours"),
    )


def _hours(name: str) -> int | None:
    """Return the typed hours, None for an empty field; anything else counts as too few."""
    text = request.form.get(name, "").strip()
    if not text:
        return None
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else -1


def _expiry(text: str) -> datetime:
    """Return the end of that day for this user; an invalid one counts as past, which is refused."""
    try:
        return typed_midnight(text, days=1, zone=user_zone())
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def _page(errors: dict[str, str]) -> str:
    chosen = request.form.getlist("sites", type=row_number)
    page = auto_update_rule_view_models.rule_page(request.form.get("find_sites", ""), chosen)
    return render_template(
        "auto_update_rules/index.html",
        rows=page.rows,
        clients=page.clients,
        choices=page.choices,
        must_find=page.must_find,
        usual_end=(utcnow() + timedelta(days=90)).date().isoformat(),
        my_id=current_actor().id,
        agency_rest=page.agency_rest,
        typed=request.form,
        errors=errors,
    )


def _back() -> ResponseReturnValue:
    return redirect(url_for("auto_update_rules.index"), 303)
