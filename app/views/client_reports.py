"""Reports that are sent to a client: the schedule, the list, and each report with its preview."""

from __future__ import annotations

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from app.domain.errors import Invalid, NotFound
from app.domain.reporting import schedule, sending
from app.domain.reporting.schedule import ReportTerms
from app.formats import counted
from app.models.base import utcnow
from app.models.client_reports import MONTHLY, SentReport
from app.models.clients import Client
from app.report_pdf import render_report
from app.views import client_report_view_models as view_models
from app.views import downloads
from app.views.authorization import current_actor, current_session, load_client, require_permission
from app.views.request_validation import row_number

bp = Blueprint("client_reports", __name__)


@bp.get("/clients/<int:client_id>/reports")
@require_permission("see")
def index(client_id: int) -> ResponseReturnValue:
    page = view_models.report_list(load_client(client_id), current_actor(), utcnow())
    return render_template("client_reports/index.html", page=page)


@bp.get("/clients/<int:client_id>/reports/schedule")
@require_permission("reports")
def edit_schedule(client_id: int) -> ResponseReturnValue:
    client = load_client(client_id)
    return _schedule_page(client, schedule.suggested_terms(client), {})


@bp.post("/clients/<int:client_id>/reports/schedule")
@require_permission("reports")
def change_schedule(client_id: int) -> ResponseReturnValue:
    client, terms = load_client(client_id), _typed_terms()
    confirmed_at = current_session().session.confirmed_at
    try:
        schedule.change_schedule(
            client, terms, by=current_actor(), confirmed_at=confirmed_at, now=utcnow()
        )
    except Invalid as refusal:
        return _schedule_page(client, terms, refusal.messages), 422
    flash(f"Report schedule of {client.name} saved.")
    return redirect(url_for("client_reports.index", client_id=client.id), 303)


@bp.get("/clients/<int:client_id>/reports/<int:report_id>")
@require_permission("see")
def show(client_id: int, report_id: int) -> ResponseReturnValue:
    return _report_page(_load(client_id, report_id), {})


@bp.post("/clients/<int:client_id>/reports/<int:report_id>/note")
@require_permission("reports")
def change_note(client_id: int, report_id: int) -> ResponseReturnValue:
    report = _load(client_id, report_id)
    try:
        sending.change_note(report, request.form.get("note", ""), by=current_actor(), now=utcnow())
    except Invalid as refusal:
        return _report_page(report, refusal.messages), 422
    flash("Note saved. The preview below contains it.")
    return _back(report)


@bp.post("/clients/<int:client_id>/reports/<int:report_id>/send")
@require_permission("reports")
def send(client_id: int, report_id: int) -> ResponseReturnValue:
    report = _load(client_id, report_id)
    count = sending.send_report(
        report,
        request.form.get("seen", ""),
        render_report,
        by=current_actor(),
        confirmed_at=current_session().session.confirmed_at,
        config=current_app.config["AURA"],
        now=utcnow(),
    )
    addresses = counted(count, "address", "addresses")
    flash(f"Report for {report.client.name} is on its way to {addresses}.")
    return _back(report)


@bp.post("/clients/<int:client_id>/reports/<int:report_id>/discard")
@require_permission("reports")
def discard(client_id: int, report_id: int) -> ResponseReturnValue:
    report = _load(client_id, report_id)
    sending.discard_report(report, by=current_actor(), now=utcnow())
    flash("Report discarded. It is not sent.")
    return redirect(url_for("client_reports.index", client_id=client_id), 303)


@bp.post("/clients/<int:client_id>/reports/<int:report_id>/download")
@require_permission("see")
def download(client_id: int, report_id: int) -> ResponseReturnValue:
    """Return exactly what was sent, which is recorded in the audit log."""
    report = _load(client_id, report_id)
    return _pdf(report, sending.download_report(report, by=current_actor(), now=utcnow()))


@bp.get("/clients/<int:client_id>/reports/<int:report_id>/preview.pdf")
@require_permission("reports")
def preview(client_id: int, report_id: int) -> ResponseReturnValue:
    """Return the PDF as it would be sent now."""
    report = _load(client_id, report_id)
    if not report.content_digest:
        raise NotFound("This report is still being prepared. Try again in a minute.")
    return _pdf(report, sending.make_pdf(report, render_report, current_app.config["AURA"]))


def _load(client_id: int, report_id: int) -> SentReport:
    """Return the report. Raises NotFound, also if it belongs to another client."""
    client = load_client(client_id)
    report = sending.get_report(report_id, current_actor())
    if report.client_id != client.id:
        raise NotFound("This report does not exist.")
    return report


def _typed_terms() -> ReportTerms:
    form = request.form
    cadence = form.get("cadence", "")
    day = "month_day" if cadence == MONTHLY else "weekday"
    return ReportTerms(
        cadence=cadence,
        day=form.get(day, -1, type=row_number),
        time_zone=form.get("time_zone", ""),
        is_automatic=form.get("approval") == "automatic",
        recipients=schedule.parse_recipients(form.get("recipients", "")),
        sender_name=form.get("sender_name", ""),
        reply_to=form.get("reply_to", ""),
        language=form.get("language", ""),
    )


def _schedule_page(client: Client, terms: ReportTerms, errors: dict[str, str]) -> str:
    return render_template(
        "client_reports/schedule.html",
        client=client,
        terms=terms,
        choices=view_models.schedule_choices(),
        errors=errors,
    )


def _report_page(report: SentReport, errors: dict[str, str]) -> str:
    page = view_models.report_page(report, current_actor())
    note = request.form.get("note", report.note) if errors else report.note
    return render_template("client_reports/show.html", page=page, note=note, errors=errors)


def _pdf(report: SentReport, document: bytes) -> Response:
    return downloads.download(document, view_models.file_name_of(report), "application/pdf")


def _back(report: SentReport) -> ResponseReturnValue:
    return redirect(
        url_for("client_reports.show", client_id=report.client_id, report_id=report.id), 303
    )
