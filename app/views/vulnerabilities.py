"""Known vulnerabilities of all sites: a list, a CSV file, and the review of what fixes them."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from app.domain.changes import vulnerability_updates
from app.domain.permissions import visibility_of
from app.formats import iso_time
from app.models.base import utcnow
from app.models.site_vulnerabilities import SiteVulnerability
from app.models.vulnerabilities import VulnerableSoftware
from app.views import update_view_models, vulnerability_view_models
from app.views.authorization import current_actor, require_permission
from app.views.downloads import csv_download

bp = Blueprint("vulnerabilities", __name__)
bp.add_app_template_global(vulnerability_view_models.notices_of, "vulnerability_notices")

_COLUMNS = (
    *("severity", "cvss", "cve", "title", "kind", "name", "version", "state", "active"),
    *("fixed in", "site", "address", "client", "found", "record", "copyright"),
)


@bp.get("/vulnerabilities")
@require_permission("overview")
def index() -> ResponseReturnValue:
    now = utcnow()
    page = vulnerability_view_models.vulnerability_page(current_actor(), now)
    tabs = update_view_models.tabs(current_actor(), now)
    return render_template("vulnerabilities/index.html", page=page, numbers=tabs)


@bp.get("/vulnerabilities/export.csv")
@require_permission("overview")
def export() -> ResponseReturnValue:
    """Return each vulnerability of each site."""
    found = SiteVulnerability.everywhere(visibility_of(current_actor()))
    return csv_download("vulnerabilities.csv", _COLUMNS, (_cells(one) for one in found))


@bp.post("/vulnerabilities/<int:software_id>/review")
@require_permission("propose")
def review(software_id: int) -> ResponseReturnValue:
    """Start the pre-checks of the updates that fix it, and show their batch."""
    try:
        changes = vulnerability_updates.review_fixes(software_id, by=current_actor(), now=utcnow())
    except vulnerability_updates.NothingToReview as why:
        flash(why.message, "info")
        return redirect(_page_of(software_id), 303)
    return redirect(url_for("batches.show", batch=changes[0].batch), 303)


def _page_of(software_id: int) -> str:
    """Return the page of the plugin or theme, which says what speaks against its updates."""
    software = VulnerableSoftware.get_by_id(software_id)
    one = SiteVulnerability.of_software(
        software.kind, software.slug, visibility_of(current_actor())
    )[0]
    return url_for("plugins.show", kind=one.kind, ident=one.ident)


def _cells(one: SiteVulnerability) -> tuple[object, ...]:
    found, site = one.software.vulnerability, one.site
    return (
        *(found.rating or "not rated", found.score, found.cve, found.title, one.kind, one.name),
        *(one.version, one.state, "yes" if one.is_active else "no", one.fixed_in, site.name),
        *(site.url, site.client.name if site.client else "", iso_time(one.found_at)),
        *(found.address, "; ".join(notice for notice, *_ in found.notices)),
    )
