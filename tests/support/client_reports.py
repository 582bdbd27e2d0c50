"""A client whose report is due, and reports that were prepared."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from app.config import Config
from app.domain.actor import Actor
from app.domain.reporting import preparing, schedule
from app.domain.reporting.schedule import ReportTerms
from app.models.client_reports import ReportSchedule, SentReport
from app.models.clients import Client
from app.report_pdf import render_report

MONTHLY_REPORTS = ReportTerms(
    cadence="monthly",
    day=1,
    time_zone="Europe/Berlin",
    recipients=("grace@client.example",),
)


def no_pdf(*_: object) -> bytes:
    """Replace the making of a PDF, which takes long."""
    return b"%PDF-1.7 as approved"


def make_due(client: Client, by: Actor, now: datetime, **changes: Any) -> None:
    """Give the client a schedule of which a monthly report became due in the last 31 days."""
    terms = replace(MONTHLY_REPORTS, **changes)
    schedule.change_schedule(client, terms, by=by, confirmed_at=now, now=now)
    begun = ReportSchedule.update(handled_until=now - timedelta(days=31))
    begun.where(ReportSchedule.client == client).execute()


def prepare(config: Config, now: datetime) -> list[SentReport]:
    """Run the schedule and its jobs; return all reports with their clients."""
    preparing.prepare_due(config, now)
    for report_id in SentReport.unprepared(now):
        preparing.prepare_report(report_id, config=config, render=render_report, now=lambda: now)
    rows = SentReport.select(SentReport.id).order_by(SentReport.id)
    return [report for row in rows if (report := SentReport.known(row.id)) is not None]
