"""The tabs of a site's page, each with its own address, and the site's notes."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain.errors import Invalid
from app.domain.sites import notes
from app.models.base import utcnow
from app.views.authorization import current_actor, load_site, require_permission
from app.views.site_view_models import load_site_page
from app.views.support_view_models import version_support

bp = Blueprint("site_tabs", __name__)

# The address of each tab; a fragment names its tab so that it can lead back to it.
ENDPOINTS = {
    "overview": "sites.show",
    "updates": "site_tabs.updates",
    "components": "site_tabs.components",
    "health": "site_tabs.health",
    "uptime": "uptime.show",
    "pages": "site_pages.show",
    "activity": "audit.site",
    "connection": "site_tabs.connection",
}


@bp.app_template_global("tab_address")
def tab_address(site_id: int, tab: str) -> str:
    """Return the address of a tab; of the overview for an unknown one."""
    return url_for(ENDPOINTS.get(tab, ENDPOINTS["overview"]), site_id=site_id)


@bp.get("/sites/<int:site_id>/updates")
@require_permission("see")
def updates(site_id: int) -> ResponseReturnValue:
    page = load_site_page(site_id)
    return render_template("sites/updates.html", page=page)


@bp.get("/sites/<int:site_id>/components")
@require_permission("see")
def components(site_id: int) -> ResponseReturnValue:
    page = load_site_page(site_id)
    return render_template("sites/components.html", page=page)


@bp.get("/sites/<int:site_id>/health")
@require_permission("see")
def health(site_id: int) -> ResponseReturnValue:
    page = load_site_page(site_id)
    support = version_support(page.document or {})
    return render_template("sites/health.html", page=page, support=support)


@bp.get("/sites/<int:site_id>/connection")
@require_permission("see")
def connection(site_id: int) -> ResponseReturnValue:
    page = load_site_page(site_id)
    return render_template("sites/connection.html", page=page)


@bp.post("/sites/<int:site_id>/notes")
@require_permission("pair")
def set_notes(site_id: int) -> ResponseReturnValue:
    site, typed = load_site(site_id), request.form.get("notes", "")
    try:
        notes.set_site_notes(site, typed, by=current_actor(), now=utcnow())
    except Invalid as refusal:
        page = load_site_page(site_id)
        errors = refusal.messages
        return render_template("sites/show.html", page=page, notes_typed=typed, errors=errors), 422
    flash("Notes saved.")
    return redirect(url_for("sites.show", site_id=site.id, _anchor="notes"), 303)
