"""Who may do what: one table of verbs and the roles that may use them."""

from __future__ import annotations

from app.domain.actor import Actor
from app.domain.errors import Forbidden
from app.models.accounts import OPERATOR, OWNER, VIEWER

_EVERYBODY = frozenset({OWNER, OPERATOR, VIEWER})
_WHO_WORKS = frozenset({OWNER, OPERATOR})

TABLE: dict[str, frozenset[str]] = {
    "account": _EVERYBODY,  # one's own password and sessions
    "see": _EVERYBODY,
    "audit": _EVERYBODY,
    "pair": _WHO_WORKS,
    "sync": _WHO_WORKS,
    "revoke": _WHO_WORKS,
    "people": frozenset({OWNER}),
}


def may(role: str, verb: str) -> bool:
    """Whether `role` may; an unknown role may nothing, an unknown verb is a KeyError."""
    return role in TABLE[verb]


def require(actor: Actor, verb: str) -> None:
    """Raise Forbidden unless this actor may. Only members have a role, so nobody else passes."""
    if not may(actor.role, verb):
        raise Forbidden(verb)
