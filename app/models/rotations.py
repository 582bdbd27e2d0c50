"""New keys for a connection that stands, from the wish to the outcome."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from peewee import AutoField, CharField, ForeignKeyField, IntegerField, TextField

from app.models.base import BaseModel, JsonField, UtcField
from app.models.sites import Site

# Rotation.state
ASKING = "asking"
AGREED = "agreed"
DONE = "done"
FAILED = "failed"
OPEN = (ASKING, AGREED)


class Rotation(BaseModel):
    """One exchange of a site's keys; while it is *agreed* both generations may work.

    `plan` is what was signed, to the byte, as b64u; `home` and `endpoints` say where the
    site is from then on, when it moves. `next_sealed` holds the new keys until a message
    under them was answered. `busy_until` is the lease of the attempt that is running.
    """

    id = AutoField()
    site = ForeignKeyField(Site, backref="rotations", on_delete="CASCADE")
    site_id: int
    asked_by = CharField(max_length=120)
    asked_at = UtcField()
    ended_at = UtcField(null=True)
    state = CharField(max_length=16, default=ASKING, index=True)
    op_id = CharField(max_length=36, unique=True)
    plan = TextField()
    signature = CharField(max_length=100)
    exchange_sealed = TextField(null=True)
    next_sealed = TextField(null=True)
    home = CharField(max_length=2000, default="")
    endpoints = JsonField(default=list)
    attempts = IntegerField(default=0)
    next_try_at = UtcField()
    busy_until = UtcField(null=True)
    fault = CharField(max_length=32, default="")
    evidence = JsonField(default=dict)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    def claim(self, now: datetime, until: datetime) -> bool:
        """Take the right to try now; False if ended, not due, or being tried elsewhere."""
        return self.update_if(
            Rotation.state.in_(OPEN),
            Rotation.next_try_at <= now,
            Rotation.busy_until.is_null() | (Rotation.busy_until < now),
            busy_until=until,
            attempts=Rotation.attempts + 1,
        )

    def move(self, *, to: str, when: tuple[str, ...], **changes: Any) -> bool:
        """Go to state `to` if the row still is in one of `when`; False if it is not."""
        return self.update_if(Rotation.state.in_(when), state=to, **changes)

    @classmethod
    def open_for(cls, site: Site) -> Rotation | None:
        return cls.get_or_none(cls.site == site, cls.state.in_(OPEN))

    @classmethod
    def latest_for(cls, site: Site) -> Rotation | None:
        return cls.select().where(cls.site == site).order_by(cls.id.desc()).first()

    @classmethod
    def overdue(cls, before: datetime) -> list[Rotation]:
        """Open ones whose next attempt should have begun before that time."""
        return list(
            cls.select().where(
                cls.state.in_(OPEN),
                cls.next_try_at < before,
                cls.busy_until.is_null() | (cls.busy_until < before),
            )
        )


# The database keeps rotations serial per site.
Rotation.add_index(
    Rotation.index(
        Rotation.site, unique=True, where=Rotation.state.in_(OPEN), name="rotation_one_open"
    )
)
