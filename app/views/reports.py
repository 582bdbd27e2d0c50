"""The client report for a period, as a page and as a PDF."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, current_app, render_template, request
from flask.typing import ResponseReturnValue

from app.domain.errors import Invalid
from app.domain.reporting import data
from app.domain.reporting.client_report import ClientReport, Period
from app.models.agency import AgencyLogo
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.change_results import only_reviewed
from app.models.clients import Client
from app.pdf import render_pdf
from app.views.authorization import current_actor, load_client, require_permission
from app.views.brand import agency_settings
from app.views.downloads import download
from app.views.filters import use_document_zone
from app.views.request_validation import typed_day

bp = Blueprint("reports", __name__)

PDF = "pdf"
_USUAL_DAYS = 30
# A report has a cell for each day of each site.
_MOST_YEARS = 3
# Aura is younger: an earlier year is a typing error, such as 26.
_FIRST_YEAR = 2000


@dataclass(frozen=True)
class Preset:
    """A period with a name."""

    name: str
    first: date
    last: date


@bp.get("/clients/<int:client_id>/report")
@require_permission("see")
def show(client_id: int) -> ResponseReturnValue:
    client, today = load_client(client_id), _today()
    typed = {"from": request.args.get("from", ""), "to": request.args.get("to", "")}
    if not any(typed.values()):
        usual = _presets(today)[1]
        typed = {"from": usual.first.isoformat(), "to": usual.last.isoformat()}
    words = {"client": client, "typed": typed, "presets": _presets(today)}
    try:
        period = _period(typed)
    except Invalid as refusal:
        return render_template("reports/show.html", **words, errors=refusal.messages), 422
    config = current_app.config["AURA"]
    report = data.compute_for(client, period, by=current_actor(), config=config, now=utcnow())
    facts = _facts(client, report, AuditEntry.head())
    return render_template("reports/show.html", **words, **facts, errors={})


@bp.post("/clients/<int:client_id>/report.pdf")
@require_permission("see")
def pdf(client_id: int) -> ResponseReturnValue:
    """Return the report as a PDF, which is recorded in the audit log."""
    client = load_client(client_id)
    typed = {"from": request.form.get("from", ""), "to": request.form.get("to", "")}
    config, period = current_app.config["AURA"], _period(typed)
    agency = agency_settings()
    report, entry = data.issue_report(
        client, period, form=PDF, by=current_actor(), config=config, now=utcnow()
    )
    body = render_template("reports/_body.html", **_facts(client, report, entry))
    days = f"{period.first_day} to {period.last_day}"
    document = render_pdf(
        body,
        title=f"Report for {client.name}",
        subtitle=f"{days}, by {agency.name}" if agency.name else days,
        base=config.origin,
        at=entry.at,
        logo=AgencyLogo.read_png(),
        accent=agency.accent,
    )
    name = f"report-{_slug(client.name)}-{typed['from']}-{typed['to']}.pdf"
    return download(document, name, "application/pdf")


def _facts(client: Client, report: ClientReport, head: AuditEntry | None) -> dict[str, object]:
    use_document_zone(report.period.zone)
    named = {story.change_id for story in report.changes}
    for section in report.sites:
        named |= {one.change_id for one in section.site.available_updates if one.change_id}
    return {
        "report": report,
        "head": head,
        "maker": current_actor().name,
        "agency": agency_settings().name,
        "origin": current_app.config["AURA"].origin,
        "unlinked": only_reviewed(client, named),
        "site_names": {snapshot.site.id: snapshot.site.name for snapshot in report.sites},
    }


def _period(typed: dict[str, str]) -> Period:
    """Return the period. Raises Invalid with a message for each invalid day."""
    days, wrong = {}, {}
    for name, text in typed.items():
        try:
            days[name] = typed_day(text)
        except ValueError:
            wrong[name] = "Enter a date, for example 2026-11-30."
        else:
            if days[name].year < _FIRST_YEAR:
                wrong[name] = "Enter the year with four digits, for example 2026."
    Invalid.raise_for(wrong)
    if days["from"] > days["to"]:
        raise Invalid("to", "The last day is before the first day.")
    if days["to"] - days["from"] >= timedelta(days=366 * _MOST_YEARS):
        raise Invalid("to", f"A report covers at most {_MOST_YEARS} years. Choose an earlier day.")
    if days["from"] > _today():
        raise Invalid("from", "This day is in the future.")
    return Period.of_days(days["from"], days["to"], _zone())


def _zone() -> ZoneInfo:
    """Return the time zone of the agency, which is that of client reports."""
    return agency_settings().zone


def _today() -> date:
    return utcnow().astimezone(_zone()).date()


def _presets(today: date) -> list[Preset]:
    last_of_month = today.replace(day=1) - timedelta(days=1)
    return [
        Preset("Last month", last_of_month.replace(day=1), last_of_month),
        Preset("Last 30 days", today - timedelta(days=_USUAL_DAYS - 1), today),
        Preset("This year", today.replace(month=1, day=1), today),
    ]


def _slug(name: str) -> str:
    """Return a file name for any text."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower(), flags=re.ASCII).strip("-")[:40] or "client"
