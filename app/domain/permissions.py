"""Who may do what: one table of verbs and the roles that may use them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from app.domain.actor import Actor
from app.domain.errors import Forbidden, NotConfirmed
from app.models.accounts import CLIENT, OPERATOR, OWNER, VIEWER, Member
from app.models.audit import Entry
from app.models.base import Transaction, transaction
from app.models.sites import Site

_AGENCY = frozenset({OWNER, OPERATOR, VIEWER})
_EVERYBODY = _AGENCY | {CLIENT}
_WHO_WORKS = frozenset({OWNER, OPERATOR})

# The number of no client: whoever has none, and is not of the agency, sees nothing.
_NO_CLIENT = 0

# How long a typed password counts: whoever finds an open browser releases nothing.
FRESH_FOR = timedelta(minutes=15)

TABLE: dict[str, frozenset[str]] = {
    "account": _EVERYBODY,  # one's own password and sessions
    "see": _EVERYBODY,
    "audit": _AGENCY,
    "overview": _AGENCY,  # what concerns all clients at once
    "pair": _WHO_WORKS,
    "keys": _WHO_WORKS,  # new keys, a new address, the web server's password
    "sync": _WHO_WORKS,
    "revoke": _WHO_WORKS,
    "propose": _WHO_WORKS,
    "decide": _WHO_WORKS | {CLIENT},
    "approve": _WHO_WORKS,
    "policies": frozenset({OWNER}),
    "export": _WHO_WORKS,
    "people": frozenset({OWNER}),
}
# What decides who may act, what runs, what leaves and with which keys: a session that was
# left open is not enough for it.
NEEDS_RECENT_PASSWORD = frozenset({"keys", "decide", "approve", "policies", "export", "people"})


def may(role: str, verb: str) -> bool:
    """Whether `role` may; an unknown role may nothing, an unknown verb is a KeyError."""
    return role in TABLE[verb]


def require(actor: Actor, verb: str) -> None:
    """Raise Forbidden unless this actor may. Only members have a role, so nobody else passes."""
    if not may(actor.role, verb):
        raise Forbidden(verb)


def recheck(by: Actor, verb: str) -> Actor:
    """Return `by` as they are now; call it inside the transaction of what they change.

    A request may have waited for the lock while its member was disabled or lost the role.
    Aura itself, which has no role to lose, is returned as it is. Raises Forbidden.
    """
    if by.kind != "member":
        return by
    member = Member.get_or_none(Member.id == by.id)
    if member is None or member.is_disabled:
        raise Forbidden(verb)
    present = Actor.of(member, by.ip)
    require(present, verb)
    return present


@contextmanager
def member_transaction(by: Actor, verb: str) -> Iterator[tuple[Transaction, Actor]]:
    """Open the transaction of a state change by a member; yields it and the member as they
    are now. Raises Forbidden unless they may `verb`, before and under the lock."""
    require(by, verb)
    with transaction() as tx:
        yield tx, recheck(by, verb)


def require_fresh(confirmed_at: datetime, now: datetime) -> None:
    """Raise NotConfirmed unless this person has shown lately that it is them."""
    if now - confirmed_at >= FRESH_FOR:
        raise NotConfirmed("Re-enter your password to continue.")


def sees(actor: Actor, site: Site) -> bool:
    """Whether this actor may know that there is such a site."""
    only = only_client(actor)
    return only is None or site.client_id == only


def sees_client(actor: Actor, client_id: int) -> bool:
    """Whether this actor may know of such a client."""
    return only_client(actor) in (None, client_id)


def sees_entry(actor: Actor, entry: Entry) -> bool:
    """Whether this actor may read such an entry: of the trail, the agency all, and somebody at
    a client what concerns that client."""
    only = only_client(actor)
    if only is None:
        return True
    if entry.client_id is not None:
        return entry.client_id == only
    return entry.site_id is not None and Site.client_of(entry.site_id) == only


def only_client(actor: Actor) -> int | None:
    """Of which client alone this actor sees anything; None: of every one."""
    return None if actor.role in _AGENCY else actor.client_id or _NO_CLIENT
