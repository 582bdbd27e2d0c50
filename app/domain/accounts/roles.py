"""What people may do and see: the role, the client of a client user, the clients of others."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from app.domain import audit, permissions
from app.domain.accounts import account_input, sessions
from app.domain.actor import Actor
from app.domain.audit.events import ClientAccessChanged, RoleChanged
from app.domain.errors import Conflict, Forbidden, Invalid
from app.models.accounts import CLIENT, OWNER, User
from app.models.base import transaction
from app.models.clients import Client
from app.models.email import NotifiedItem
from app.models.visibility import EVERYTHING, Visibility


@dataclass(frozen=True)
class Access:
    """A role, with what its person sees.

    `client` counts for client users only. `limited_to` are the ids of the only clients that another
    person sees, or None for everything; owners always see everything.
    """

    role: str
    client: Client | None = None
    limited_to: Collection[int] | None = None

    @property
    def client_id(self) -> int | None:
        return self.client.id if self.client is not None and self.role == CLIENT else None

    @property
    def clients(self) -> list[int] | None:
        """Return `limited_to` as it is stored."""
        if self.limited_to is None or self.role in (OWNER, CLIENT):
            return None
        return sorted(set(self.limited_to))

    @property
    def visible(self) -> Visibility:
        if self.role == CLIENT:
            return Visibility.of_clients([] if self.client_id is None else [self.client_id])
        return EVERYTHING if self.clients is None else Visibility.of_clients(self.clients)


def access_problems(access: Access, by: Actor) -> dict[str, str]:
    """Return what is wrong with a chosen access, by field."""
    problems = account_input.role_problems(access.role, access.client)
    if problems or access.clients is None:
        return problems
    known = Client.names(permissions.visibility_of(by))
    if not access.clients or not known.keys() >= set(access.clients):
        return {"clients": "Choose at least one client from the list."}
    return {}


def require_can_give(access: Access, by: Actor) -> None:
    """Check that a user may give this access: a role that they manage, and no more than they see.

    Raises: Forbidden.
    """
    permissions.require_can_manage(by, access.role)
    if not permissions.visibility_of(by).includes(access.visible):
        raise Forbidden("people", "You can let people see only the clients that you see.")


@contextmanager
def managing(user: User, by: Actor) -> Iterator[Actor]:
    """Open the transaction of a change of `user`, as both are now; yield the current actor.

    Raises: Forbidden if `by` may not manage this person.
    """
    with permissions.user_transaction(by, "people") as (_, present):
        user.refresh()
        permissions.require_can_manage_user(present, user)
        yield present


def change_access(
    user: User, access: Access, *, by: Actor, confirmed_at: datetime, now: datetime
) -> None:
    """Change a user's role and what they see. Another role ends their sessions and links.

    What they approved stays approved.

    Raises: Forbidden, ReauthenticationRequired, Invalid, or Conflict: for the last owner, for a
    disabled user, and if nothing would change.
    """
    permissions.require(by, "people")
    permissions.require_recent_authentication(confirmed_at, now)
    # First, because the page with what is wrong names the person.
    permissions.require_can_manage_user(by, user)
    Invalid.raise_for(access_problems(access, by))
    with managing(user, by) as present:
        require_can_give(access, present)
        is_other_role = (user.role, user.client_id) != (access.role, access.client_id)
        is_other_view = user.limited_to != access.clients
        if is_other_role or not is_other_view or user.is_disabled:
            _take_role(user, access, present, now)
        if is_other_view:
            user.limit_to(access.clients)
            # Or its end would be sent, with the name of a site that they no longer see.
            NotifiedItem.forget(user.id)
            record_access(user, present, now)


def _take_role(user: User, access: Access, by: Actor, now: datetime) -> None:
    was = user.role
    sessions.end_all_sessions(user, by=by, now=now)
    if not user.take_role(access.role, access.client_id):
        raise Conflict(_why_no_role(user, access.role))
    event = RoleChanged(
        user_id=user.id,
        name=user.name,
        role=access.role,
        was=was,
        client=access.client.name if access.client is not None and access.client_id else "",
    )
    audit.record(event, by, now=now)


def _why_no_role(user: User, role: str) -> str:
    if user.is_disabled:
        return "This account is disabled. Enable it first."
    if user.role == OWNER and role != OWNER:
        return "Aura needs at least one owner. Invite another owner first."
    return "This is already their role."


def record_access(user: User, by: Actor, now: datetime) -> None:
    """Record which clients a user sees from now on, in the caller's transaction."""
    names = "" if user.limited_to is None else ", ".join(_names(user.limited_to))
    with transaction():
        event = ClientAccessChanged(user_id=user.id, name=user.name, clients=names)
        audit.record(event, by, now=now)


def _names(client_ids: Collection[int]) -> list[str]:
    return list(Client.names(Visibility.of_clients(client_ids)).values())
