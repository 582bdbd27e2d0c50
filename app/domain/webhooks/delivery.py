"""Deliver one message to a webhook, log the attempt, and turn off an endpoint that is lost.

The reply is shown to owners, and nothing in it but its status decides anything.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from app.config import Config
from app.domain import attempts
from app.domain.actor import SYSTEM
from app.domain.text import one_line
from app.domain.webhooks import endpoints, formats
from app.domain.webhooks.endpoints import Target
from app.domain.webhooks.outbox import MAX_ATTEMPTS, TEST
from app.domain.webhooks.signing import signed_headers
from app.http import webhook_client
from app.http.errors import CallError
from app.http.webhook_client import WebhookReply
from app.keys import SealBroken
from app.models.base import utcnow
from app.models.outgoing import CANCELLED, FAILED, SENT, UNKNOWN
from app.models.webhooks import FAILING, GONE, WebhookAttempt, WebhookMessage
from app.retry import backoff, spread, wait_asked_for

Post = Callable[..., WebhookReply]

FIRST_RETRY = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=4)
MAX_WORDS = 200
_GONE_STATUS = 410
# Problems beside the error codes of app/http/errors.py.
REDIRECT = "redirect"
STATUS = "status"
SEALED = "sealed"
# Shorter parts of an address are words such as "hooks", and no secrets.
_SECRET_FROM_CHARS = 6


@dataclass(frozen=True)
class _Result:
    """How an attempt went; `status` is None without a reply, and `problem` empty if accepted.

    `retry_after` is how long the receiver asks to wait.
    """

    problem: str
    words: str = ""
    status: int | None = None
    may_have_arrived: bool = False
    retry_after: timedelta = timedelta()


def send_webhook(
    message_id: int,
    *,
    config: Config,
    post: Post = webhook_client.post,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Make one attempt at a message; return its state. Safe to run twice."""
    message = WebhookMessage.known(message_id)
    if message is None:
        return "gone"
    return attempts.make_attempt(
        message,
        lambda: _attempt(message, config, post, now),
        now=now,
        on_end=lambda: _follow_up(message, now()),
    )


def _attempt(
    message: WebhookMessage, config: Config, post: Post, now: Callable[[], datetime]
) -> dict[str, Any]:
    """Send the message and log the attempt; return the columns of the result."""
    if not message.endpoint.is_on and message.type != TEST:
        return {"state": CANCELLED, "ended_at": now(), "problem": endpoints.TURNED_OFF}
    began_at, began = now(), time.monotonic()
    result = _send(message, config, post, began_at)
    WebhookAttempt.create(
        message=message.id,
        number=message.attempts,
        at=began_at,
        ms=round((time.monotonic() - began) * 1000),
        status=result.status,
        problem=result.problem,
        words=result.words,
        may_have_arrived=result.may_have_arrived,
    )
    if not result.problem:
        return {"state": SENT, "ended_at": now(), "problem": ""}
    is_last = message.attempts >= message.last_attempt
    columns = attempts.after_failure(
        message,
        now(),
        max(_wait_after(message), result.retry_after),
        is_final=is_last or result.problem == GONE,
        may_have_arrived=result.may_have_arrived,
    )
    return {**columns, "problem": result.problem}


def _wait_after(message: WebhookMessage) -> timedelta:
    """Return the wait until the next attempt. After `resend`, the waits begin with the first."""
    made = message.attempts - (message.last_attempt - MAX_ATTEMPTS)
    return spread(backoff(made - 1, FIRST_RETRY, LONGEST_WAIT), message.id + message.attempts)


def _send(message: WebhookMessage, config: Config, post: Post, at: datetime) -> _Result:
    try:
        target = endpoints.open_target(message.endpoint, config, at)
    except SealBroken:
        return _Result(SEALED)
    body = formats.render_body(message, config.origin)
    headers = {"Content-Type": "application/json"}
    if target.secrets:
        stamp = int(at.timestamp())
        headers |= signed_headers(message.message_id, stamp, body, target.secrets)
    try:
        reply = post(target.url, headers, body, allow_nets=config.allow_nets)
    except CallError as why:
        return _Result(
            why.error_code.value,
            _hide(str(why.evidence.get("detail", "")), target),
            may_have_arrived=webhook_client.may_have_arrived(why),
        )
    words = _hide(reply.body.decode("utf-8", "replace"), target)
    wait = wait_asked_for(reply.retry_after, at, LONGEST_WAIT)
    return _Result(_problem_of(reply.status), words, reply.status, retry_after=wait)


def _problem_of(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if status == _GONE_STATUS:
        return GONE
    return REDIRECT if 300 <= status < 400 else STATUS


def _hide(text: str, target: Target) -> str:
    """Return the beginning of a reply, without the secret parts of the address it may repeat."""
    parts = urlsplit(target.url)
    pieces = re.split(r"[/?&=]", f"{parts.path}?{parts.query}")
    secret = {one for piece in pieces for one in (piece, unquote(piece))}
    for piece in sorted({*secret, *target.secrets}, key=len, reverse=True):
        if len(piece) >= _SECRET_FROM_CHARS:
            text = text.replace(piece, "…")
    return one_line(text, MAX_WORDS)


def _follow_up(message: WebhookMessage, now: datetime) -> None:
    """Note an accepted message, and turn off an endpoint that accepted none for a whole day."""
    endpoint = message.endpoint
    if message.state == SENT:
        endpoint.update_if(accepted_at=now)
    elif message.problem == GONE:
        endpoints.stop_sending(endpoint, GONE, by=SYSTEM, now=now)
    elif message.state in (FAILED, UNKNOWN) and message.type != TEST:
        endpoint.refresh()
        accepted_at = endpoint.accepted_at
        if accepted_at is None or accepted_at < message.requested_at:
            endpoints.stop_sending(endpoint, FAILING, by=SYSTEM, now=now)
