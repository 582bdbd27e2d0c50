"""Requested exports of the audit log, and their states."""

from __future__ import annotations

from datetime import datetime

from peewee import BigIntegerField, BooleanField, CharField, IntegerField

from app.models.base import UtcField
from app.models.queued_row import QUEUED, QueuedRow
from app.models.visibility import Visibility

# AuditLogExport.state
RUNNING = "running"
DONE = "done"
FAILED = "failed"
GONE = "gone"
OPEN = (QUEUED, RUNNING)


class AuditLogExport(QueuedRow):
    """One export, from the request to the file, and on to its deletion.

    Without `client_id`, `scope_site_id`, `since` and `until` it is complete.
    """

    open_states = OPEN
    working_since = "heartbeat_at"

    requested_by_id = IntegerField()
    form = CharField(max_length=8)
    scope = CharField(max_length=300)
    client_id = IntegerField(null=True)
    scope_site_id = IntegerField(null=True)
    since = UtcField(null=True)
    until = UtcField(null=True)
    includes_private = BooleanField()
    heartbeat_at = UtcField(null=True)
    entries = BigIntegerField(default=0)
    total = BigIntegerField(default=0)
    size = BigIntegerField(default=0)
    digest = CharField(max_length=64, default="")

    @property
    def file_name(self) -> str:
        """Return the name of the downloaded file."""
        return f"aura-audit_log-{self.requested_at:%Y-%m-%d}-{self.id}.{self.form}"

    @classmethod
    def newest(cls, limit: int, visible: Visibility) -> list[AuditLogExport]:
        """Return the newest exports first, of those about visible clients."""
        query = cls.select().where(visible.in_sql(cls.client_id))
        return list(query.order_by(cls.id.desc()).limit(limit))

    @classmethod
    def done_before(cls, before: datetime) -> list[AuditLogExport]:
        return list(cls.select().where(cls.state == DONE, cls.ended_at < before))
