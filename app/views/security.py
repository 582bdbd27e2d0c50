"""Accounts, sessions and keys on one page, and the renewal of all keys. For owners."""

from __future__ import annotations

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain import security
from app.domain.accounts import second_factors
from app.domain.connection import rotation
from app.formats import counted
from app.models.base import utcnow
from app.views.authorization import current_actor, current_session, require_permission

bp = Blueprint("security", __name__)


@bp.get("/settings/security")
@require_permission("security")
def show() -> ResponseReturnValue:
    found = security.read_facts(current_app.config["AURA"], utcnow())
    needs_factor = second_factors.required_roles(current_session().session.agency)
    return render_template("settings/security.html", found=found, needs_factor=needs_factor)


@bp.post("/settings/security/second-factor")
@require_permission("security")
def require_second_factor() -> ResponseReturnValue:
    roles = request.form.getlist("roles")
    if second_factors.require_for_roles(roles, by=current_actor(), now=utcnow()):
        flash("Second factor saved. It is asked for at the next sign-in.")
    return redirect(url_for("security.show", _anchor="second-factor"), 303)


@bp.post("/settings/security/renew-keys")
@require_permission("security")
def renew_keys() -> ResponseReturnValue:
    """Renew Aura's signing key and the keys of all sites."""
    rotations = rotation.rotate_all_keys(
        by=current_actor(), config=current_app.config["AURA"], now=utcnow()
    )
    flash(f"New signing key created. Key renewal started for {counted(len(rotations), 'site')}.")
    return redirect(url_for("security.show"), 303)
