"""Settings of this installation: the id of its log, its own id, and its signing key."""

from __future__ import annotations

from peewee import TextField

from app.models.base import BaseModel
from app.models.statements import Statement


class Setting(BaseModel):
    """A value that is written once. The first writer wins, so all processes use the same."""

    key = TextField(primary_key=True)
    value = TextField()

    @classmethod
    def read(cls, key: str) -> str | None:
        row = cls.fetch_one(key=key)
        return None if row is None else row.value

    @classmethod
    def all_values(cls) -> dict[str, str]:
        """Return all values by key."""
        return dict(_ALL.read_rows())

    @classmethod
    def write_once(cls, key: str, value: str) -> str:
        """Store `value` unless there is one already; return the stored one."""
        cls.insert(key=key, value=value).on_conflict_ignore().execute()
        return cls.get_by_id(key).value


_ALL = Statement(Setting.select(Setting.key, Setting.value))
