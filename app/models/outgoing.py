"""Messages on their way to a server outside, to any kind of recipient."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from peewee import BooleanField, CharField

from app.models.base import UtcField
from app.models.queued_row import LeasedRow

# OutgoingMessage.state
QUEUED = "queued"
SENDING = "sending"
SENT = "sent"
FAILED = "failed"
# Given up, and the server may have accepted it.
UNKNOWN = "unknown"
CANCELLED = "cancelled"
OPEN = (QUEUED, SENDING)
ENDED = (SENT, FAILED, UNKNOWN, CANCELLED)


class OutgoingMessage(LeasedRow):
    """One message to one address, from the request to the server's answer.

    `message_id` stays the same at each attempt. `may_have_arrived` is set when the answer to a
    complete message is missing. `words` are the server's own.
    """

    id: int

    message_id = CharField(max_length=300, unique=True)
    state = CharField(max_length=16, default=QUEUED, index=True)
    requested_at = UtcField()
    expires_at = UtcField()
    next_attempt_at = UtcField()
    ended_at = UtcField(null=True)
    may_have_arrived = BooleanField(default=False)
    problem = CharField(max_length=32, default="")
    words = CharField(max_length=500, default="")

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    def begin(self, now: datetime, until: datetime) -> bool:
        """Take the lease for an attempt; return False if it is not due, taken or has ended."""
        return self.lease(OPEN, now, until, state=SENDING)

    def finish(self, attempt: int, **changes: Any) -> bool:
        """Record the result of an attempt; return False if a later one has begun since."""
        cls = type(self)
        is_current = (cls.state == SENDING) & (cls.attempts == attempt)
        return self.update_if(is_current, leased_until=None, **changes)

    def end(self, state: str, now: datetime, **changes: Any) -> bool:
        """End a message that no worker is sending; return False if one is, or if it has ended."""
        cls = type(self)
        is_idle = cls.state.in_(OPEN) & cls._is_free(now)
        return self.update_if(is_idle, state=state, ended_at=now, leased_until=None, **changes)

    def resend(self, now: datetime, expires_at: datetime, **changes: Any) -> bool:
        """Queue a message again that ended without being accepted; return False for others."""
        return self.update_if(
            type(self).state.in_((FAILED, UNKNOWN)),
            state=QUEUED,
            ended_at=None,
            next_attempt_at=now,
            expires_at=expires_at,
            **changes,
        )

    @classmethod
    def due(cls, now: datetime) -> list[Self]:
        """Return messages whose attempt was due before `now`, also those of dead workers."""
        return cls.overdue(OPEN, now)

    @classmethod
    def forget_ended(cls, before: datetime) -> int:
        """Delete what ended before that time; return how many."""
        return cls.delete().where(cls.state.in_(ENDED), cls.ended_at < before).execute()
