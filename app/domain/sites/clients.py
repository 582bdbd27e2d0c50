"""Find and rename clients, and keep whom to contact there."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import ClientContactChanged, ClientRenamed
from app.domain.errors import Invalid, NotFound
from app.domain.sites import sites
from app.models.clients import Client

MAX_EMAIL_CHARS = 254
MAX_PHONE_CHARS = 40


@dataclass(frozen=True)
class Contact:
    """Whom to contact at a client; each part may be empty."""

    contact_name: str = ""
    contact_email: str = ""
    contact_phone: str = ""


def client_named(name: str) -> Client:
    """Return the client of exactly that name. Raises NotFound."""
    client = Client.get_or_none(Client.name == name)
    if client is None:
        raise NotFound(f"There is no client called {name}.")
    return client


def rename_client(client: Client, name: str, *, by: Actor, now: datetime) -> None:
    """Change a client's name. Raises Forbidden or Invalid."""
    name = name.strip()
    sites.check_names(name=name)
    if not name:
        raise Invalid("name", "Enter a name.")
    with permissions.user_transaction(by, "pair", client) as (_, present):
        client.refresh()
        other = Client.find(name)
        if other is not None and other != client:
            raise Invalid(
                "name", f"A client called {other.name} already exists. You can merge both below."
            )
        if client.name == name:
            return
        before = client.name
        client.update_if(name=name)
        event = ClientRenamed(client_id=client.id, name_before=before, name=name)
        audit.record(event, present, now=now)


def set_contact(client: Client, contact: Contact, *, by: Actor, now: datetime) -> None:
    """Store whom to contact at a client.

    Raises: Forbidden, or Invalid with a message for each invalid part.
    """
    wanted = {name: text.strip() for name, text in asdict(contact).items()}
    _check_contact(wanted)
    with permissions.user_transaction(by, "pair", client) as (_, by):
        client.refresh()
        changed = [name for name, text in wanted.items() if getattr(client, name) != text]
        if not changed:
            return
        client.set_contact(**wanted)
        names = ", ".join(name.removeprefix("contact_") for name in changed)
        event = ClientContactChanged(client_id=client.id, client=client.name, fields=names)
        audit.record(event, by, now=now)


def _check_contact(wanted: dict[str, str]) -> None:
    limits = {
        "contact_name": sites.MAX_NAME_CHARS,
        "contact_email": MAX_EMAIL_CHARS,
        "contact_phone": MAX_PHONE_CHARS,
    }
    problems = {
        name: f"At most {limit} characters."
        for name, limit in limits.items()
        if len(wanted[name]) > limit
    }
    email, phone = wanted["contact_email"], wanted["contact_phone"]
    if email and not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
        problems.setdefault("contact_email", "Enter an e-mail address, for example m@example.com.")
    if phone and not re.fullmatch(r"[\d\s()+./x-]+", phone, re.ASCII):
        problems.setdefault("contact_phone", "Use digits, spaces and + ( ) - . / only.")
    Invalid.raise_for(problems)
