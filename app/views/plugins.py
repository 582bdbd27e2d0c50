"""The page of a plugin, a theme or WordPress on all sites, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain.errors import Invalid
from app.domain.provenance import changes
from app.models.base import utcnow
from app.models.changes import Change
from app.models.provenance import ProvenanceChange
from app.models.sites import Site
from app.views import plugin_source_view_models, plugin_view_models
from app.views.authorization import (
    current_actor,
    current_session,
    current_visibility,
    require_permission,
)

bp = Blueprint("plugins", __name__)

_SOURCES_SHOWN = 100


@bp.get("/plugins/<any(plugin, theme, mu_plugin, dropin, core, siteagent):kind>")
@require_permission("overview")
def show(kind: str) -> ResponseReturnValue:
    """Show one component; its name in the address may contain slashes, so it is a parameter."""
    ident = request.args.get("ident", "core" if kind == "core" else "")[:300]
    return _page(kind, ident, {})


@bp.get("/plugins/sources")
@require_permission("overview")
def sources() -> ResponseReturnValue:
    """List changes of where plugins and themes come from."""
    found = ProvenanceChange.listing(current_visibility(), _SOURCES_SHOWN)
    return render_template("plugins/sources.html", changes=found)


@bp.post("/plugins/sources/<int:change_id>/accept")
@require_permission("auto_update_rules")
def accept(change_id: int) -> ResponseReturnValue:
    change = changes.find_change(change_id)
    try:
        changes.accept_change(
            change,
            request.form.get(field := f"reason-{change_id}", ""),
            by=current_actor(),
            confirmed_at=current_session().session.confirmed_at,
            now=utcnow(),
        )
    except Invalid as refusal:
        return _page(change.kind, change.ident, {field: refusal.messages["reason"]}), 422
    flash(f"Change of {change.name} accepted.")
    address = url_for(".show", kind=change.kind, ident=change.ident, _anchor="source")
    return redirect(address, 303)


def _page(kind: str, ident: str, errors: dict[str, str]) -> str:
    listed, actor = "plugin" if kind == "siteagent" else kind, current_actor()
    return render_template(
        "plugins/show.html",
        page=plugin_view_models.plugin_page(actor, listed, ident, utcnow()),
        errors=errors,
        typed=request.form,
    )


@bp.app_template_global("source_changes_of")
def source_changes_of(updates: Iterable[Change]) -> list[ProvenanceChange]:
    """Return what a person has to know before they approve these updates."""
    return plugin_source_view_models.open_changes_of(updates, current_actor())


@bp.app_template_global("source_changes_of_update")
def source_changes_of_update(change: Change) -> list[ProvenanceChange]:
    """Return the same for the page of one update."""
    return plugin_source_view_models.open_changes_of_update(change)


@bp.app_template_global("source_changes_on")
def source_changes_on(site: Site) -> list[ProvenanceChange]:
    """Return the open changes of what a site has."""
    return ProvenanceChange.on_site(site.id)
