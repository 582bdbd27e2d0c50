"""The nonces under which sites were called."""

from __future__ import annotations

from datetime import datetime

from peewee import CharField, IntegerField

from app.models.base import BaseModel, UtcField


class SentCall(BaseModel):
    """A nonce of a call to a site, stored before it is sent.

    A worker that dies on the way leaves no other trace of the call, and the site's entry about it
    must not look like an unknown caller's.
    """

    nonce = CharField(max_length=22, primary_key=True)
    site_id = IntegerField(index=True)
    op = CharField(max_length=32)
    at = UtcField(index=True)

    @classmethod
    def note(cls, nonce: str, site_id: int, op: str, now: datetime) -> None:
        cls.create(nonce=nonce, site_id=site_id, op=op, at=now)

    @classmethod
    def nonces_of(cls, site_id: int) -> set[str]:
        return {row.nonce for row in cls.select(cls.nonce).where(cls.site_id == site_id)}

    @classmethod
    def forget(cls, before: datetime) -> None:
        cls.delete().where(cls.at < before).execute()
