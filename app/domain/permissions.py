"""Who may do what: one table of verbs and the roles that may use them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from app.domain.actor import Actor
from app.domain.errors import Forbidden, ReauthenticationRequired
from app.models.accounts import CLIENT, OPERATOR, OWNER, VIEWER, Member
from app.models.audit import Entry
from app.models.base import Transaction, transaction
from app.models.sites import Site

_AGENCY = frozenset({OWNER, OPERATOR, VIEWER})
_ALL_ROLES = _AGENCY | {CLIENT}
_STAFF = frozenset({OWNER, OPERATOR})

# The number of no client: whoever has none, and is not of the agency, sees nothing.
_NO_CLIENT = 0

# How long a typed password counts: whoever finds an open browser releases nothing.
REAUTH_MAX_AGE = timedelta(minutes=15)

ROLES_BY_PERMISSION: dict[str, frozenset[str]] = {
    "account": _ALL_ROLES,  # one's own password and sessions
    "see": _ALL_ROLES,
    "audit": _AGENCY,
    "overview": _AGENCY,  # what concerns all clients at once
    "pair": _STAFF,
    "keys": _STAFF,  # new keys, a new address, the web server's password
    "sync": _STAFF,
    "revoke": _STAFF,
    "propose": _STAFF,
    "decide": _STAFF | {CLIENT},
    "approve": _STAFF,
    "policies": frozenset({OWNER}),
    "export": _STAFF,
    "people": frozenset({OWNER}),
}
# What decides who may act, what runs, what leaves and with which keys: a session that was
# left open is not enough for it.
NEEDS_RECENT_PASSWORD = frozenset({"keys", "decide", "approve", "policies", "export", "people"})


def is_allowed(role: str, verb: str) -> bool:
    """Whether `role` may; an unknown role may nothing, an unknown verb is a KeyError."""
    return role in ROLES_BY_PERMISSION[verb]


def require(actor: Actor, verb: str) -> None:
    """Raise Forbidden unless this actor may. Only members have a role, so nobody else passes."""
    if actor.role not in ROLES_BY_PERMISSION[verb]:
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
    """Open the transaction of a state change by a member; yield it and the current member.

    Raises Forbidden unless they may `verb`, before and under the lock.
    """
    require(by, verb)
    with transaction() as tx:
        yield tx, recheck(by, verb)


def require_recent_authentication(confirmed_at: datetime, now: datetime) -> None:
    """Raise NotConfirmed unless this person has shown lately that it is them."""
    if now - confirmed_at >= REAUTH_MAX_AGE:
        raise ReauthenticationRequired("Re-enter your password to continue.")


def can_see_site(actor: Actor, site: Site) -> bool:
    """Whether this actor may know that there is such a site."""
    only = restricted_client_id(actor)
    return only is None or site.client_id == only


def can_see_client(actor: Actor, client_id: int) -> bool:
    """Whether this actor may know of such a client."""
    return restricted_client_id(actor) in (None, client_id)


def can_see_entry(actor: Actor, entry: Entry) -> bool:
    """Whether this actor may read the entry.

    The agency reads all entries, a client user those about that client.
    """
    only = restricted_client_id(actor)
    if only is None:
        return True
    if entry.client_id is not None:
        return entry.client_id == only
    return entry.site_id is not None and Site.client_of(entry.site_id) == only


def restricted_client_id(actor: Actor) -> int | None:
    """Of which client alone this actor sees anything; None: of every one."""
    return None if actor.role in _AGENCY else actor.client_id or _NO_CLIENT
