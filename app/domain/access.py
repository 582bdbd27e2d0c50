"""Who may do what: one table of verbs and the roles that may use them."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain.actor import Actor
from app.domain.errors import Forbidden, NotConfirmed
from app.models.accounts import OPERATOR, OWNER, VIEWER

_EVERYBODY = frozenset({OWNER, OPERATOR, VIEWER})
_WHO_WORKS = frozenset({OWNER, OPERATOR})

# How long a typed password counts: whoever finds an open browser releases nothing.
FRESH_FOR = timedelta(minutes=15)

TABLE: dict[str, frozenset[str]] = {
    "account": _EVERYBODY,  # one's own password and sessions
    "see": _EVERYBODY,
    "audit": _EVERYBODY,
    "pair": _WHO_WORKS,
    "sync": _WHO_WORKS,
    "revoke": _WHO_WORKS,
    "propose": _WHO_WORKS,
    "approve": _WHO_WORKS,
    "policies": frozenset({OWNER}),
    "people": frozenset({OWNER}),
}


def may(role: str, verb: str) -> bool:
    """Whether `role` may; an unknown role may nothing, an unknown verb is a KeyError."""
    return role in TABLE[verb]


def require(actor: Actor, verb: str) -> None:
    """Raise Forbidden unless this actor may. Only members have a role, so nobody else passes."""
    if not may(actor.role, verb):
        raise Forbidden(verb)


def require_fresh(confirmed_at: datetime, now: datetime) -> None:
    """Raise NotConfirmed unless this person has shown lately that it is them."""
    if now - confirmed_at >= FRESH_FOR:
        raise NotConfirmed("Type your password once more, so that nobody else decides for you.")
