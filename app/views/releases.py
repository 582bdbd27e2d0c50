"""Pages about the files of the release that an update installs."""

from __future__ import annotations

from flask import Blueprint, current_app, render_template, request
from flask.typing import ResponseReturnValue

from app.domain.changes import release_difference, release_findings
from app.domain.errors import NotFound
from app.views.authorization import load_change, require_permission
from app.views.pagination import page_of
from app.views.release_view_models import PARTS

# How many lines of a difference are on one page.
LINES_PER_PAGE = 300

bp = Blueprint("releases", __name__)


@bp.get("/changes/<int:change_id>/files")
@require_permission("see")
def files(change_id: int) -> ResponseReturnValue:
    """List the files that are new, changed or gone."""
    change = load_change(change_id)
    known, part = release_findings.findings_of(change), request.args.get("part", "")
    if known is None or not known.is_shown:
        raise NotFound("Aura has not compared the packages of these versions.")
    if part not in PARTS:
        part = next((one for one in PARTS if known.found[one]["count"]), PARTS[0])
    page = page_of(known.found[part]["names"])
    return render_template(
        "changes/files.html", change=change, findings=known.found, part=part, page=page
    )


@bp.get("/changes/<int:change_id>/difference")
@require_permission("see")
def difference(change_id: int) -> ResponseReturnValue:
    """Show how one file differs from the installed version's."""
    change = load_change(change_id)
    found = release_difference.difference(
        change, request.args.get("file", ""), current_app.config["AURA"]
    )
    page = page_of(found.lines, LINES_PER_PAGE)
    return render_template("changes/difference.html", change=change, found=found, page=page)
