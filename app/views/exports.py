"""Pages to export the audit log: create, follow and download."""

from __future__ import annotations

from datetime import datetime

from flask import (
    Blueprint,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from flask.typing import ResponseReturnValue

from app.domain.audit import export
from app.domain.audit.export_scope import ExportScope
from app.domain.errors import Invalid
from app.models.base import utcnow
from app.models.clients import Client
from app.models.exports import AuditLogExport
from app.views.authorization import (
    current_actor,
    current_session,
    current_visibility,
    load_client,
    load_site,
    require_permission,
)
from app.views.request_validation import row_number, typed_midnight
from app.views.site_choices import site_choices

bp = Blueprint("exports", __name__)

_SHOWN = 20
_OTHER_SITES = (
    "To export one site, open its activity and choose “Export the audit log of this site”."
)


@bp.get("/activity/exports")
@require_permission("export")
def index() -> ResponseReturnValue:
    return _page(request.args.to_dict(), {})


@bp.post("/activity/exports")
@require_permission("export")
def make() -> ResponseReturnValue:
    try:
        export.request_export(
            request.form.get("form", ""),
            _covered(),
            by=current_actor(),
            confirmed_at=current_session().session.confirmed_at,
            now=utcnow(),
        )
    except Invalid as refusal:
        return _page(request.form.to_dict(), refusal.messages), 422
    return redirect(url_for("exports.index", _anchor="exports"), 303)


@bp.get("/activity/exports/progress")
@require_permission("export")
def progress() -> ResponseReturnValue:
    """Render the part that polls, until no export is running."""
    answer = make_response(render_template("exports/_list.html", exports=_newest()))
    answer.cache_control.no_store = True
    return answer


@bp.post("/activity/exports/<int:export_id>")
@require_permission("export")
def download(export_id: int) -> ResponseReturnValue:
    """Send the file. It is a form because it asks for the password and is recorded."""
    log_export, path = export.get_download(
        export_id, by=current_actor(), config=current_app.config["AURA"], now=utcnow()
    )
    return send_file(path, as_attachment=True, download_name=log_export.file_name, max_age=0)


def _covered() -> ExportScope:
    """Return the permission from the form.

    Only an empty field means everything: an invalid one must not widen the export.

    Raises: Invalid, or NotFound for an unknown site or client.
    """
    site_id, client_id = request.form.get("site", ""), request.form.get("client", "")
    return export.make_scope(
        client=load_client(_number(client_id)) if client_id else None,
        site=load_site(_number(site_id)) if site_id else None,
        since=_midnight("since"),
        until=_midnight("until", days=1),
        private=request.form.get("private") == "1",
    )


def _number(text: str) -> int:
    """Return the id of a row; 0, which no row has, for anything else."""
    try:
        return row_number(text)
    except ValueError:
        return 0


def _midnight(name: str, days: int = 0) -> datetime | None:
    """Return the start or the end of the typed day."""
    text = request.form.get(name, "").strip()
    if not text:
        return None
    try:
        return typed_midnight(text, days=days)
    except ValueError as why:
        raise Invalid(name, "Enter a date, for example 2026-11-26.") from why


def _newest() -> list[AuditLogExport]:
    return AuditLogExport.newest(_SHOWN, current_visibility())


def _page(typed: dict[str, str], errors: dict[str, str]) -> str:
    return render_template(
        "exports/index.html",
        exports=_newest(),
        clients=Client.names(current_visibility()),
        sites=site_choices(None, _number(typed.get("site", "")) or None, _OTHER_SITES),
        typed=typed,
        errors=errors,
    )
