"""Attempts to hand a message to the e-mail server, as app/domain/attempts.py makes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from app.domain import attempts
from app.domain.mail.server import EmailIsOff
from app.keys import SealBroken
from app.models.outgoing import CANCELLED, SENT, OutgoingMessage
from app.retry import backoff
from app.smtp import SendingFailed, Server

Message = TypeVar("Message", bound=OutgoingMessage)
# What hands a message to a server: `app.smtp.send`.
Send = Callable[[Server, str, str, bytes], str]

FIRST_RETRY = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=2)
FORMAT = "format"
_SEALED = "sealed"
_OFF = "off"
_OUTDATED = "outdated"
# Problems on this side of the connection, beside smtp.PROBLEMS.
OWN_PROBLEMS = (FORMAT, _SEALED, attempts.EXPIRED, _OFF, _OUTDATED)


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
    return attempts.make_attempt(
        message,
        lambda: _outcome(message, deliver, now, is_only_one),
        now=now,
        on_end=lambda: on_end(message),
    )


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
    columns = attempts.after_failure(
        message,
        at,
        backoff(message.attempts - 1, FIRST_RETRY, LONGEST_WAIT),
        is_final=why.is_final or is_only_one,
        may_have_arrived=why.may_have_arrived,
    )
    return {**columns, "problem": why.problem, "words": why.words}
