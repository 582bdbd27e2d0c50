"""Attempts to deliver a message: at least once, always with the same Message-ID.

An attempt has a lease, so two workers never send at the same time. If a worker dies, or the
connection breaks after the message, the server may have accepted it: the row says so, and the next
attempt sends the same message again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from app.domain.mail.server import EmailIsOff
from app.keys import SealBroken
from app.models.base import transaction
from app.models.outgoing import CANCELLED, FAILED, QUEUED, SENDING, SENT, UNKNOWN, OutgoingMessage
from app.retry import backoff
from app.smtp import SendingFailed, Server

Message = TypeVar("Message", bound=OutgoingMessage)
# What hands a message to a server: `app.smtp.send`.
Send = Callable[[Server, str, str, bytes], str]

FIRST_RETRY = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=2)
# Longer than the job may take, so that a lease only expires if its worker is gone.
LEASE = timedelta(minutes=5)
FORMAT = "format"
_SEALED = "sealed"
_EXPIRED = "expired"
_OFF = "off"
_OUTDATED = "outdated"
# Problems on this side of the connection, beside smtp.PROBLEMS.
OWN_PROBLEMS = (FORMAT, _SEALED, _EXPIRED, _OFF, _OUTDATED)


class NoLongerWanted(Exception):
    """What the message is about has changed since it was requested."""


def make_attempt(
    message: Message,
    deliver: Callable[[Message], str],
    *,
    now: Callable[[], datetime],
    is_only_one: bool = False,
    on_end: Callable[[Message], None] = lambda _: None,
) -> str:
    """Make one attempt at a message; return its state. Safe to run twice.

    `deliver` sends it and returns the server's answer, or raises SendingFailed, SealBroken,
    EmailIsOff or NoLongerWanted. If `is_only_one`, nothing is tried again. `on_end` is called in
    the transaction that ends the message.
    """
    at = now()
    was_interrupted = message.state == SENDING
    if message.is_open and at >= message.expires_at:
        with transaction():
            if _give_up(message, at, was_interrupted):
                on_end(message)
        return str(message.state)
    if not message.begin(at, at + LEASE):
        return str(message.state)
    attempt = message.attempts
    if was_interrupted:
        # The worker of the attempt before died, perhaps after the server had accepted.
        message.update_if(may_have_arrived=True)
    outcome = _outcome(message, deliver, now, is_only_one)
    with transaction():
        if message.finish(attempt, **outcome) and not message.is_open:
            on_end(message)
    return str(message.state)


def _give_up(message: OutgoingMessage, at: datetime, was_interrupted: bool) -> bool:
    in_doubt = message.may_have_arrived or was_interrupted
    problem = message.problem or _EXPIRED
    state = UNKNOWN if in_doubt else FAILED
    return message.end(state, at, problem=problem, may_have_arrived=in_doubt)


def _outcome(
    message: Message,
    deliver: Callable[[Message], str],
    now: Callable[[], datetime],
    is_only_one: bool,
) -> dict[str, Any]:
    """Send the message; return the columns of the result."""
    try:
        words = deliver(message)
    except SendingFailed as why:
        return _failed(message, why, now(), is_only_one)
    except SealBroken:
        return _failed(message, SendingFailed(_SEALED, ""), now(), is_only_one)
    except EmailIsOff:
        return {"state": CANCELLED, "ended_at": now(), "problem": _OFF, "words": ""}
    except NoLongerWanted:
        return {"state": CANCELLED, "ended_at": now(), "problem": _OUTDATED, "words": ""}
    return {"state": SENT, "ended_at": now(), "problem": "", "words": words}


def _failed(
    message: OutgoingMessage, why: SendingFailed, at: datetime, is_only_one: bool
) -> dict[str, Any]:
    """Return the columns after an attempt that failed: wait for the next one, or give up."""
    in_doubt = message.may_have_arrived or why.may_have_arrived
    found = {"problem": why.problem, "words": why.words, "may_have_arrived": in_doubt}
    next_at = at + backoff(message.attempts - 1, FIRST_RETRY, LONGEST_WAIT)
    if why.is_final or is_only_one or next_at >= message.expires_at:
        return {**found, "state": UNKNOWN if in_doubt else FAILED, "ended_at": at}
    return {**found, "state": QUEUED, "next_attempt_at": next_at}
