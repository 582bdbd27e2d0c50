"""Deliver one message: at least once, always with the same Message-ID.

An attempt has a lease, so two workers never send at the same time. If a worker dies, or the
connection breaks after the message, the server may have accepted it: the row says so, and the next
attempt sends the same message again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from email.errors import MessageError
from typing import Any

from app import smtp
from app.config import Config
from app.domain.agency.settings import read_settings
from app.domain.mail import server as mail_server
from app.domain.mail.server import EmailIsOff
from app.domain.notifications.letters import NoLongerWanted, write_letter
from app.domain.text import one_line
from app.domain.time_zones import zone_of
from app.keys import SealBroken
from app.mail_format import Envelope, compose
from app.models.base import utcnow
from app.models.email import (
    CANCELLED,
    FAILED,
    QUEUED,
    SENDING,
    SENT,
    TEST,
    UNKNOWN,
    EmailServer,
    OutgoingEmail,
)
from app.retry import backoff
from app.smtp import SendingFailed, Server

Send = Callable[[Server, str, str, bytes], str]

FIRST_RETRY = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=2)
# Longer than the job may take, so that a lease only expires if its worker is gone.
LEASE = timedelta(minutes=5)
_MAX_WORDS = 200
_AURA = "Aura"
_FORMAT = "format"
_SEALED = "sealed"
_EXPIRED = "expired"
_OFF = "off"
_OUTDATED = "outdated"
# Problems on this side of the connection, beside smtp.PROBLEMS.
OWN_PROBLEMS = (_FORMAT, _SEALED, _EXPIRED, _OFF, _OUTDATED)


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
    at = now()
    was_interrupted = email.state == SENDING
    if email.is_open and at >= email.expires_at:
        _give_up(email, at, was_interrupted)
        return email.state
    if not email.begin(at, at + LEASE):
        return email.state
    attempt = email.attempts
    if was_interrupted:
        # The worker of the attempt before died, perhaps after the server had accepted.
        email.update_if(may_have_arrived=True)
    email.finish(attempt, **_attempt(email, config, send, now))
    return email.state


def _give_up(email: OutgoingEmail, at: datetime, was_interrupted: bool) -> None:
    in_doubt = email.may_have_arrived or was_interrupted
    problem = email.problem or _EXPIRED
    email.end(UNKNOWN if in_doubt else FAILED, at, problem=problem, may_have_arrived=in_doubt)


def _attempt(
    email: OutgoingEmail, config: Config, send: Send, now: Callable[[], datetime]
) -> dict[str, Any]:
    """Send the message; return the columns of the result."""
    try:
        stored, server = mail_server.open_server(config)
        message = _message(email, stored, config)
        words = send(server, stored.sender, email.user.email, message)
    except SendingFailed as why:
        return _failed(email, why, now())
    except SealBroken:
        return _failed(email, SendingFailed(_SEALED, ""), now())
    except EmailIsOff:
        return {"state": CANCELLED, "ended_at": now(), "problem": _OFF, "words": ""}
    except NoLongerWanted:
        return {"state": CANCELLED, "ended_at": now(), "problem": _OUTDATED, "words": ""}
    return {"state": SENT, "ended_at": now(), "problem": "", "words": words}


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
        raise SendingFailed(_FORMAT, one_line(str(why), _MAX_WORDS), is_final=True) from why


def _failed(email: OutgoingEmail, why: SendingFailed, at: datetime) -> dict[str, Any]:
    """Return the columns after an attempt that failed: wait for the next one, or give up."""
    in_doubt = email.may_have_arrived or why.may_have_arrived
    found = {"problem": why.problem, "words": why.words, "may_have_arrived": in_doubt}
    next_at = at + backoff(email.attempts - 1, FIRST_RETRY, LONGEST_WAIT)
    if why.is_final or email.kind == TEST or next_at >= email.expires_at:
        return {**found, "state": UNKNOWN if in_doubt else FAILED, "ended_at": at}
    return {**found, "state": QUEUED, "next_attempt_at": next_at}
