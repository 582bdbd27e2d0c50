"""What the doctor found at the sites, and the asking for it."""

from __future__ import annotations

from peewee import BooleanField, CharField, ForeignKeyField, IntegerField

from app.models.base import JsonField, UtcField
from app.models.queued_row import QUEUED, QueuedRow
from app.models.sites import Site

# Examination.state
EXAMINING = "examining"
DONE = "done"
ABANDONED = "abandoned"
OPEN = (QUEUED, EXAMINING)


class Examination(QueuedRow):
    """One examination of the connection to a site, from the wish to what was found.

    `is_paired`, `verdict`, `blocker` and `checks` are what it found, `requests` how often
    the site was called for that; they mean nothing unless the state is *done*.
    """

    open_states = OPEN

    site = ForeignKeyField(Site, backref="examinations", on_delete="CASCADE")
    site_id: int
    started_at = UtcField(null=True)
    is_paired = BooleanField(default=False)
    verdict = CharField(max_length=16, default="")
    blocker = CharField(max_length=64, default="")
    requests = IntegerField(default=0)
    checks = JsonField(default=list)


# The database keeps examinations serial per site.
Examination.add_index(
    Examination.index(
        Examination.site,
        unique=True,
        where=Examination.state.in_(OPEN),
        name="examination_one_open",
    )
)
