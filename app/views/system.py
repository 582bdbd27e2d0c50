"""The state of this installation, for everyone at the agency. It shows no secrets."""

from __future__ import annotations

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue

from app.domain import permissions, system
from app.models.base import utcnow
from app.views.authorization import current_actor, require_permission

bp = Blueprint("system", __name__)


@bp.get("/settings/system")
@require_permission("overview")
def show() -> ResponseReturnValue:
    permissions.require_everything(current_actor(), "overview")
    checks = system.run_checks(current_app.config["AURA"], utcnow())
    to_do = sum(check.state in (system.BAD, system.CHECK) for check in checks)
    unknown = sum(check.state == system.UNKNOWN for check in checks)
    return render_template("settings/system.html", checks=checks, to_do=to_do, unknown=unknown)
