"""Files of sites that differ from their releases: accepting them, and a list of all."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from app.domain.errors import Invalid
from app.domain.integrity import acceptance, file_checks
from app.domain.permissions import visibility_of
from app.formats import iso_time
from app.models.base import utcnow
from app.models.file_checks import ComparedComponent
from app.views.authorization import (
    current_actor,
    current_session,
    load_site,
    require_permission,
)
from app.views.downloads import csv_download
from app.views.site_view_models import load_site_page
from app.views.support_view_models import version_support

bp = Blueprint("file_checks", __name__)
bp.add_app_template_global(file_checks.is_urgent, "is_urgent_difference")

_COLUMNS = (
    *("site", "address", "client", "kind", "name", "version", "state", "changed", "missing"),
    *("unknown", "changed files", "missing files", "unknown files", "found", "accepted by"),
    *("accepted", "reason", "fingerprint"),
)


@bp.post("/sites/<int:site_id>/files/<int:component_id>/accept")
@require_permission("approve")
def accept(site_id: int, component_id: int) -> ResponseReturnValue:
    site = load_site(site_id)
    try:
        row = acceptance.accept_differences(
            site,
            component_id,
            request.form.get("fingerprint", ""),
            because=request.form.get(f"because_{component_id}", ""),
            confirmed_at=current_session().session.confirmed_at,
            by=current_actor(),
            now=utcnow(),
        )
    except Invalid as refusal:
        page = load_site_page(site_id)
        support = version_support(page.document or {})
        wrong = {"files_wrong": component_id, "errors": refusal.messages}
        return render_template("sites/health.html", page=page, support=support, **wrong), 422
    flash(f"Changed files of {file_checks.in_brief(row)} accepted.")
    return _back(site_id)


@bp.post("/sites/<int:site_id>/files/<int:component_id>/withdraw")
@require_permission("propose")
def withdraw(site_id: int, component_id: int) -> ResponseReturnValue:
    row = acceptance.withdraw_acceptance(
        load_site(site_id), component_id, by=current_actor(), now=utcnow()
    )
    flash(f"Changed files of {file_checks.in_brief(row)} need attention again.")
    return _back(site_id)


@bp.get("/changed-files/export.csv")
@require_permission("overview")
def export() -> ResponseReturnValue:
    """Return what differs on each site."""
    found = ComparedComponent.everywhere(visibility_of(current_actor()))
    return csv_download("changed-files.csv", _COLUMNS, (_cells(one) for one in found))


def _cells(one: ComparedComponent) -> tuple[object, ...]:
    site = one.site
    return (
        *(site.name, site.url, site.client.name if site.client else "", one.kind, one.name),
        *(one.version, one.state, one.changed, one.missing, one.unknown),
        *("; ".join(files) for files in (one.changed_files, one.missing_files, one.unknown_files)),
        *(iso_time(one.found_at), one.accepted_by if one.is_accepted else ""),
        iso_time(one.accepted_at) if one.is_accepted and one.accepted_at else "",
        *(one.accepted_because if one.is_accepted else "", one.fingerprint),
    )


def _back(site_id: int) -> Response:
    return redirect(url_for("site_tabs.health", site_id=site_id, _anchor="files"), 303)
