"""The nonces of notices, so that each notice counts once."""

from __future__ import annotations

from datetime import datetime

from peewee import CharField

from app.models.base import BaseModel, UtcField


class NoticeNonce(BaseModel):
    """The nonce of a received message; the primary key refuses it the second time."""

    nonce = CharField(max_length=22, primary_key=True)
    expires_at = UtcField(index=True)

    @classmethod
    def first_use(cls, nonce: str, expires_at: datetime, now: datetime) -> bool:
        """Store `nonce`; return False if it is already stored."""
        cls.delete().where(cls.expires_at < now).execute()
        query = cls.insert(nonce=nonce, expires_at=expires_at).on_conflict_ignore()
        return query.as_rowcount().execute() == 1
