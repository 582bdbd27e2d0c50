"""Find clients and rename them."""

from __future__ import annotations

from datetime import datetime

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import ClientRenamed
from app.domain.errors import Invalid, NotFound
from app.domain.sites import sites
from app.models.clients import Client


def client_named(name: str) -> Client:
    """Return the client of exactly that name. Raises NotFound."""
    client = Client.get_or_none(Client.name == name)
    if client is None:
        raise NotFound(f"There is no client called {name}.")
    return client


def rename_client(client: Client, name: str, *, by: Actor, now: datetime) -> None:
    """Change a client's name. Raises Forbidden or Invalid."""
    name = name.strip()
    sites.require_short(name=name)
    if not name:
        raise Invalid("name", "Enter a name.")
    with permissions.user_transaction(by, "pair") as (_, present):
        client.refresh()
        other = Client.find(name)
        if other is not None and other != client:
            raise Invalid(
                "name", f"A client called {other.name} already exists. You can merge both below."
            )
        if client.name == name:
            return
        before = client.name
        client.rename(name)
        event = ClientRenamed(client_id=client.id, name_before=before, name=name)
        audit.record(event, present, now=now)
