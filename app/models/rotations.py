"""Key rotations of a connection, from the request to the result."""

from __future__ import annotations

from peewee import CharField, ForeignKeyField, TextField

from app.models.base import JsonField, UtcField
from app.models.queued_row import LeasedRow, QueuedRow
from app.models.sites import Site

# Rotation.state
ASKING = "asking"
AGREED = "agreed"
DONE = "done"
FAILED = "failed"
OPEN = (ASKING, AGREED)


class Rotation(QueuedRow, LeasedRow):
    """One exchange of a site's keys; while it is *agreed*, both generations may work.

    `plan` is what was signed, to the byte, as b64u. `home` and `endpoints` are the new address of a
    site that moves. `next_sealed` holds the new keys until a message under them was answered.
    """

    open_states = OPEN

    site = ForeignKeyField(Site, backref="rotations", on_delete="CASCADE")
    site_id: int
    state = CharField(max_length=16, default=ASKING, index=True)
    op_id = CharField(max_length=36, unique=True)
    plan = TextField()
    signature = CharField(max_length=100)
    exchange_sealed = TextField(null=True)
    next_sealed = TextField(null=True)
    home = CharField(max_length=2000, default="")
    endpoints = JsonField(default=list)
    next_attempt_at = UtcField()
    error_code = CharField(max_length=32, default="")
    evidence = JsonField(default=dict)


# The database keeps rotations serial per site.
Rotation.add_index(
    Rotation.index(
        Rotation.site, unique=True, where=Rotation.state.in_(OPEN), name="rotation_one_open"
    )
)
