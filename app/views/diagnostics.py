"""Start a connection test, show its result, and format it as text."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.domain.diagnostics import runs
from app.domain.diagnostics.results import Diagnosis
from app.models.base import utcnow
from app.models.diagnostics import ABANDONED, DONE, DiagnosticRun
from app.models.sites import Site
from app.views.authorization import current_actor, load_site, require_permission

bp = Blueprint("diagnostics", __name__)


@dataclass(frozen=True)
class ConnectionCheck:
    """The data of the connection test card: a running test, and the last result.

    `was_abandoned` if a newer test started and never ended.
    """

    running: DiagnosticRun | None
    last: DiagnosticRun | None
    found: Diagnosis | None
    text: str
    may_be_diagnosed: bool
    was_abandoned: bool


@bp.post("/sites/<int:site_id>/examine")
@require_permission("sync")
def examine(site_id: int) -> ResponseReturnValue:
    runs.request_diagnostics(load_site(site_id), by=current_actor(), now=utcnow())
    address = url_for("site_tabs.connection", site_id=site_id, _anchor="connection-check")
    return redirect(address, 303)


@bp.get("/sites/<int:site_id>/diagnostic_run")
@require_permission("see")
def progress(site_id: int) -> ResponseReturnValue:
    """Render the card for the poll. When the test has ended, the page is reloaded."""
    site = load_site(site_id)
    answer = make_response(render_template("diagnostics/_card.html", site=site))
    answer.cache_control.no_store = True
    running = DiagnosticRun.open_for(site)
    if running is None or running.state != request.args.get("seen"):
        answer.headers["HX-Refresh"] = "true"
    return answer


@bp.app_template_global("connection_check")
def connection_check(site: Site) -> ConnectionCheck:
    """Return the data of the connection test card of a site."""
    recent = DiagnosticRun.recent(site)
    last = next((run for run in recent if run.state == DONE), None)
    newest = next((run for run in recent if not run.is_open), None)
    found = runs.found_by(last) if last is not None else None
    return ConnectionCheck(
        running=next((run for run in recent if run.is_open), None),
        last=last,
        found=found,
        text=as_text(found) if found is not None else "",
        may_be_diagnosed=site.state in runs.MAY_DIAGNOSE,
        was_abandoned=newest is not None and newest.state == ABANDONED,
    )


def as_text(found: Diagnosis) -> str:
    """Return the result of a test as plain text, for the page and the command line."""
    template = current_app.jinja_env.get_template("diagnostics/report.txt")
    return template.render(found=found)
