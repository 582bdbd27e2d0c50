"""Prepare the reports that are due: once for each client and period.

A row is inserted for each due period, which the database allows only once. A job then collects the
data. If its worker dies, the next one does so again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from app import queue
from app.config import Config
from app.domain import audit
from app.domain.actor import SCHEDULE
from app.domain.agency.settings import read_settings
from app.domain.audit.events import ClientReportPrepared
from app.domain.mail import outbox
from app.domain.reporting import content, data, sending
from app.domain.reporting.client_report import Period
from app.domain.reporting.due import due_between
from app.domain.reporting.schedule import zone_for
from app.domain.reporting.sending import RenderPdf
from app.domain.time_zones import zone_of
from app.models.audit import AuditEntry
from app.models.base import transaction, utcnow
from app.models.client_reports import (
    NO_RECIPIENTS,
    NO_SERVER,
    PREPARED,
    PREPARING,
    WAITING,
    ReportDocument,
    ReportSchedule,
    SentReport,
)

# Longer than the job may take, so that a lease only expires if its worker is gone.
_LEASE = timedelta(minutes=5)


def prepare_due(config: Config, now: datetime) -> int:
    """Request the reports that became due; return how many have to be prepared.

    Those whose job was lost or whose worker died are among them.
    """
    for schedule in ReportSchedule.active():
        _request_due(schedule, config, now)
    return queue.enqueue_rows("prepare_report", SentReport.unprepared(now))


def _request_due(schedule: ReportSchedule, config: Config, now: datetime) -> None:
    zone = zone_for(schedule.time_zone, read_settings(config))
    due = due_between(schedule.cadence, schedule.day, zone, schedule.handled_until, now)
    if not due:
        return
    with transaction():
        if not schedule.claim(now):
            return
        for report in due:
            SentReport.request(
                schedule.client,
                first_day=report.first.isoformat(),
                last_day=report.last.isoformat(),
                time_zone=zone.key,
                language=schedule.language,
                is_automatic=schedule.is_automatic,
                requested_at=now,
                next_attempt_at=now,
            )


def prepare_report(
    report_id: int,
    *,
    config: Config,
    render: RenderPdf,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Collect the data of a report; return its state. Safe to run twice.

    One that needs no approval is also sent: `render` makes its PDF.
    """
    report, at = SentReport.known(report_id), now()
    if report is None:
        return "gone"
    if not report.begin(at, at + _LEASE):
        return str(report.state)
    if report.state == PREPARING:
        _store_content(report, config, at)
    if report.state == PREPARED:
        _send_without_approval(report, config, render, now())
    return str(report.state)


def _store_content(report: SentReport, config: Config, now: datetime) -> None:
    """Compute what the report says, and store it unless a later attempt has begun."""
    attempt, agency = report.attempts, read_settings(config)
    first, last = date.fromisoformat(report.first_day), date.fromisoformat(report.last_day)
    period = Period.of_days(first, last, zone_of(report.time_zone))
    found = data.compute(report.client, period, config=config, now=now)
    made = content.make_content(found, AuditEntry.head(), agency.name, agency.zone.key)
    digest = content.digest_of(made)
    with transaction():
        state, lease = (PREPARED, report.leased_until) if report.is_automatic else (WAITING, None)
        columns = {"state": state, "content_digest": digest}
        is_current = (SentReport.state == PREPARING) & (SentReport.attempts == attempt)
        if not report.update_if(is_current, prepared_at=now, leased_until=lease, **columns):
            return
        ReportDocument.replace_with(report, made)
        event = ClientReportPrepared(
            client_id=report.client_id,
            report_id=report.id,
            client=report.client.name,
            first_day=report.first_day,
            last_day=report.last_day,
            digest=digest,
        )
        audit.record(event, SCHEDULE, now=now)


def _send_without_approval(
    report: SentReport, config: Config, render: RenderPdf, now: datetime
) -> None:
    """Send a prepared report, or have it wait for a person and say why."""
    schedule = ReportSchedule.of(report.client)
    if schedule is None or not schedule.recipients:
        report.move(to=WAITING, when=(PREPARED,), problem=NO_RECIPIENTS, leased_until=None)
    elif not schedule.is_automatic:
        # Someone decided so after this report was requested.
        report.move(to=WAITING, when=(PREPARED,), leased_until=None)
    elif not outbox.is_on():
        report.move(to=WAITING, when=(PREPARED,), problem=NO_SERVER, leased_until=None)
    else:
        sending.send_prepared(report, schedule, render, by=SCHEDULE, config=config, now=now)
