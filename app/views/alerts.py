"""Pages about contradictions between a site's log and the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain import alerts, permissions
from app.domain.crosscheck import site_log
from app.domain.errors import Invalid
from app.models.alerts import Alert
from app.models.base import utcnow
from app.models.site_log import SiteLog, SiteLogEntry
from app.models.sites import Site
from app.views.authorization import (
    current_actor,
    current_session,
    current_visibility,
    load_site,
    require_permission,
)
from app.views.page_context import urgent_items

bp = Blueprint("alerts", __name__)

_CLOSED_SHOWN = 30


@dataclass(frozen=True)
class LogComparison:
    """The data of the log comparison card of a site."""

    alerts: list[Alert]
    entries: int
    n: int
    read_at: datetime | None


@bp.get("/alerts")
@require_permission("audit")
def index() -> ResponseReturnValue:
    visible = current_visibility()
    return render_template(
        "alerts/index.html",
        open=Alert.unresolved(visible),
        closed=Alert.resolved(_CLOSED_SHOWN, visible),
    )


@bp.get("/alerts/<int:alert_id>")
@require_permission("audit")
def show(alert_id: int) -> ResponseReturnValue:
    return _page(alerts.get_alert(alert_id, current_actor()), {})


@bp.post("/alerts/<int:alert_id>/close")
@require_permission("approve")
def close(alert_id: int) -> ResponseReturnValue:
    alert = alerts.get_alert(alert_id, current_actor())
    try:
        count = alerts.close_alert(
            alert,
            by=current_actor(),
            note=request.form.get("note", ""),
            with_others=request.form.get("with_others") == "1",
            confirmed_at=current_session().session.confirmed_at,
            now=utcnow(),
        )
    except Invalid as refusal:
        return _page(alert, refusal.messages), 422
    flash("Alert resolved." if count == 1 else f"{count} alerts resolved.")
    return redirect(url_for("alerts.index"), 303)


@bp.post("/sites/<int:site_id>/log/read")
@require_permission("sync")
def read_log(site_id: int) -> ResponseReturnValue:
    site = load_site(site_id)
    site_log.request_site_log(site, by=current_actor())
    flash("Reading the site's log. Reload this page in a moment.", "info")
    return redirect(url_for("site_tabs.connection", site_id=site.id, _anchor="both-logs"), 303)


def _page(alert: Alert, errors: dict[str, str]) -> str:
    session = current_session().session
    return render_template(
        "alerts/show.html",
        alert=alert,
        others=alerts.similar_alerts(alert, current_actor()),
        is_about_audit_log=alert.kind in alerts.ABOUT_AUDIT_LOG,
        is_fresh=utcnow() - session.confirmed_at < permissions.REAUTH_MAX_AGE,
        errors=errors,
        typed=request.form,
    )


@bp.app_template_global("severity_of")
def severity_of(kind: str) -> str:
    return alerts.severity(kind)


@bp.app_template_global("both_logs")
def both_logs(site: Site) -> LogComparison:
    """Return the data of the log comparison card of a site, for those who may see alerts."""
    read = SiteLog.get_or_none(SiteLog.site == site)
    return LogComparison(
        alerts=[
            item.row
            for item in urgent_items()
            if isinstance(item.row, Alert) and item.row.site_id == site.id
        ],
        entries=SiteLogEntry.count_of(site),
        n=read.n if read else 0,
        read_at=read.read_at if read else None,
    )
