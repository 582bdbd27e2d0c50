"""Reports that are sent to clients."""

from __future__ import annotations

from app.domain.audit.events.base import Event, Personal


class ReportScheduleChanged(Event):
    """A person set when and to whom reports of a client are sent.

    `recipients` and `reply_to` are the addresses in force from then on.
    """

    client: str
    cadence: str
    day: int
    time_zone: str
    is_automatic: bool
    language: str
    sender_name: str
    recipients: Personal
    reply_to: Personal


class ClientReportPrepared(Event):
    """Aura prepared the report of a period; `digest` is the SHA-256 of the data behind it."""

    report_id: int
    client: str
    first_day: str
    last_day: str
    digest: str


class ClientReportNoteChanged(Event):
    """A person changed the note on a report that waits; an empty one is no note."""

    report_id: int
    client: str
    note: Personal


class ClientReportSent(Event):
    """A report was approved, or was due to be sent without approval.

    `digest` is the SHA-256 of the PDF, and `recipients` is the number of addresses.
    """

    report_id: int
    client: str
    first_day: str
    last_day: str
    digest: str
    recipients: int
    is_again: bool


class ClientReportDelivered(Event):
    """What became of a report at one address; `outcome` is sent, failed, unknown or cancelled."""

    report_id: int
    client: str
    outcome: str
    words: Personal


class ClientReportDiscarded(Event):
    """A person decided not to send a report."""

    report_id: int
    client: str
    first_day: str
    last_day: str


class ClientReportDownloaded(Event):
    """A person downloaded a kept report; `digest` is the SHA-256 of the PDF."""

    report_id: int
    client: str
    digest: str
