"""Exports of the trail that somebody asked for, and where each stands."""

from __future__ import annotations

from datetime import datetime

from peewee import AutoField, BigIntegerField, BooleanField, CharField, IntegerField

from app.models.base import BaseModel, UtcField

# TrailExport.state
QUEUED = "queued"
RUNNING = "running"
DONE = "done"
FAILED = "failed"
GONE = "gone"
OPEN = (QUEUED, RUNNING)


class TrailExport(BaseModel):
    """One export, from the wish to the file, and on to its deletion. Without `client_id`,
    `about_site_id`, `since` and `until` it is whole."""

    id = AutoField()
    asked_by = CharField(max_length=120)
    asked_by_id = IntegerField()
    asked_at = UtcField()
    form = CharField(max_length=8)
    scope = CharField(max_length=300)
    client_id = IntegerField(null=True)
    about_site_id = IntegerField(null=True)
    since = UtcField(null=True)
    until = UtcField(null=True)
    has_private = BooleanField()
    state = CharField(max_length=16, default=QUEUED, index=True)
    seen_working_at = UtcField(null=True)
    ended_at = UtcField(null=True)
    entries = BigIntegerField(default=0)
    total = BigIntegerField(default=0)
    size = BigIntegerField(default=0)
    digest = CharField(max_length=64, default="")

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def file_name(self) -> str:
        """What the file is called where it is downloaded."""
        return f"aura-trail-{self.asked_at:%Y-%m-%d}-{self.id}.{self.form}"

    def move(self, *, to: str, when: tuple[str, ...], **changes: object) -> bool:
        """Go to state `to` if the row still is in one of `when`; False if it is not."""
        return self.update_if(TrailExport.state.in_(when), state=to, **changes)

    @classmethod
    def newest(cls, limit: int) -> list[TrailExport]:
        return list(cls.select().order_by(cls.id.desc()).limit(limit))

    @classmethod
    def in_state(cls, state: str, *, before: datetime) -> list[TrailExport]:
        """Those that have been in it since before that time."""
        since = {QUEUED: cls.asked_at, RUNNING: cls.seen_working_at}.get(state, cls.ended_at)
        return list(cls.select().where(cls.state == state, since < before))
