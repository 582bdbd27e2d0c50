"""Deliver a report to one address, and find those whose job was lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from email.errors import MessageError

from app import queue, smtp
from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.agency.settings import read_settings
from app.domain.audit.events import ClientReportDelivered
from app.domain.mail import server as mail_server
from app.domain.mail.attempts import FORMAT, Send, make_attempt
from app.domain.reporting import sending
from app.domain.text import one_line
from app.mail_format import Attachment, Envelope, build_message
from app.models.base import utcnow
from app.models.client_reports import ReportDelivery
from app.models.email import EmailServer
from app.report_format import file_name, render_letter, subject_of
from app.smtp import SendingFailed

_MAX_WORDS = 200
_AURA = "Aura"


def deliver_report(
    delivery_id: int,
    *,
    config: Config,
    send: Send = smtp.send,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Make one attempt at a report for one address; return its state. Safe to run twice."""
    delivery = ReportDelivery.known(delivery_id)
    if delivery is None:
        return "gone"

    def deliver(delivery: ReportDelivery) -> str:
        stored, server = mail_server.open_server(config)
        return send(server, stored.sender, delivery.address, _message(delivery, stored, config))

    return make_attempt(delivery, deliver, now=now, on_end=lambda ended: _record_end(ended, now()))


def recover_deliveries(now: datetime) -> int:
    """Enqueue reports whose next attempt is due; return how many."""
    return queue.enqueue_rows("send_report", (row.id for row in ReportDelivery.due(now)))


def _record_end(delivery: ReportDelivery, now: datetime) -> None:
    report = delivery.report
    ReportDelivery.settle(report.id)
    event = ClientReportDelivered(
        client_id=report.client_id,
        report_id=report.id,
        client=report.client.name,
        outcome=delivery.state,
        words=delivery.words,
    )
    audit.record(event, SYSTEM, now=now)


def _message(delivery: ReportDelivery, stored: EmailServer, config: Config) -> bytes:
    """Return the message. Raises SendingFailed if an address fits into no header."""
    report, agency = delivery.report, read_settings(config)
    text = sending.text_of(report)
    brand = agency.name or _AURA
    headers = {"Reply-To": delivery.reply_to} if delivery.reply_to else {}
    envelope = Envelope(
        sender=stored.sender,
        sender_name=delivery.sender_name or stored.sender_name or brand,
        recipient=delivery.address,
        recipient_name="",
        subject=subject_of(text),
        message_id=delivery.message_id,
        at=delivery.requested_at,
        headers=headers,
    )
    attached = Attachment(file_name(text), report.pdf or b"")
    accent = agency.accents[0] if agency.accents else None
    html, plain = render_letter(text, brand, accent.accent if accent else "")
    try:
        return build_message(envelope, plain, html, [attached])
    except (ValueError, MessageError) as why:
        raise SendingFailed(FORMAT, one_line(str(why), _MAX_WORDS), is_final=True) from why
