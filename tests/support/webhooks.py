"""Webhook endpoints, and a receiver that keeps messages."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from app.config import Config
from app.domain.actor import Actor
from app.domain.webhooks import delivery, endpoints
from app.domain.webhooks.endpoints import TypedEndpoint
from app.http import webhook_client
from app.models.webhooks import WebhookEndpoint, WebhookMessage
from tests.support.hostile.certificates import Authority
from tests.support.hostile.server import Behaviour, HostileServer, Line, ReceivedRequest

# As long as those of Slack, whose last part is the secret.
PATH = "/services/T024BE7LD/B5R9PQ8KM/kXq7mYtWz3RcVbN1pLs8dFgH"


def typed_endpoint(url: str, **changes: Any) -> TypedEndpoint:
    """Return what an owner types for a signed webhook that gets critical items."""
    typed = {"name": "On-call", "format": "standard", "url": url, "wants": "critical"}
    return TypedEndpoint(**{**typed, **changes})


def add_endpoint(
    by: Actor, config: Config, now: datetime, url: str = f"https://hooks.example{PATH}", **more: Any
) -> tuple[WebhookEndpoint, str]:
    """Add an endpoint, as an owner does; return it with its secret."""
    return endpoints.add_endpoint(typed_endpoint(url, **more), by=by, config=config, now=now)


def replying(status: str, body: bytes = b"", *headers: str) -> Behaviour:
    """Return a receiver that sends this reply to each message."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]

    def reply(_: ReceivedRequest, line: Line) -> None:
        line.send("\r\n".join(lines).encode() + body)

    return reply


@contextmanager
def receiver(
    folder: Path, behaviour: Behaviour | None = None, **certificate: Any
) -> Iterator[tuple[HostileServer, Callable[..., Any]]]:
    """Run a receiver with TLS; yield it, and a `post` that trusts its certificate's authority."""
    authority = Authority(folder)
    name = certificate.pop("name", "127.0.0.1")
    tls = authority.server(name, **certificate)
    with HostileServer(behaviour or replying("200 OK", b"ok"), tls=tls) as server:
        trusting = functools.partial(webhook_client.post, ca_file=str(authority.ca_file))
        yield server, trusting


def deliver_due(
    config: Config, clock: Callable[[], datetime], post: Callable[..., Any]
) -> list[str]:
    """Attempt each due delivery once."""
    return [
        delivery.send_webhook(message.id, config=config, now=clock, post=post)
        for message in WebhookMessage.due(clock())
    ]


def told_keys(message: WebhookMessage) -> dict[str, list[str]]:
    """Return the keys of the items of a message by the heading of their section."""
    return {
        section["heading"]: [key for entry in section["entries"] for key in entry["keys"]]
        for section in message.content["sections"]
    }
