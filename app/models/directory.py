"""Sites, clients, plugins and people by a part of their name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peewee import JOIN, fn

from app.models.accounts import ERASED, User
from app.models.clients import Client
from app.models.reports import Component
from app.models.sites import Site


@dataclass(frozen=True)
class InstalledComponent:
    """A plugin or theme, and on how many sites it is installed."""

    kind: str
    ident: str
    name: str
    sites: int


def find_sites(text: str, *, limit: int, client_id: int | None = None) -> list[Site]:
    """Return the sites whose name, address or client contains the text, by name."""
    query = (
        Site.select(Site, Client)
        .join(Client, JOIN.LEFT_OUTER)
        .where(
            Site.forgotten_at.is_null(),
            Site.name.contains(text) | Site.url.contains(text) | Client.name.contains(text),
        )
        .order_by(fn.LOWER(Site.name), Site.id)
    )
    return list(
        (query if client_id is None else query.where(Site.client == client_id)).limit(limit)
    )


def find_clients(text: str, *, limit: int, client_id: int | None = None) -> list[Client]:
    """Return the clients whose name contains the text, by name."""
    query = Client.select().where(Client.name.contains(text))
    query = query.order_by(fn.LOWER(Client.name)).limit(limit)
    return list(query if client_id is None else query.where(Client.id == client_id))


def find_components(
    text: str, *, limit: int, client_id: int | None = None
) -> list[InstalledComponent]:
    """Return the components whose name or file contains the text, the most widespread first."""
    count = fn.COUNT(Component.id)
    query = (
        Component.select(Component.kind, Component.ident, fn.MAX(Component.name), count)
        .join(Site)
        .where(
            Site.forgotten_at.is_null(),
            Component.name.contains(text) | Component.ident.contains(text),
        )
        .group_by(Component.kind, Component.ident)
        .order_by(count.desc(), fn.MAX(Component.name), Component.ident)
        .limit(limit)
    )
    if client_id is not None:
        query = query.where(Site.client == client_id)
    rows: Any = query.tuples()
    return [InstalledComponent(*row) for row in rows]


def find_users(text: str, *, limit: int) -> list[User]:
    """Return the users whose name or e-mail address contains the text, by name."""
    query = User.select().where(
        User.name != ERASED, User.name.contains(text) | User.email.contains(text)
    )
    return list(query.order_by(fn.LOWER(User.name), User.id).limit(limit))
