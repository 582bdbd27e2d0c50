"""Two webhooks of the agency: a chat, and a program that once replied late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from app.domain.notifications import webhook_watch
from app.domain.webhooks import delivery, endpoints, outbox
from app.domain.webhooks.endpoints import TypedEndpoint
from app.http.errors import CallError, ErrorCode
from app.http.webhook_client import WebhookReply
from app.models.webhooks import WebhookMessage
from tests.fleet.fleet import Fleet

_TEAM = TypedEndpoint(
    name="Team chat",
    format="slack",
    url="https://chat.fernwood.example/services/T024BE7LD/B5R9PQ8KM/only-an-example",
    wants="everything",
)
_ON_CALL = TypedEndpoint(
    name="On-call program",
    format="standard",
    url="https://on-call.fernwood.example/in/aura-only-an-example",
    wants="critical",
)


def add_webhooks(fleet: Fleet) -> None:
    """Send the alerts of the fleet to two webhooks, 15 minutes before its end."""
    now = fleet.clock()
    for typed in (_TEAM, _ON_CALL):
        endpoint, _ = endpoints.add_endpoint(typed, by=fleet.owner, config=fleet.config, now=now)
        outbox.request_test(endpoint, by=fleet.owner, now=now)
    for minutes in (15, 12):
        webhook_watch.notify_due(fleet.config, now - timedelta(minutes=minutes))
    for message in list(WebhookMessage.select().order_by(WebhookMessage.id)):
        is_chat = message.endpoint.format == "slack"
        at = message.requested_at
        if not is_chat and message.type != outbox.TEST:
            _deliver(fleet, message, _no_reply, at)
            at += timedelta(minutes=2)
        _deliver(fleet, message, _ok if is_chat else _accepted, at)


def _deliver(fleet: Fleet, message: WebhookMessage, post: Any, at: Any) -> None:
    delivery.send_webhook(message.id, config=fleet.config, post=post, now=lambda: at)


def _ok(*_: object, **__: object) -> WebhookReply:
    return WebhookReply(200, b"ok")


def _accepted(*_: object, **__: object) -> WebhookReply:
    return WebhookReply(202, b'{"status":"queued"}')


def _no_reply(*_: object, **__: object) -> WebhookReply:
    raise CallError(ErrorCode.too_slow, {"detail": "timed out"})
