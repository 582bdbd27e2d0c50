"""What every page of the agency asks for beside sites, changes and alerts, in one query."""

from __future__ import annotations

from dataclasses import dataclass, field

from peewee import Select

from app.models.audit import Verification
from app.models.base import db
from app.models.client_reports import SentReport
from app.models.clients import Client
from app.models.webhooks import WebhookEndpoint


@dataclass(frozen=True)
class OpenMatters:
    """The newest failed verification that no one has acknowledged, and reports that need a person.

    Each report is with its client. `webhooks` are those that Aura turned off.
    """

    broken: Verification | None = None
    reports: list[SentReport] = field(default_factory=list)
    webhooks: list[WebhookEndpoint] = field(default_factory=list)

    @classmethod
    def read(cls) -> OpenMatters:
        """Read all of them."""
        of_reports = SentReport.select(SentReport.client).where(SentReport.needs_people())
        columns = (
            Verification.nested(Verification.is_unseen()),
            SentReport.nested(SentReport.needs_people()),
            Client.nested(Client.id.in_(of_reports)),
            WebhookEndpoint.nested(WebhookEndpoint.is_off_by_aura()),
        )
        broken, reports, clients, webhooks = next(iter(Select(columns=columns).bind(db).tuples()))
        known = {client.id: client for client in Client.read_nested(clients)}
        listed = sorted(SentReport.read_nested(reports), key=lambda report: int(report.id))
        for report in listed:
            report.client = known[report.client_id]
        unseen = Verification.read_nested(broken)
        newest = max(unseen, key=lambda verification: int(verification.id), default=None)
        off = sorted(WebhookEndpoint.read_nested(webhooks), key=lambda one: int(one.id))
        return cls(newest, listed, off)
