"""The actor of an audit entry: name and origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from app.models.accounts import User
    from app.models.sites import Site

Kind = Literal["user", "schedule", "site", "system", "anonymous"]


@dataclass(frozen=True)
class Actor:
    """A user, a paired site, or Aura itself.

    Only users have a role. `client_id` is set for client users, and `limited_to` for people of the
    agency who see only some clients.
    """

    kind: Kind
    id: int | None
    name: str
    role: str = ""
    ip: str = ""
    client_id: int | None = None
    limited_to: frozenset[int] | None = None

    @classmethod
    def of(cls, user: User, ip: str = "") -> Actor:
        return cls(
            kind="user",
            id=user.id,
            name=user.name,
            role=user.role,
            ip=ip,
            client_id=user.client_id,
            limited_to=None if user.limited_to is None else frozenset(user.limited_to),
        )

    @classmethod
    def site(cls, site: Site, ip: str = "") -> Actor:
        return cls(kind="site", id=site.id, name=site.name, ip=ip)

    @classmethod
    def anonymous(cls, ip: str) -> Actor:
        return cls(kind="anonymous", id=None, name="signed-out visitor", ip=ip)

    @property
    def label(self) -> str:
        """Return the actor's key in the index of the audit log, for example `user:3`."""
        return self.kind if self.id is None else f"{self.kind}:{self.id}"


SYSTEM = Actor(kind="system", id=None, name="Aura")
SCHEDULE = Actor(kind="schedule", id=None, name="the schedule")
