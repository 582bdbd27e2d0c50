"""The one search: what a person finds of sites, clients, plugins and people."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.domain import permissions
from app.domain.actor import Actor
from app.models import directory
from app.models.accounts import User
from app.models.clients import Client
from app.models.directory import InstalledComponent
from app.models.sites import Site

# Of each kind. Who wants more goes to the list of that kind.
MAX_FOUND = 10
MAX_CHARS = 200


@dataclass(frozen=True)
class Found:
    """What was found, at most MAX_FOUND of each kind."""

    sites: list[Site] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    components: list[InstalledComponent] = field(default_factory=list)
    people: list[User] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.sites or self.clients or self.components or self.people)


def search(actor: Actor, text: str) -> Found:
    """Return what this actor may see and whose name contains the text; nothing for an empty text.

    Only who manages people finds them.
    """
    sought = text.strip()[:MAX_CHARS]
    if not sought:
        return Found()
    visible = permissions.visibility_of(actor)
    manages_people = permissions.is_allowed(actor.role, "people")
    return Found(
        sites=directory.find_sites(sought, limit=MAX_FOUND, visible=visible),
        clients=directory.find_clients(sought, limit=MAX_FOUND, visible=visible),
        components=directory.find_components(sought, limit=MAX_FOUND, visible=visible),
        people=directory.find_users(sought, limit=MAX_FOUND, visible=visible)
        if manages_people
        else [],
    )
