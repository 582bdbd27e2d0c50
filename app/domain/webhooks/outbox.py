"""Messages to webhooks: queue, test, send again, recover after a lost job.

A message is a row, which survives restarts; the job only carries its number. It is delivered at
least once, always with the same id.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app import queue
from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import WebhookResent, WebhookTestRequested
from app.domain.errors import Conflict, NotFound
from app.domain.text import one_line
from app.models.base import transaction
from app.models.webhooks import WebhookAttempt, WebhookEndpoint, WebhookMessage

# The types of messages. Their names and the version in formats.py are documented.
OPENED = "alert.opened"
REMINDER = "alert.reminder"
RESOLVED = "alert.resolved"
# To a chat, one message tells all three.
CHANGED = "alert.changed"
TEST = "webhook.test"

# With the waits of delivery.py, the last attempt is about a day after the first one.
MAX_ATTEMPTS = 14
TRIES_FOR = timedelta(hours=27)
TEST_TRIES_FOR = timedelta(minutes=10)
KEPT_FOR = timedelta(days=30)
_MAX_SUBJECT_CHARS = 200
_SHOWN = 50


@dataclass(frozen=True)
class Delivery:
    """A message and its attempts, the newest first."""

    message: WebhookMessage
    attempts: list[WebhookAttempt]


def queue_message(
    endpoint: WebhookEndpoint, kind: str, subject: str, content: dict[str, Any], *, now: datetime
) -> WebhookMessage:
    """Queue a message of a type to an endpoint. It joins the caller's transaction."""
    is_test = kind == TEST
    with transaction() as tx:
        message = WebhookMessage.create(
            endpoint=endpoint,
            message_id=f"msg_{secrets.token_hex(16)}",
            type=kind,
            subject=one_line(subject, _MAX_SUBJECT_CHARS),
            content=content,
            last_attempt=1 if is_test else MAX_ATTEMPTS,
            requested_at=now,
            expires_at=now + (TEST_TRIES_FOR if is_test else TRIES_FOR),
            next_attempt_at=now,
        )
        tx.after_commit(queue.enqueue, "send_webhook", message.id)
        return message


def request_test(endpoint: WebhookEndpoint, *, by: Actor, now: datetime) -> WebhookMessage:
    """Queue a test message, also to an endpoint that is turned off. Raises Forbidden."""
    with permissions.user_transaction(by, "webhooks") as (_, present):
        content: dict[str, Any] = {"sections": []}
        message = queue_message(endpoint, TEST, "Test message from Aura", content, now=now)
        event = WebhookTestRequested(webhook_id=endpoint.id, name=endpoint.name)
        audit.record(event, present, now=now)
    return message


def resend(message: WebhookMessage, *, by: Actor, now: datetime) -> None:
    """Queue a message again that was given up, with the same id.

    Raises: Forbidden, or Conflict for a message that is on its way or was accepted, and while the
    endpoint is turned off.
    """
    with permissions.user_transaction(by, "webhooks") as (tx, present):
        endpoint = message.endpoint
        endpoint.refresh()
        if not endpoint.is_on and message.type != TEST:
            raise Conflict("Turn the webhook on first.")
        more = 1 if message.type == TEST else MAX_ATTEMPTS
        if not message.resend(now, now + TRIES_FOR, last_attempt=message.attempts + more):
            raise Conflict("Only a message that was not accepted can be sent again.")
        event = WebhookResent(webhook_id=endpoint.id, name=endpoint.name, message=message.id)
        audit.record(event, present, now=now)
        tx.after_commit(queue.enqueue, "send_webhook", message.id)


def recent_deliveries(endpoint: WebhookEndpoint) -> list[Delivery]:
    """Return the newest messages to an endpoint first."""
    messages = WebhookMessage.newest_of(endpoint.id, _SHOWN)
    attempts = WebhookAttempt.of_messages([one.id for one in messages])
    return [Delivery(one, attempts.get(one.id, [])) for one in messages]


def get_message(message_id: int) -> WebhookMessage:
    """Return the message with this id and its endpoint, or raise NotFound."""
    message = WebhookMessage.known(message_id)
    if message is None:
        raise NotFound("This message does not exist. Messages are deleted after 30 days.")
    return message


def recover_messages(now: datetime) -> int:
    """Enqueue messages whose next attempt is due, and delete old ones; return how many are due.

    It also finds those whose job was lost and those whose worker died.
    """
    WebhookMessage.forget_ended(now - KEPT_FOR)
    return queue.enqueue_rows("send_webhook", (one.id for one in WebhookMessage.due(now)))
