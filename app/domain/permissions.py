"""Permissions: a table of verbs and the roles that have them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from app.domain.actor import Actor
from app.domain.errors import Forbidden, ReauthenticationRequired
from app.models.accounts import CLIENT, OPERATOR, OWNER, VIEWER, User
from app.models.audit import AuditEntry
from app.models.base import Transaction, transaction
from app.models.sites import Site

_AGENCY = frozenset({OWNER, OPERATOR, VIEWER})
_ALL_ROLES = _AGENCY | {CLIENT}
_STAFF = frozenset({OWNER, OPERATOR})

# An id that no client has: users without a client who are not agency staff see nothing.
_NO_CLIENT = 0

# How long a password confirmation is valid, so that an open browser cannot approve anything.
REAUTH_MAX_AGE = timedelta(minutes=15)

ROLES_BY_PERMISSION: dict[str, frozenset[str]] = {
    "account": _ALL_ROLES,  # own password and sessions
    "see": _ALL_ROLES,
    "audit": _AGENCY,
    "overview": _AGENCY,  # data of all clients
    "pair": _STAFF,
    "keys": _STAFF,  # new keys, a new address, the web server's password
    "sync": _STAFF,
    "revoke": _STAFF,
    "propose": _STAFF,
    "decide": _STAFF | {CLIENT},
    "approve": _STAFF,
    "auto_update_rules": frozenset({OWNER}),
    "export": _STAFF,
    "people": frozenset({OWNER}),
    "security": frozenset({OWNER}),
    "email": frozenset({OWNER}),  # the server that all e-mail goes through
    "reports": _STAFF,  # to whom reports of a client are sent, and sending them
    "halt": _STAFF,  # stop all changes, add a freeze
    "lift": frozenset({OWNER}),  # start again, end a freeze, set windows, override one
    # Needs no recent password: a name, a color and a picture give access to nothing.
    "agency": frozenset({OWNER}),
}
# Permissions for users, approvals, exports and keys also need a recent password.
NEEDS_RECENT_PASSWORD = frozenset(
    {
        "keys",
        "decide",
        "approve",
        "auto_update_rules",
        "export",
        "people",
        "security",
        "email",
        "reports",
        "halt",
        "lift",
    }
)


def is_allowed(role: str, verb: str) -> bool:
    """Whether `role` has the permission `verb`; False for an unknown role.

    Raises: KeyError for an unknown verb.
    """
    return role in ROLES_BY_PERMISSION[verb]


def require(actor: Actor, verb: str) -> None:
    """Check that the actor has the permission `verb`. Only users have a role.

    Raises: Forbidden.
    """
    if actor.role not in ROLES_BY_PERMISSION[verb]:
        raise Forbidden(verb)


def recheck(by: Actor, verb: str) -> Actor:
    """Return `by` as they are now; call it inside the transaction of the change.

    The user may have been disabled or lost the role while the request waited for the lock. Aura
    itself has no role and is returned unchanged.

    Raises: Forbidden.
    """
    if by.kind != "user":
        return by
    user = User.get_or_none(User.id == by.id)
    if user is None or user.is_disabled:
        raise Forbidden(verb)
    present = Actor.of(user, by.ip)
    require(present, verb)
    return present


@contextmanager
def user_transaction(by: Actor, verb: str) -> Iterator[tuple[Transaction, Actor]]:
    """Open the transaction of a state change by a user; yield it and the current user.

    Raises Forbidden unless they may `verb`, before and under the lock.
    """
    require(by, verb)
    with transaction() as tx:
        yield tx, recheck(by, verb)


def require_recent_authentication(confirmed_at: datetime, now: datetime) -> None:
    """Check that the user confirmed the password recently.

    Raises: ReauthenticationRequired.
    """
    if now - confirmed_at >= REAUTH_MAX_AGE:
        raise ReauthenticationRequired("Re-enter your password to continue.")


def can_see_site(actor: Actor, site: Site) -> bool:
    """Whether this actor may see the site."""
    only = restricted_client_id(actor)
    return only is None or site.client_id == only


def can_see_client(actor: Actor, client_id: int) -> bool:
    """Whether this actor may see the client."""
    return restricted_client_id(actor) in (None, client_id)


def can_see_entry(actor: Actor, entry: AuditEntry) -> bool:
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
    """Return the only client that this actor may see, or None for all clients."""
    return None if actor.role in _AGENCY else actor.client_id or _NO_CLIENT
