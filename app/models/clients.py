"""Clients of the agency."""

from __future__ import annotations

from peewee import AutoField, CharField

from app.models.base import BaseModel

# Client.approvals: who approves updates of this client's sites. Anyone at the agency, a
# second person, or the client.
SELF = "self"
SECOND = "second"
THEMSELVES = "client"
APPROVALS = (SELF, SECOND, THEMSELVES)


class Client(BaseModel):
    """A client, and who approves updates of its sites."""

    id = AutoField()
    name = CharField(max_length=120, unique=True)
    approvals = CharField(max_length=16, default=SELF)

    def ask_for(self, approvals: str) -> bool:
        """Set who approves updates; return False if it is already set."""
        return self.update_if(Client.approvals != approvals, approvals=approvals)

    def rename(self, name: str) -> None:
        Client.update(name=name).where(Client.id == self.id).execute()
        self.refresh()

    @classmethod
    def find(cls, name: str) -> Client | None:
        """Return the client with this name, ignoring case."""
        sought = name.casefold()
        return next((one for one in cls.select() if one.name.casefold() == sought), None)

    @classmethod
    def named(cls, name: str) -> Client:
        """Return the client with this name, ignoring case; create it if there is none yet."""
        found = cls.find(name)
        if found is not None:
            return found
        cls.insert(name=name).on_conflict_ignore().execute()
        return cls.get(cls.name == name)
