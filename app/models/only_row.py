"""Tables of one row, for what an installation has once."""

from __future__ import annotations

from typing import Any, Self

from peewee import IntegerField

from app.models.base import BaseModel

_ONLY_ROW = 1


class _OnlyRow(BaseModel):
    """A table that has one row, or none yet."""

    id = IntegerField(primary_key=True)

    @classmethod
    def is_the_row(cls) -> Any:
        """Return the condition for the one row."""
        return cls.id == _ONLY_ROW


class ReplacedRow(_OnlyRow):
    """What an owner enters as a whole; no row means that there is none."""

    @classmethod
    def read(cls) -> Self | None:
        return cls.get_or_none(cls.is_the_row())

    @classmethod
    def replace_with(cls, **columns: Any) -> None:
        """Store the row instead of the former one; call it inside `transaction()`."""
        cls.remove()
        cls.create(id=_ONLY_ROW, **columns)

    @classmethod
    def remove(cls) -> bool:
        """Delete the row; return False if there is none."""
        return cls.delete().where(cls.is_the_row()).execute() == 1


class SettingsRow(_OnlyRow):
    """Columns that are set one by one; all have defaults."""

    @classmethod
    def read(cls) -> Self:
        """Return the row, or one of defaults before there is any."""
        return cls.fetch_one(id=_ONLY_ROW) or cls(id=_ONLY_ROW)

    @classmethod
    def write(cls, **changes: Any) -> None:
        """Set columns of the row. Call it inside `transaction()`, where no one else writes."""
        cls.insert(id=_ONLY_ROW).on_conflict_ignore().execute()
        cls.update(**changes).where(cls.is_the_row()).execute()
