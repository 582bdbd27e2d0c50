"""Sites, clients, plugins and people by a part of their name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peewee import JOIN, fn

from app.models.accounts import ERASED, User
from app.models.clients import Client
from app.models.reports import Component
from app.models.sites import Site
from app.models.visibility import Visibility


@dataclass(frozen=True)
class InstalledComponent:
    """A plugin or theme, and on how many sites it is installed."""

    kind: str
    ident: str
    name: str
    sites: int


def find_sites(text: str, *, limit: int, visible: Visibility) -> list[Site]:
    """Return the sites whose name, address or client contains the text, by name."""
    query = (
        Site.select(Site, Client)
        .join(Client, JOIN.LEFT_OUTER)
        .where(
            Site.is_shown(visible),
            Site.name.contains(text) | Site.url.contains(text) | Client.name.contains(text),
        )
        .order_by(fn.LOWER(Site.name), Site.id)
    )
    return list(query.limit(limit))


def find_clients(text: str, *, limit: int, visible: Visibility) -> list[Client]:
    """Return the clients whose name contains the text, by name."""
    query = Client.select().where(Client.name.contains(text), visible.in_sql(Client.id))
    return list(query.order_by(fn.LOWER(Client.name)).limit(limit))


def find_components(text: str, *, limit: int, visible: Visibility) -> list[InstalledComponent]:
    """Return the components whose name or file contains the text, the most widespread first."""
    count = fn.COUNT(Component.id)
    query = (
        Component.select(Component.kind, Component.ident, fn.MAX(Component.name), count)
        .join(Site)
        .where(
            Site.is_shown(visible),
            Component.name.contains(text) | Component.ident.contains(text),
        )
        .group_by(Component.kind, Component.ident)
        .order_by(count.desc(), fn.MAX(Component.name), Component.ident)
        .limit(limit)
    )
    rows: Any = query.tuples()
    return [InstalledComponent(*row) for row in rows]


def find_users(text: str, *, limit: int, visible: Visibility) -> list[User]:
    """Return the visible users whose name or e-mail address contains the text, by name."""
    query = User.select().where(
        User.name != ERASED,
        User.is_visible(visible),
        User.name.contains(text) | User.email.contains(text),
    )
    return list(query.order_by(fn.LOWER(User.name), User.id).limit(limit))
