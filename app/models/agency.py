"""The agency that this installation belongs to: its name, colors, time zone and logo."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from peewee import BlobField, CharField, IntegerField

from app.models.base import BaseModel, JsonField, UtcField

# Both tables have one row.
_ONLY_ROW = 1


class Agency(BaseModel):
    """What an owner set about the agency; an empty value means the default.

    `accent` and `accent_dark` are `#rrggbb`, for the light and the dark theme.
    """

    id = IntegerField(primary_key=True)
    name = CharField(max_length=120, default="")
    time_zone = CharField(max_length=64, default="UTC")
    accent = CharField(max_length=7, default="")
    accent_dark = CharField(max_length=7, default="")
    # SHA-256 of the logo, which is in a table of its own because every page reads this row.
    logo_digest = CharField(max_length=64, default="")
    logo_width = IntegerField(default=0)
    logo_height = IntegerField(default=0)
    # The roles that need a second factor, as a list; None for no role.
    second_factor_roles = JsonField(null=True)
    # How old a release has to be before a rule installs it, in hours: patch and minor releases, and
    # others. None is the default.
    rest_hours = IntegerField(null=True)
    rest_hours_major = IntegerField(null=True)

    @classmethod
    def is_the_row(cls) -> Any:
        """Return the condition for the one row, for a query that joins it."""
        return cls.id == _ONLY_ROW

    @classmethod
    def read(cls) -> Agency:
        """Return the row, or one of defaults before an owner has set anything."""
        return cls.fetch_one(id=_ONLY_ROW) or cls(id=_ONLY_ROW)

    @classmethod
    def write(cls, **changes: str | int | list[str] | None) -> None:
        """Set columns of the row. Call it inside `transaction()`, where no one else writes."""
        cls.insert(id=_ONLY_ROW).on_conflict_ignore().execute()
        cls.update(**changes).where(cls.id == _ONLY_ROW).execute()


class AgencyLogo(BaseModel):
    """The logo as Aura re-encoded it: a PNG."""

    id = IntegerField(primary_key=True)
    png = BlobField()
    uploaded_at = UtcField()

    @classmethod
    def read(cls) -> bytes | None:
        row = cls.get_or_none(cls.id == _ONLY_ROW)
        return None if row is None else bytes(row.png)

    @classmethod
    def replace_with(cls, png: bytes, now: datetime) -> None:
        """Store the logo instead of the former one; call it inside `transaction()`."""
        cls.remove()
        cls.create(id=_ONLY_ROW, png=png, uploaded_at=now)

    @classmethod
    def remove(cls) -> bool:
        """Delete the logo; return False if there is none."""
        return cls.delete().where(cls.id == _ONLY_ROW).execute() == 1
