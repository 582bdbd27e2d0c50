"""One attempt at a message on its way to a server: at least once, always with the same id.

An attempt has a lease, so two workers never send at the same time. If a worker dies, or the
connection breaks after the message, the server may have accepted it: the row says so, and the next
attempt sends the same message again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from app.models.base import transaction
from app.models.outgoing import FAILED, QUEUED, SENDING, UNKNOWN, OutgoingMessage

# The problem of a message that was never attempted in time.
EXPIRED = "expired"
# Longer than the job may take, so that a lease only expires if its worker is gone.
LEASE = timedelta(minutes=5)


def make_attempt(
    message: OutgoingMessage,
    attempt: Callable[[], dict[str, Any]],
    *,
    now: Callable[[], datetime],
    on_end: Callable[[], None] = lambda: None,
) -> str:
    """Make one attempt at a message; return its state. Safe to run twice.

    `attempt` sends it and returns the columns of the result. `on_end` is called in the transaction
    that ends the message.
    """
    at = now()
    was_interrupted = message.state == SENDING
    if message.is_open and at >= message.expires_at:
        with transaction():
            if _give_up(message, at, was_interrupted):
                on_end()
        return str(message.state)
    if not message.begin(at, at + LEASE):
        return str(message.state)
    number = message.attempts
    if was_interrupted:
        # The worker of the attempt before died, perhaps after the server had accepted.
        message.update_if(may_have_arrived=True)
    outcome = attempt()
    with transaction():
        if message.finish(number, **outcome) and not message.is_open:
            on_end()
    return str(message.state)


def after_failure(
    message: OutgoingMessage,
    at: datetime,
    wait: timedelta,
    *,
    is_final: bool,
    may_have_arrived: bool,
) -> dict[str, Any]:
    """Return the columns after an attempt that failed: wait for the next one, or give up."""
    in_doubt = message.may_have_arrived or may_have_arrived
    next_at = at + wait
    if is_final or next_at >= message.expires_at:
        return {"may_have_arrived": in_doubt, "state": _given_up(in_doubt), "ended_at": at}
    return {"may_have_arrived": in_doubt, "state": QUEUED, "next_attempt_at": next_at}


def _give_up(message: OutgoingMessage, at: datetime, was_interrupted: bool) -> bool:
    in_doubt = message.may_have_arrived or was_interrupted
    problem = message.problem or EXPIRED
    return message.end(_given_up(in_doubt), at, problem=problem, may_have_arrived=in_doubt)


def _given_up(in_doubt: bool) -> str:
    """Return the state of a message that was given up; in doubt, it is unknown and not failed."""
    return UNKNOWN if in_doubt else FAILED
