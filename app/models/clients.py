"""Whose sites these are."""

from __future__ import annotations

from peewee import AutoField, CharField

from app.models.base import BaseModel

# Client.approvals: who releases a change to this client's sites. Whoever proposed it may, a
# second person has to, or somebody at the client.
SELF = "self"
SECOND = "second"
THEMSELVES = "client"
APPROVALS = (SELF, SECOND, THEMSELVES)


class Client(BaseModel):
    """Whose sites these are, and how changes to them are approved."""

    id = AutoField()
    name = CharField(max_length=120, unique=True)
    approvals = CharField(max_length=16, default=SELF)

    def ask_for(self, approvals: str) -> bool:
        """Have changes approved that way from now on; False if they are already."""
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
