"""The calls to a site, from the call log."""

from __future__ import annotations

from flask import Blueprint, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.models.call_log import SiteCall
from app.views.authorization import require_permission
from app.views.request_validation import row_number
from app.views.site_view_models import load_site_page

bp = Blueprint("calls", __name__)

_PAGE = 50


@bp.get("/sites/<int:site_id>/calls")
@require_permission("audit")
def site(site_id: int) -> ResponseReturnValue:
    """Show a site's calls, the newest first."""
    page = load_site_page(site_id)
    before = request.args.get("before", type=row_number)
    # Fetch one more than is shown, to know whether there is an older page.
    found = SiteCall.newest_of(page.site.id, _PAGE + 1, before=before)
    older = found[_PAGE - 1].id if len(found) > _PAGE else None
    return render_template(
        "calls/site.html",
        page=page,
        calls=found[:_PAGE],
        kept_days=current_app.config["AURA"].call_log_days,
        newest_url=url_for("calls.site", site_id=site_id) if before else "",
        older_url=url_for("calls.site", site_id=site_id, before=older) if older else "",
    )
