"""Pages about the user's own account: preferences, sessions and password."""

from __future__ import annotations

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain.accounts import preferences, second_factors, sessions, users, verified_person
from app.domain.errors import Invalid
from app.domain.time_zones import time_zones
from app.models.base import utcnow
from app.views.authorization import client_info, current_actor, current_session, require_permission
from app.views.browser_sessions import start_browser_session

bp = Blueprint("account", __name__)


@bp.get("/account")
@require_permission("account")
def show() -> ResponseReturnValue:
    return _page({})


@bp.post("/account/preferences")
@require_permission("account")
def change_preferences() -> ResponseReturnValue:
    try:
        preferences.change_preferences(
            theme=request.form.get("theme", ""),
            time_zone=request.form.get("time_zone", ""),
            by=current_actor(),
        )
    except Invalid as refusal:
        return _page(refusal.messages), 422
    flash("Preferences saved.")
    return redirect(url_for("account.show"), 303)


@bp.post("/account/password")
@require_permission("account")
def change_password() -> ResponseReturnValue:
    try:
        opened = users.change_password(
            current_session(),
            present=request.form.get("present", ""),
            new=request.form.get("new", ""),
            again=request.form.get("again", ""),
            browser=client_info(),
            config=current_app.config["AURA"],
            now=utcnow(),
        )
    except Invalid as refusal:
        return _page(refusal.messages), 422
    answer = start_browser_session(opened, url_for("account.show"))
    flash("Password changed. All other sessions ended.")
    return answer


@bp.post("/account/verify")
@require_permission("account")
def verify() -> ResponseReturnValue:
    """Ask for the second factor before the form for a new password is shown."""
    verified_person.verified_person(current_session(), by=current_actor(), now=utcnow())
    return redirect(url_for("account.show", _anchor="password"), 303)


@bp.post("/account/sessions/<int:session_id>/end")
@require_permission("account")
def end_session(session_id: int) -> ResponseReturnValue:
    sessions.end_session(session_id, by=current_actor())
    flash("Session ended.")
    return redirect(url_for("account.show"), 303)


@bp.post("/account/sessions/end-others")
@require_permission("account")
def end_other_sessions() -> ResponseReturnValue:
    sessions.end_other_sessions(current_session(), by=current_actor())
    flash("All other sessions ended.")
    return redirect(url_for("account.show"), 303)


def _page(errors: dict[str, str]) -> str:
    current, now = current_session(), utcnow()
    factors = second_factors.read_factors(current.user.id)
    return render_template(
        "account/show.html",
        user=current.user,
        this_session=current.session,
        sessions=sessions.active_sessions(current.user.id, now=now),
        factors=factors,
        must_verify=factors.has_any and not verified_person.is_verified(current, now),
        time_zones=[(name, name.replace("_", " ")) for name in time_zones()],
        errors=errors,
    )
