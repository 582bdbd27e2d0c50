"""Pages about contradictions between a site's log and the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain import alerts, permissions
from app.domain.crosscheck import site_log
from app.domain.errors import Invalid
from app.models.alerts import Alarm
from app.models.base import utcnow
from app.models.site_log import SiteEntry, SiteLog
from app.models.sites import Site
from app.views.authorization import current_actor, current_session, load_site, require_permission

bp = Blueprint("alerts", __name__)

_CLOSED_SHOWN = 30


@dataclass(frozen=True)
class LogComparison:
    """The data of the log comparison card of a site."""

    alarms: list[Alarm]
    entries: int
    n: int
    read_at: datetime | None


@bp.get("/alerts")
@require_permission("audit")
def index() -> ResponseReturnValue:
    return render_template(
        "alerts/index.html", open=Alarm.open_ones(), closed=Alarm.closed_ones(_CLOSED_SHOWN)
    )


@bp.get("/alerts/<int:alarm_id>")
@require_permission("audit")
def show(alarm_id: int) -> ResponseReturnValue:
    return _page(alerts.get_alert(alarm_id), {})


@bp.post("/alerts/<int:alarm_id>/close")
@require_permission("approve")
def close(alarm_id: int) -> ResponseReturnValue:
    alarm = alerts.get_alert(alarm_id)
    try:
        count = alerts.close_alert(
            alarm,
            by=current_actor(),
            note=request.form.get("note", ""),
            with_others=request.form.get("with_others") == "1",
            confirmed_at=current_session().session.confirmed_at,
            now=utcnow(),
        )
    except Invalid as refusal:
        return _page(alarm, refusal.messages), 422
    flash("Alert resolved." if count == 1 else f"{count} alerts resolved.")
    return redirect(url_for("alerts.index"), 303)


@bp.post("/sites/<int:site_id>/log/read")
@require_permission("sync")
def read_log(site_id: int) -> ResponseReturnValue:
    site = load_site(site_id)
    site_log.request_site_log(site, by=current_actor())
    flash("Reading the site's log. Reload this page in a moment.", "info")
    return redirect(url_for("sites.show", site_id=site.id, _anchor="both-logs"), 303)


def _page(alarm: Alarm, errors: dict[str, str]) -> str:
    session = current_session().session
    return render_template(
        "alerts/show.html",
        alarm=alarm,
        others=alerts.similar_alerts(alarm),
        is_about_trail=alarm.kind in alerts.ABOUT_AUDIT_LOG,
        is_fresh=utcnow() - session.confirmed_at < permissions.REAUTH_MAX_AGE,
        errors=errors,
        typed=request.form,
    )


@bp.app_template_global("severity_of")
def severity_of(kind: str) -> str:
    return alerts.severity(kind)


@bp.app_template_global("both_logs")
def both_logs(site: Site) -> LogComparison:
    """Return the data of the log comparison card of a site."""
    read = SiteLog.get_or_none(SiteLog.site == site)
    return LogComparison(
        alarms=Alarm.open_ones(site),
        entries=SiteEntry.count_of(site),
        n=read.n if read else 0,
        read_at=read.read_at if read else None,
    )
