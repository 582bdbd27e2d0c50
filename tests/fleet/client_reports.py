"""Reports to the clients of the simulated agency: one got two, another one's waits for approval."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.mail import server
from app.domain.mail.server import TypedServer
from app.domain.reporting import delivery, preparing, schedule, sending
from app.domain.reporting.schedule import ReportTerms
from app.models.client_reports import ReportDelivery, ReportSchedule, SentReport
from app.models.clients import Client
from app.report_pdf import render_report
from tests.fleet import catalog
from tests.fleet.fleet import Fleet

_SERVER = TypedServer(
    host="smtp.fernwood.example", port="587", sender="hello@fernwood.example", security="starttls"
)
_NOTE = "Thank you for the good talk last week.\nWe start with the new booking page on Monday."


def send_client_reports(fleet: Fleet) -> None:
    """Prepare weekly reports of the first two clients, and send those of the first.

    The e-mail server is removed again, because nothing listens there. `make demo-fleet` enters one
    that does.
    """
    now = fleet.clock.ends_at
    server.change_server(_SERVER, by=fleet.owner, config=fleet.config, now=now)
    first, second = (Client.find(client.name) for client in catalog.CLIENTS[:2])
    if first is not None:
        _plan(fleet, first, "en", now - timedelta(days=13))
    if second is not None:
        _plan(fleet, second, "de", now - timedelta(days=6))
    preparing.prepare_due(fleet.config, now)
    for report_id in SentReport.unprepared(now):
        preparing.prepare_report(
            report_id, config=fleet.config, render=render_report, now=lambda: now
        )
    for report in SentReport.of_client(first) if first else []:
        _send(fleet, report, now)
    server.remove_server(by=fleet.owner, now=now)


def use_mail_server(fleet: Fleet, port: int) -> None:
    """Enter a server on this machine, so that what was sent and what will be fits together."""
    local = replace(_SERVER, host="127.0.0.1", port=str(port), security="none")
    server.change_server(local, by=fleet.owner, config=fleet.config, now=fleet.clock.ends_at)


def _plan(fleet: Fleet, client: Client, language: str, begins: datetime) -> None:
    """Have the client get a report each week, on the weekday of yesterday."""
    now = fleet.clock.ends_at
    terms = ReportTerms(
        cadence="weekly",
        day=(now - timedelta(days=1)).weekday(),
        time_zone="Europe/London",
        recipients=(client.contact_email,),
        language=language,
    )
    schedule.change_schedule(client, terms, by=fleet.owner, confirmed_at=now, now=now)
    ReportSchedule.update(handled_until=begins).where(ReportSchedule.client == client).execute()


def _send(fleet: Fleet, report: SentReport, now: datetime) -> None:
    by, config = fleet.operator, fleet.config
    sending.change_note(report, _NOTE, by=by, now=now)
    seen = sending.seen_digest(report)
    sending.send_report(
        report, seen, render_report, by=by, confirmed_at=now, config=config, now=now
    )
    for message in ReportDelivery.due(now):
        delivery.deliver_report(
            message.id, config=config, send=lambda *_: "250 2.0.0 Ok: queued", now=lambda: now
        )
