"""Deliver one message to a person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from email.errors import MessageError

from app import smtp
from app.config import Config
from app.domain.agency.settings import read_settings
from app.domain.mail import server as mail_server
from app.domain.mail.attempts import FORMAT, OWN_PROBLEMS, Send, make_attempt
from app.domain.notifications.letters import write_letter
from app.domain.text import one_line
from app.domain.time_zones import zone_of
from app.mail_format import Envelope, compose
from app.models.base import utcnow
from app.models.email import TEST, EmailServer, OutgoingEmail
from app.smtp import SendingFailed

__all__ = ["OWN_PROBLEMS", "Send", "send_email"]

_MAX_WORDS = 200
_AURA = "Aura"


def send_email(
    email_id: int,
    *,
    config: Config,
    send: Send = smtp.send,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Make one attempt at a message; return its state. Safe to run twice."""
    email = OutgoingEmail.known(email_id)
    if email is None:
        return "gone"

    def deliver(email: OutgoingEmail) -> str:
        stored, server = mail_server.open_server(config)
        message = _message(email, stored, config)
        return send(server, stored.sender, email.user.email, message)

    return make_attempt(email, deliver, now=now, is_only_one=email.kind == TEST)


def _message(email: OutgoingEmail, stored: EmailServer, config: Config) -> bytes:
    """Return the message. Raises SendingFailed if the address fits into no header."""
    user, agency = email.user, read_settings(config)
    brand = agency.name or _AURA
    envelope = Envelope(
        sender=stored.sender,
        sender_name=stored.sender_name or brand,
        recipient=user.email,
        recipient_name=user.name,
        subject=email.subject,
        message_id=email.message_id,
        at=email.requested_at,
    )
    letter = write_letter(email, stored.host, config)
    try:
        user.email.encode("ascii")
        return compose(letter, envelope, brand, zone_of(user.time_zone))
    except (ValueError, MessageError) as why:
        raise SendingFailed(FORMAT, one_line(str(why), _MAX_WORDS), is_final=True) from why
