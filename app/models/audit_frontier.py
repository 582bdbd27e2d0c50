"""The Merkle tree over the audit log, kept so that its root is quick to compute."""

from __future__ import annotations

from peewee import BigIntegerField, CharField, IntegerField, TextField

from app.models.base import BaseModel

_THE_ONLY_ROW = 1


class MerkleFrontier(BaseModel):
    """The Merkle tree over the first `size` entries, the last of which has `hash`.

    It only saves computing the root from the beginning each time.
    """

    id = IntegerField(primary_key=True)
    size = BigIntegerField()
    hash = CharField(max_length=64)
    roots = TextField()

    @classmethod
    def known(cls) -> MerkleFrontier | None:
        return cls.fetch_one(id=_THE_ONLY_ROW)

    @classmethod
    def keep(cls, size: int, digest: str, roots: str) -> None:
        row = {"size": size, "hash": digest, "roots": roots}
        cls.insert(id=_THE_ONLY_ROW, **row).on_conflict(
            conflict_target=[cls.id], update=row
        ).execute()
