"""Reports that are sent to clients: when, to whom, and what was sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from peewee import AutoField, BlobField, BooleanField, CharField, ForeignKeyField, IntegerField

from app.models.base import BaseModel, JsonField, UtcField
from app.models.clients import Client
from app.models.outgoing import FAILED, OPEN, SENT, UNKNOWN, OutgoingMessage
from app.models.queued_row import LeasedRow

# ReportSchedule.cadence
NEVER = "never"
WEEKLY = "weekly"
MONTHLY = "monthly"
CADENCES = (NEVER, WEEKLY, MONTHLY)

# SentReport.state, beside those of a message.
PREPARING = "preparing"
# Prepared, and about to be sent without approval.
PREPARED = "prepared"
WAITING = "waiting"
SENDING = "sending"
DISCARDED = "discarded"
# What a job still has to do something about.
UNSENT = (PREPARING, PREPARED)
# After as many attempts, a person should know that a report is not getting ready.
MANY_ATTEMPTS = 3

# SentReport.problem: why an automatic report waits for a person.
NO_RECIPIENTS = "no_recipients"
NO_SERVER = "no_server"

_LISTED = 60


class ReportSchedule(BaseModel):
    """When a client gets a report, and how. No row means never.

    `day` is a weekday (0 is Monday) or a day of the month. An empty `time_zone` is the agency's.
    `handled_until` is the moment up to which due reports were requested.
    """

    client = ForeignKeyField(Client, primary_key=True, backref="+", on_delete="CASCADE")
    client_id: int
    cadence = CharField(max_length=8, default=NEVER)
    day = IntegerField(default=1)
    time_zone = CharField(max_length=64, default="")
    is_automatic = BooleanField(default=False)
    recipients = JsonField(default=list)
    sender_name = CharField(max_length=120, default="")
    reply_to = CharField(max_length=254, default="")
    language = CharField(max_length=8, default="en")
    handled_until = UtcField()

    @classmethod
    def of(cls, client: Client) -> ReportSchedule | None:
        return cls.get_or_none(cls.client == client)

    @classmethod
    def active(cls) -> list[ReportSchedule]:
        """Return all that have a cadence, each with its client."""
        query = cls.select(cls, Client).join(Client).where(cls.cadence != NEVER)
        return list(query.order_by(cls.client))

    @classmethod
    def replace_with(cls, client: Client, **columns: Any) -> None:
        """Store the schedule of a client; call it inside `transaction()`."""
        cls.delete().where(cls.client == client).execute()
        cls.insert(client=client, **columns).execute()

    def claim(self, until: datetime) -> bool:
        """Move `handled_until`; return False if another scheduler was faster."""
        cls = ReportSchedule
        return self.update_if(cls.handled_until == self.handled_until, handled_until=until)


class SentReport(LeasedRow):
    """One report for one client and period, from its preparation to what was sent.

    The digests are the SHA-256 of what its ReportDocument has.
    """

    id = AutoField()
    client = ForeignKeyField(Client, backref="+", on_delete="CASCADE")
    client_id: int
    first_day = CharField(max_length=10)
    last_day = CharField(max_length=10)
    time_zone = CharField(max_length=64)
    language = CharField(max_length=8)
    is_automatic = BooleanField(default=False)
    state = CharField(max_length=16, default=PREPARING, index=True)
    problem = CharField(max_length=32, default="")
    note = CharField(max_length=1000, default="")
    content_digest = CharField(max_length=64, default="")
    pdf_digest = CharField(max_length=64, default="")
    requested_at = UtcField()
    next_attempt_at = UtcField()
    prepared_at = UtcField(null=True)
    sent_by = CharField(max_length=120, default="")
    sent_at = UtcField(null=True)

    class Meta:
        # Two schedulers, or a job that runs twice, never make a second one.
        indexes = ((("client", "first_day", "last_day"), True),)

    @classmethod
    def request(cls, client: Client, **columns: Any) -> int | None:
        """Insert a report to be prepared; return its id, or None if there is one of this period."""
        query = cls.insert(client=client, **columns).on_conflict_ignore().returning(cls.id)
        return next((int(row.id) for row in query.execute()), None)

    @classmethod
    def known(cls, report_id: int) -> SentReport | None:
        """Return the report with this id and its client."""
        return cls.select(cls, Client).join(Client).where(cls.id == report_id).first()

    @classmethod
    def of_client(cls, client: Client, states: tuple[str, ...] = ()) -> list[SentReport]:
        """Return the newest reports of a client in these states, or in any."""
        query = cls.select(cls, Client).join(Client).where(cls.client == client)
        if states:
            query = query.where(cls.state.in_(states))
        return list(query.order_by(cls.id.desc()).limit(_LISTED))

    @classmethod
    def needs_people(cls) -> Any:
        """Return the condition for what waits, is not getting ready or was not delivered."""
        is_stuck = cls.state.in_(UNSENT) & (cls.attempts >= MANY_ATTEMPTS)
        return is_stuck | cls.state.in_((WAITING, FAILED, UNKNOWN))

    @classmethod
    def unprepared(cls, now: datetime) -> list[int]:
        """Return the ids of reports that are due to be prepared and that no worker has."""
        return [row.id for row in cls.overdue(UNSENT, now)]

    @property
    def content(self) -> dict[str, Any]:
        """Read the data behind the report; empty until it is prepared."""
        document = ReportDocument.of(self)
        return document.content if document else {}

    @property
    def pdf(self) -> bytes | None:
        """Read the PDF that was sent; None until then."""
        document = ReportDocument.of(self)
        return bytes(document.pdf) if document and document.pdf is not None else None

    def begin(self, now: datetime, until: datetime) -> bool:
        """Take the lease for preparing it; return False if nothing is left, or a worker has it."""
        return self.lease(UNSENT, now, until)

    def move(self, *, to: str, when: tuple[str, ...], **changes: Any) -> bool:
        """Set state `to` if the report is in one of `when`; return False otherwise."""
        return self.update_if(SentReport.state.in_(when), state=to, **changes)


class ReportDocument(BaseModel):
    """The data behind a report, and exactly the PDF that was sent; null until then.

    It is a table of its own, because every page reads which reports wait.
    """

    report = ForeignKeyField(SentReport, primary_key=True, backref="+", on_delete="CASCADE")
    content = JsonField()
    pdf = BlobField(null=True)

    @classmethod
    def of(cls, report: SentReport) -> ReportDocument | None:
        return cls.get_or_none(cls.report == report)

    @classmethod
    def replace_with(cls, report: SentReport, content: dict[str, Any]) -> None:
        """Store the data behind a report; call it inside `transaction()`."""
        cls.delete().where(cls.report == report).execute()
        cls.insert(report=report, content=content).execute()

    @classmethod
    def keep_pdf(cls, report: SentReport, pdf: bytes) -> None:
        """Store what is sent, unless it was sent before; call it inside `transaction()`."""
        cls.update(pdf=pdf).where(cls.report == report, cls.pdf.is_null()).execute()


class ReportDelivery(OutgoingMessage):
    """A report on its way to one address."""

    id = AutoField()
    report = ForeignKeyField(SentReport, backref="+", on_delete="CASCADE")
    report_id: int
    address = CharField(max_length=254)
    sender_name = CharField(max_length=120, default="")
    reply_to = CharField(max_length=254, default="")

    @classmethod
    def known(cls, delivery_id: int) -> ReportDelivery | None:
        """Return the delivery with this id, its report and its client."""
        query = cls.select(cls, SentReport, Client).join(SentReport).join(Client)
        return query.where(cls.id == delivery_id).first()

    @classmethod
    def of_report(cls, report: SentReport) -> list[ReportDelivery]:
        return list(cls.select().where(cls.report == report).order_by(cls.id))

    @classmethod
    def settle(cls, report_id: int) -> None:
        """Set the state of a report to what became of the newest message to each address."""
        newest = {row.address: row for row in cls.of_report(SentReport(id=report_id))}
        states = {row.state for row in newest.values()}
        order = (SENDING, FAILED, UNKNOWN, SENT)
        words = {SENDING if state in OPEN else FAILED if state not in order else state
                 for state in states}  # fmt: skip
        state = next((one for one in order if one in words), FAILED)
        changed = SentReport.update(state=state)
        changed.where(SentReport.id == report_id, SentReport.state.in_(order)).execute()
