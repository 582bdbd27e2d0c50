"""Send a prepared report: once, exactly as the person saw it, to each address of the client."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from app import queue
from app.config import Config
from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.agency.settings import read_settings
from app.domain.audit.events import (
    ClientReportDiscarded,
    ClientReportDownloaded,
    ClientReportNoteChanged,
    ClientReportSent,
)
from app.domain.errors import Conflict, Invalid, NotFound, StaleState
from app.domain.text import has_hidden_characters
from app.models.accounts import CLIENT
from app.models.agency import AgencyLogo
from app.models.base import transaction
from app.models.client_reports import (
    DISCARDED,
    PREPARED,
    SENDING,
    WAITING,
    ReportDelivery,
    ReportDocument,
    ReportSchedule,
    SentReport,
)
from app.models.email import EmailServer
from app.models.outgoing import FAILED, SENT, UNKNOWN
from app.report_format import Look, ReportText

MAX_NOTE_CHARS = 1000
# How long Aura tries to deliver a report to one address.
TRIES_FOR = timedelta(hours=48)
_WAS_SENT = (SENDING, SENT, FAILED, UNKNOWN)
# Makes the PDF of a report with the look of the agency: app/report_pdf.py.
RenderPdf = Callable[[ReportText, Look], bytes]


def get_report(report_id: int, by: Actor) -> SentReport:
    """Return the report with this id and its client.

    Raises NotFound, also for those who may not see this client, and for client users while it was
    not sent to them.
    """
    report = SentReport.known(report_id)
    is_staff = by.role != CLIENT
    if (
        report is None
        or not permissions.can_see_client(by, report.client_id)
        or not (is_staff or report.state in _WAS_SENT)
    ):
        raise NotFound("This report does not exist. It may belong to a client that was deleted.")
    return report


def reports_of(client: Any, by: Actor) -> list[SentReport]:
    """Return the newest reports of a client; its own users see those that were sent."""
    is_staff = by.role != CLIENT
    return SentReport.of_client(client, () if is_staff else _WAS_SENT)


def text_of(report: SentReport) -> ReportText:
    """Return what the report says, for rendering."""
    return ReportText(report.content, report.language, report.note)


def make_pdf(report: SentReport, render: RenderPdf, config: Config) -> bytes:
    """Return the PDF that was sent, or would be sent now. Equal data gives equal bytes."""
    sent = report.pdf
    if sent is not None:
        return sent
    return render(text_of(report), look_of(config))


def look_of(config: Config) -> Look:
    """Return what a report shows of the agency."""
    return Look(AgencyLogo.read_png(), read_settings(config).accent, config.origin)


def seen_digest(report: SentReport) -> str:
    """Return what a person sees of a report as a digest, so that they send just that."""
    seen = f"{report.content_digest}\n{report.language}\n{report.note}"
    return hashlib.sha256(seen.encode()).hexdigest()


def change_note(report: SentReport, note: str, *, by: Actor, now: datetime) -> None:
    """Set the personal note of a report that waits.

    Raises Forbidden, Invalid, or StaleState if the report was sent or discarded meanwhile.
    """
    note = "\n".join(line.rstrip() for line in note.strip().splitlines())
    if len(note) > MAX_NOTE_CHARS:
        raise Invalid("note", f"Use at most {MAX_NOTE_CHARS} characters.")
    if has_hidden_characters(note.replace("\n", " ")):
        raise Invalid("note", "The note contains a character that cannot be printed.")
    with permissions.user_transaction(by, "reports", report.client) as (_, present):
        before = report.note
        if not report.move(to=WAITING, when=(WAITING,), note=note):
            raise _no_longer_waits()
        if note == before:
            return
        event = ClientReportNoteChanged(
            client_id=report.client_id,
            report_id=report.id,
            client=report.client.name,
            note=note,
        )
        audit.record(event, present, now=now)


def send_report(
    report: SentReport,
    seen: str,
    render: RenderPdf,
    *,
    by: Actor,
    confirmed_at: datetime,
    config: Config,
    now: datetime,
) -> int:
    """Send a report that waits, or again one that was sent; return the number of addresses.

    `seen` is the `seen_digest` of the page. Raises Forbidden, ReauthenticationRequired, StaleState
    if the report is another one by now, or Conflict if it can be sent to no one.
    """
    permissions.require(by, "reports")
    permissions.require_recent_authentication(confirmed_at, now)
    if not secrets.compare_digest(seen.encode(), seen_digest(report).encode()):
        raise StaleState("The report changed after you opened the page. Read it again.")
    schedule = ReportSchedule.of(report.client)
    if schedule is None or not schedule.recipients:
        raise Conflict("This client has no recipients yet. Enter them under “Schedule”.")
    return send_prepared(report, schedule, render, by=by, config=config, now=now)


def send_prepared(
    report: SentReport,
    schedule: ReportSchedule,
    render: RenderPdf,
    *,
    by: Actor,
    config: Config,
    now: datetime,
) -> int:
    """Store the PDF and queue a message to each address; return how many.

    Raises Forbidden, StaleState if another process was faster, or Conflict without a server.
    """
    seen, document = seen_digest(report), make_pdf(report, render, config)
    digest = hashlib.sha256(document).hexdigest()
    is_again = report.state in _WAS_SENT
    with transaction() as tx:
        present = permissions.recheck(by, "reports", report.client)
        server = EmailServer.read()
        if server is None:
            raise Conflict("Enter an e-mail server under Settings → E-mail first.")
        states = (SENT, FAILED, UNKNOWN) if is_again else (WAITING, PREPARED)
        moved = report.move(
            to=SENDING,
            when=states,
            problem="",
            pdf_digest=digest,
            sent_by=present.name[:120],
            sent_at=now,
            leased_until=None,
        )
        if not moved or seen_digest(report) != seen:
            raise _no_longer_waits()
        ReportDocument.keep_pdf(report, document)
        deliveries = _queue_deliveries(report, schedule, server, now)
        event = ClientReportSent(
            client_id=report.client_id,
            report_id=report.id,
            client=report.client.name,
            first_day=report.first_day,
            last_day=report.last_day,
            digest=digest,
            recipients=len(deliveries),
            is_again=is_again,
        )
        audit.record(event, present, now=now)
        for delivery_id in deliveries:
            tx.after_commit(queue.enqueue, "send_report", delivery_id)
    return len(deliveries)


def _queue_deliveries(
    report: SentReport, schedule: ReportSchedule, server: EmailServer, now: datetime
) -> Sequence[int]:
    domain = server.sender.rpartition("@")[2]
    return [
        ReportDelivery.create(
            report=report,
            address=address,
            sender_name=schedule.sender_name,
            reply_to=schedule.reply_to,
            message_id=f"<{secrets.token_hex(16)}@{domain}>",
            requested_at=now,
            expires_at=now + TRIES_FOR,
            next_attempt_at=now,
        ).id
        for address in schedule.recipients
    ]


def discard_report(report: SentReport, *, by: Actor, now: datetime) -> None:
    """Decide not to send a report that waits. Raises Forbidden or StaleState."""
    with permissions.user_transaction(by, "reports", report.client) as (_, present):
        if not report.move(to=DISCARDED, when=(WAITING,), problem=""):
            raise _no_longer_waits()
        event = ClientReportDiscarded(
            client_id=report.client_id,
            report_id=report.id,
            client=report.client.name,
            first_day=report.first_day,
            last_day=report.last_day,
        )
        audit.record(event, present, now=now)


def download_report(report: SentReport, *, by: Actor, now: datetime) -> bytes:
    """Return exactly the PDF that was sent, which is recorded. Raises Forbidden or NotFound."""
    sent = report.pdf
    if sent is None:
        raise NotFound("This report was not sent yet. Open its preview instead.")
    with permissions.user_transaction(by, "see", report.client) as (_, present):
        event = ClientReportDownloaded(
            client_id=report.client_id,
            report_id=report.id,
            client=report.client.name,
            digest=report.pdf_digest,
        )
        audit.record(event, present, now=now)
    return sent


def _no_longer_waits() -> StaleState:
    return StaleState("This report was sent, discarded or changed meanwhile. Read it again.")
