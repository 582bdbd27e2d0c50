"""Permissions: a table of verbs and the roles that have them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from app.domain.actor import Actor
from app.domain.errors import Forbidden, ReauthenticationRequired
from app.models.accounts import CLIENT, MANAGER, OPERATOR, OWNER, VIEWER, User
from app.models.audit import AuditEntry
from app.models.base import Transaction, transaction
from app.models.sites import Site

_AGENCY = frozenset({OWNER, MANAGER, OPERATOR, VIEWER})
_ALL_ROLES = _AGENCY | {CLIENT}
_MANAGERS = frozenset({OWNER, MANAGER})
_STAFF = _MANAGERS | {OPERATOR}
_OWNERS = frozenset({OWNER})

# A role may invite, change and disable people whose role comes after it; owners everyone.
_RANKING = (OWNER, MANAGER, OPERATOR, VIEWER, CLIENT)

# An id that no client has: users without a client who are not agency staff see nothing.
_NO_CLIENT = 0

# How long a password confirmation is valid, so that an open browser cannot approve anything.
REAUTH_MAX_AGE = timedelta(minutes=15)

# docs/SECURITY.md shows this table to people; tests/web/test_every_route_is_guarded.py checks it
# against every page.
ROLES_BY_PERMISSION: dict[str, frozenset[str]] = {
    "account": _ALL_ROLES,  # own password and sessions
    "see": _ALL_ROLES,
    "audit": _AGENCY,
    "overview": _AGENCY,  # what client users do not see
    "pair": _STAFF,
    "keys": _STAFF,  # new keys of a site, a new address, the web server's password
    "sync": _STAFF,
    "revoke": _STAFF,
    "propose": _STAFF,
    "decide": _STAFF | {CLIENT},
    "approve": _STAFF,
    "auto_update_rules": _MANAGERS,
    "export": _STAFF,  # the audit log of a client or a site
    "export_all": _OWNERS,
    "people": _MANAGERS,  # see can_manage
    "erase": _OWNERS,  # a person's data, also in the audit log
    "security": _OWNERS,  # keys of this Aura, who signs in how
    "email": _OWNERS,  # the server that all e-mail goes through
    "halt": _STAFF,  # stop all changes, add a freeze
    "lift": _MANAGERS,  # start again, end a freeze, set windows, override one
    # Needs no recent password: a name, a color and a picture give access to nothing.
    "agency": _OWNERS,
}
# Permissions for users, approvals, exports and keys also need a recent password.
NEEDS_RECENT_PASSWORD = frozenset(
    {
        "keys",
        "decide",
        "approve",
        "auto_update_rules",
        "export",
        "export_all",
        "people",
        "erase",
        "security",
        "email",
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


def can_manage(actor: Actor, role: str) -> bool:
    """Whether this actor may invite, change and disable people with `role`.

    Owners may do so with everyone, managers with the roles below their own.
    """
    if not is_allowed(actor.role, "people"):
        return False
    return actor.role == OWNER or _RANKING.index(actor.role) < _RANKING.index(role)


def roles_managed_by(actor: Actor) -> tuple[str, ...]:
    """Return the roles that this actor may give and take, the highest first."""
    return tuple(role for role in _RANKING if can_manage(actor, role))


def require_can_manage(actor: Actor, role: str) -> None:
    """Check that the actor may manage people with `role`.

    Raises: Forbidden.
    """
    if not can_manage(actor, role):
        raise Forbidden("people", f"Only an owner manages people with the role {role}.")


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
