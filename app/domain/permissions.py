"""Permissions: a table of verbs and the roles that have them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from app.domain.actor import Actor
from app.domain.errors import Forbidden, NotFound, ReauthenticationRequired
from app.models.accounts import CLIENT, MANAGER, OPERATOR, OWNER, VIEWER, User
from app.models.audit import AuditEntry
from app.models.base import Transaction, transaction
from app.models.clients import Client
from app.models.sites import Site
from app.models.visibility import Visibility

_AGENCY = frozenset({OWNER, MANAGER, OPERATOR, VIEWER})
_ALL_ROLES = _AGENCY | {CLIENT}
_MANAGERS = frozenset({OWNER, MANAGER})
_STAFF = _MANAGERS | {OPERATOR}
_OWNERS = frozenset({OWNER})

# A role may invite, change and disable people whose role comes after it; owners everyone.
_RANKING = (OWNER, MANAGER, OPERATOR, VIEWER, CLIENT)

# How long a password confirmation is valid, so that an open browser cannot approve anything.
REAUTH_MAX_AGE = timedelta(minutes=15)

# docs/OPERATIONS.md shows this table to people; tests/web/test_every_route_is_guarded.py checks it
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
    "vulnerability_feed": _OWNERS,  # its key, and files to import
    "reports": _STAFF,  # to whom reports of a client are sent, and sending them
    "webhooks": _OWNERS,  # addresses outside that get what needs attention
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
        "reports",
        "webhooks",
        "vulnerability_feed",
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


def can_manage_user(actor: Actor, user: User) -> bool:
    """Whether the actor may manage this person, who sees no more clients than the actor."""
    sees_as_much = visibility_of(actor).includes(visibility_of(Actor.of(user)))
    return can_manage(actor, user.role) and sees_as_much


def require_can_manage_user(actor: Actor, user: User) -> None:
    """Check `can_manage_user`.

    Raises: Forbidden.
    """
    require_can_manage(actor, user.role)
    if not can_manage_user(actor, user):
        raise Forbidden("people", "They see clients that you do not see.")


def require_can_manage(actor: Actor, role: str) -> None:
    """Check that the actor may manage people with `role`.

    Raises: Forbidden.
    """
    if not can_manage(actor, role):
        raise Forbidden("people", f"Only an owner manages people with the role {role}.")


def recheck(by: Actor, verb: str, *about: Site | Client) -> Actor:
    """Return `by` as they are now; call it inside the transaction of the change.

    The user may have been disabled or lost the role while the request waited for the lock, or may
    no longer see the sites and clients that the change is about. Aura itself has no role and is
    returned unchanged.

    Raises: Forbidden, or NotFound.
    """
    if by.kind != "user":
        return by
    user = User.get_or_none(User.id == by.id)
    if user is None or user.is_disabled:
        raise Forbidden(verb)
    present = Actor.of(user, by.ip)
    require(present, verb)
    require_visible(present, *about)
    return present


@contextmanager
def user_transaction(
    by: Actor, verb: str, *about: Site | Client
) -> Iterator[tuple[Transaction, Actor]]:
    """Open the transaction of a state change by a user; yield it and the current user.

    `about` are the sites and clients that the user has to see for it. Raises Forbidden unless they
    may `verb`, before and under the lock, and NotFound if they do not see all of `about`.
    """
    require(by, verb)
    with transaction() as tx:
        yield tx, recheck(by, verb, *about)


def require_recent_authentication(confirmed_at: datetime, now: datetime) -> None:
    """Check that the user confirmed the password recently.

    Raises: ReauthenticationRequired.
    """
    if now - confirmed_at >= REAUTH_MAX_AGE:
        raise ReauthenticationRequired("Re-enter your password to continue.")


def visibility_of(actor: Actor) -> Visibility:
    """Return what this actor may see: everything, some clients, or their own one."""
    if actor.role in _AGENCY:
        return Visibility(actor.limited_to)
    own = () if actor.client_id is None else (actor.client_id,)
    return Visibility(frozenset(own), only_requested=True)


def can_see_site(actor: Actor, site: Site) -> bool:
    """Whether this actor may see the site."""
    return visibility_of(actor).has(site.client_id)


def can_see_client(actor: Actor, client_id: int) -> bool:
    """Whether this actor may see the client."""
    return visibility_of(actor).has(client_id)


def can_see_entry(actor: Actor, entry: AuditEntry) -> bool:
    """Whether this actor may read the entry, as `AuditEntry.is_visible` says for a list."""
    visible = visibility_of(actor)
    if visible.is_everything:
        return True
    if entry.client_id is not None:
        return visible.has(entry.client_id)
    return entry.site_id is not None and visible.has(Site.client_of(entry.site_id))


def require_visible(by: Actor, *about: Site | Client) -> None:
    """Check that a user may see these sites and clients, as they are stored now.

    Raises: NotFound, as if they did not exist.
    """
    visible = visibility_of(by)
    if by.kind != "user" or visible.is_everything:
        return
    for one in about:
        if isinstance(one, Client) and not visible.has(one.id):
            raise NotFound("This client does not exist.")
        if isinstance(one, Site) and not visible.has(Site.client_of(one.id)):
            raise NotFound("This site does not exist. It may have been removed.")


def require_everything(by: Actor, verb: str) -> None:
    """Check that a user sees all clients, for what is about all of them.

    Raises: Forbidden.
    """
    if by.kind == "user" and not visibility_of(by).is_everything:
        raise Forbidden(verb, "This is about all clients, and you see only some of them.")
