"""Webhooks: the endpoints, what each was sent, and every message on its way to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from peewee import (
    AutoField,
    BooleanField,
    CharField,
    ForeignKeyField,
    IntegerField,
    TextField,
    fn,
)

from app.models.base import BaseModel, JsonField, UtcField
from app.models.outgoing import CANCELLED, OPEN, QUEUED, OutgoingMessage
from app.models.told_items import ToldItem

# WebhookEndpoint.format
STANDARD = "standard"
SLACK = "slack"
TEAMS = "teams"
FORMATS = (STANDARD, SLACK, TEAMS)

# WebhookEndpoint.wants
CRITICAL_ONLY = "critical"
EVERYTHING = "everything"
WANTS = (CRITICAL_ONLY, EVERYTHING)

# WebhookEndpoint.off_because; empty while it is on.
BY_PERSON = "person"
GONE = "gone"
FAILING = "failing"


class WebhookEndpoint(BaseModel):
    """An address that an owner entered.

    `url_sealed` is the whole address, of which `shown_url` is what people may see. `secret_sealed`
    signs messages of the standard format; `former_secret_sealed` does so as well until
    `former_until`. `client_ids` is empty for all clients. `message_at` is when the last
    notification was queued, and `accepted_at` when a message was last accepted.
    """

    id = AutoField()
    name = CharField(max_length=80)
    format = CharField(max_length=16)
    url_sealed = TextField()
    shown_url = CharField(max_length=300)
    secret_sealed = TextField(null=True)
    former_secret_sealed = TextField(null=True)
    former_until = UtcField(null=True)
    wants = CharField(max_length=16)
    client_ids = JsonField(default=list)
    added_at = UtcField()
    changed_at = UtcField()
    off_because = CharField(max_length=16, default="")
    off_at = UtcField(null=True)
    message_at = UtcField(null=True)
    accepted_at = UtcField(null=True)

    @property
    def is_on(self) -> bool:
        return self.off_at is None

    @classmethod
    def known(cls, endpoint_id: int) -> WebhookEndpoint | None:
        return cls.get_or_none(cls.id == endpoint_id)

    @classmethod
    def all_by_name(cls) -> list[WebhookEndpoint]:
        return list(cls.select().order_by(fn.LOWER(cls.name), cls.id))

    @classmethod
    def replace_client(cls, client_id: int, into: int) -> None:
        """Let endpoints for a client be for another one instead."""
        for row in cls.select():
            if client_id in row.client_ids:
                row.update_if(client_ids=sorted({*row.client_ids, into} - {client_id}))

    @classmethod
    def turned_on(cls) -> list[WebhookEndpoint]:
        """Return the endpoints that get messages, the oldest first."""
        return list(cls.select().where(cls.off_at.is_null()).order_by(cls.id))

    @classmethod
    def is_off_by_aura(cls) -> Any:
        """Return the condition for the endpoints that Aura turned off, which need a person."""
        return cls.off_because.in_((GONE, FAILING))

    def turn_off(self, because: str, now: datetime) -> bool:
        """Stop telling it; return False if it is off already."""
        is_on = WebhookEndpoint.off_at.is_null()
        return self.update_if(is_on, off_at=now, off_because=because)

    def turn_on(self, now: datetime) -> bool:
        """Tell it again; return False if it is on already."""
        is_off = WebhookEndpoint.off_at.is_null(False)
        return self.update_if(is_off, off_at=None, off_because="", changed_at=now)

    def claim(self, now: datetime) -> bool:
        """Note that a notification is queued; False if another process did so, or it is off."""
        cls = WebhookEndpoint
        seen = self.message_at
        is_as_seen = cls.message_at.is_null() if seen is None else cls.message_at == seen
        return self.update_if(is_as_seen, cls.off_at.is_null(), message_at=now)


class EndpointItem(ToldItem):
    """An item that needs attention, that one endpoint was sent or is about to be sent."""

    listener = "endpoint"

    endpoint = ForeignKeyField(WebhookEndpoint, backref="+", on_delete="CASCADE")

    class Meta:
        indexes = ((("endpoint", "key"), True),)


class WebhookMessage(OutgoingMessage):
    """One message to one endpoint.

    `type` is a name of docs/OPERATIONS.md, and
    `content` is what it says, without any secret. `last_attempt` is the number of the attempt after
    which it is given up.
    """

    id = AutoField()
    endpoint = ForeignKeyField(WebhookEndpoint, backref="+", on_delete="CASCADE")
    endpoint_id: int
    type = CharField(max_length=40)
    subject = CharField(max_length=300)
    content = JsonField(default=dict)
    last_attempt = IntegerField()

    @classmethod
    def known(cls, message_id: int) -> WebhookMessage | None:
        """Return the message with this id and its endpoint."""
        query = cls.select(cls, WebhookEndpoint).join(WebhookEndpoint)
        return query.where(cls.id == message_id).first()

    @classmethod
    def newest_of(cls, endpoint_id: int, limit: int) -> list[WebhookMessage]:
        """Return the newest messages to an endpoint first."""
        query = cls.select().where(cls.endpoint == endpoint_id)
        return list(query.order_by(cls.id.desc()).limit(limit))

    @classmethod
    def count_refused(cls) -> dict[int, int]:
        """Return by endpoint how many messages wait after an attempt that was not accepted."""
        query: Any = cls.select(cls.endpoint, fn.COUNT(cls.id)).group_by(cls.endpoint)
        return dict(query.where(cls.state.in_(OPEN), cls.attempts > 0).tuples())

    @classmethod
    def cancel_waiting(cls, endpoint_id: int, now: datetime, problem: str) -> int:
        """Cancel what waits for an attempt; what is being sent ends by itself."""
        waits = cls.endpoint == endpoint_id, cls.state == QUEUED
        cancelled = cls.update(state=CANCELLED, ended_at=now, problem=problem)
        return int(cancelled.where(*waits).execute())


class WebhookAttempt(BaseModel):
    """One attempt at a message: what the endpoint answered.

    `status` is null if there was no answer. `words` is the beginning of the answer as text, or what
    went wrong. `may_have_arrived` if all was sent and the answer is missing.
    """

    id = AutoField()
    message = ForeignKeyField(WebhookMessage, backref="+", on_delete="CASCADE")
    message_id: int
    number = IntegerField()
    at = UtcField()
    ms = IntegerField()
    status = IntegerField(null=True)
    problem = CharField(max_length=32, default="")
    words = CharField(max_length=200, default="")
    may_have_arrived = BooleanField(default=False)

    @classmethod
    def of_messages(cls, message_ids: list[int]) -> dict[int, list[WebhookAttempt]]:
        """Return the attempts of these messages by message, the newest first."""
        found: dict[int, list[WebhookAttempt]] = {}
        query: Any = cls.select().where(cls.message.in_(message_ids)).order_by(cls.id.desc())
        for row in query if message_ids else ():
            found.setdefault(row.message_id, []).append(row)
        return found
