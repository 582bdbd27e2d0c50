"""Messages from the request to the server's answer: queue, resend, recover.

A message is a row, which survives restarts; the job only carries its number. It is delivered at
least once, always with the same Message-ID, and given up at `expires_at`.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from app import queue
from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import EmailResent, EmailTestRequested
from app.domain.errors import Conflict, NotFound
from app.domain.text import one_line
from app.models.accounts import User
from app.models.base import transaction
from app.models.email import (
    CRITICAL,
    DIGEST,
    INVITATION,
    RESET,
    SECURITY,
    TEST,
    EmailServer,
    OutgoingEmail,
)

# How long Aura tries to deliver a message of each kind. A reset link is valid for an hour.
TRIES_FOR = {
    TEST: timedelta(minutes=10),
    INVITATION: timedelta(hours=48),
    RESET: timedelta(minutes=50),
    SECURITY: timedelta(hours=48),
    CRITICAL: timedelta(hours=48),
    DIGEST: timedelta(hours=24),
}
KEPT_FOR = timedelta(days=30)
MAX_SUBJECT_CHARS = 150
_SHOWN = 100


def is_on() -> bool:
    """Whether an owner has entered a server."""
    return EmailServer.is_set()


def queue_email(
    user: User, kind: str, subject: str, content: dict[str, Any], *, now: datetime
) -> OutgoingEmail | None:
    """Queue a message to the address of an account; return None if e-mail is off.

    There is no other way to name a recipient. It joins the caller's transaction.
    """
    with transaction() as tx:
        server = EmailServer.read()
        if server is None:
            return None
        email = OutgoingEmail.create(
            user=user,
            kind=kind,
            subject=one_line(subject, MAX_SUBJECT_CHARS),
            content=content,
            message_id=f"<{secrets.token_hex(16)}@{server.sender.rpartition('@')[2]}>",
            requested_at=now,
            expires_at=now + TRIES_FOR[kind],
            next_attempt_at=now,
        )
        tx.after_commit(queue.enqueue, "send_email", email.id)
        return email


def request_test(*, by: Actor, now: datetime) -> OutgoingEmail:
    """Queue a test message to the person's own address.

    Raises: Forbidden, or Conflict if e-mail is off.
    """
    with permissions.user_transaction(by, "email") as (_, present):
        user = User.get_by_id(present.id)
        content = {"by": present.name}
        email = queue_email(user, TEST, "Test e-mail from Aura", content, now=now)
        if email is None:
            raise Conflict("Enter the e-mail server first.")
        audit.record(EmailTestRequested(email_id=email.id), present, now=now)
    return email


def resend(email: OutgoingEmail, *, by: Actor, now: datetime) -> None:
    """Queue a message again that was given up.

    Raises: Forbidden, or Conflict for a message that is on its way or was accepted.
    """
    with permissions.user_transaction(by, "email") as (tx, present):
        if not email.resend(now, now + TRIES_FOR[email.kind]):
            raise Conflict("Only a message that was not accepted can be sent again.")
        audit.record(EmailResent(email_id=email.id, kind=email.kind), present, now=now)
        tx.after_commit(queue.enqueue, "send_email", email.id)


def recent_emails() -> list[OutgoingEmail]:
    """Return the newest messages first, each with its user."""
    return OutgoingEmail.newest(_SHOWN)


def get_email(email_id: int) -> OutgoingEmail:
    """Return the message with this id and its user, or raise NotFound."""
    email = OutgoingEmail.known(email_id)
    if email is None:
        raise NotFound("This message does not exist. Messages are deleted after 30 days.")
    return email


def recover_emails(now: datetime) -> int:
    """Enqueue messages whose next attempt is due, and delete old ones; return how many are due.

    It also finds those whose job was lost and those whose worker died.
    """
    OutgoingEmail.forget_ended(now - KEPT_FOR)
    return queue.enqueue_rows("send_email", (email.id for email in OutgoingEmail.due(now)))
