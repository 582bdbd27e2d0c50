"""Clients of the agency."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from peewee import AutoField, CharField, TextField, fn

from app.models.base import BaseModel, JsonField, UtcField
from app.models.visibility import Visibility

# Client.approvals: who approves updates of this client's sites. Anyone at the agency, a
# second person, or the client.
SELF_APPROVAL = "self"
FOUR_EYES = "second"
CLIENT_APPROVAL = "client"
APPROVALS = (SELF_APPROVAL, FOUR_EYES, CLIENT_APPROVAL)


class Client(BaseModel):
    """A client, whom to contact there, and who approves updates of its sites.

    `notes` are the agency's own; the client's users never see them.
    """

    id = AutoField()
    name = CharField(max_length=120, unique=True)
    approvals = CharField(max_length=16, default=SELF_APPROVAL)
    contact_name = CharField(max_length=120, default="")
    contact_email = CharField(max_length=254, default="")
    contact_phone = CharField(max_length=40, default="")
    notes = TextField(default="")
    notes_by = CharField(max_length=120, default="")
    notes_at = UtcField(null=True)
    # When updates of its sites may start: a change_times.Window, or None for at any time.
    maintenance_window = JsonField(null=True)

    def set_approval_mode(self, approvals: str) -> bool:
        """Set who approves updates; return False if it is already set."""
        return self.update_if(Client.approvals != approvals, approvals=approvals)

    @classmethod
    def listing(cls, visible: Visibility) -> list[Client]:
        """Return the visible clients by name."""
        return list(cls.select().where(visible.in_sql(cls.id)).order_by(fn.LOWER(cls.name)))

    @classmethod
    def names(cls, visible: Visibility) -> dict[int, str]:
        """Return the name of each visible client by id, sorted by name."""
        return {client.id: client.name for client in cls.listing(visible)}

    def set_contact(self, **columns: str) -> None:
        """Set `contact_name`, `contact_email` and `contact_phone`."""
        Client.update(**columns).where(Client.id == self.id).execute()
        self.refresh()

    def set_window(self, window: dict[str, Any] | None) -> None:
        Client.update(maintenance_window=window).where(Client.id == self.id).execute()
        self.refresh()

    def set_notes(self, text: str, *, by: str, now: datetime) -> None:
        columns: dict[str, Any] = {"notes": text, "notes_by": by, "notes_at": now}
        Client.update(**columns).where(Client.id == self.id).execute()
        self.refresh()

    @classmethod
    def find(cls, name: str) -> Client | None:
        """Return the client with this name, ignoring case."""
        sought = name.casefold()
        return next((client for client in cls.select() if client.name.casefold() == sought), None)

    @classmethod
    def named(cls, name: str) -> Client:
        """Return the client with this name, ignoring case; create it if there is none yet."""
        found = cls.find(name)
        if found is not None:
            return found
        cls.insert(name=name).on_conflict_ignore().execute()
        return cls.get(cls.name == name)
