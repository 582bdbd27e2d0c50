"""The page of a plugin, a theme or WordPress on all sites."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from app.models.base import utcnow
from app.views import plugin_view_models
from app.views.authorization import current_actor, require_permission

bp = Blueprint("plugins", __name__)


@bp.get("/plugins/<any(plugin, theme, mu_plugin, dropin, core, siteagent):kind>")
@require_permission("overview")
def show(kind: str) -> ResponseReturnValue:
    """Show one component; its name in the address may contain slashes, so it is a parameter."""
    listed = "plugin" if kind == "siteagent" else kind
    ident = request.args.get("ident", "core" if kind == "core" else "")[:300]
    page = plugin_view_models.plugin_page(current_actor(), listed, ident, utcnow())
    return render_template("plugins/show.html", page=page)
