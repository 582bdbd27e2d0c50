"""What the doctor found at the sites, and the asking for it."""

from __future__ import annotations

from datetime import datetime

from peewee import AutoField, BooleanField, CharField, ForeignKeyField, IntegerField

from app.models.base import BaseModel, JsonField, UtcField
from app.models.sites import Site

# Examination.state
QUEUED = "queued"
EXAMINING = "examining"
DONE = "done"
ABANDONED = "abandoned"
OPEN = (QUEUED, EXAMINING)


class Examination(BaseModel):
    """One examination of the connection to a site, from the wish to what was found.

    `is_paired`, `verdict`, `blocker` and `checks` are what it found, `requests` how often
    the site was called for that; they mean nothing unless the state is *done*.
    """

    id = AutoField()
    site = ForeignKeyField(Site, backref="examinations", on_delete="CASCADE")
    site_id: int
    asked_by = CharField(max_length=120)
    asked_at = UtcField()
    started_at = UtcField(null=True)
    ended_at = UtcField(null=True)
    state = CharField(max_length=16, default=QUEUED, index=True)
    is_paired = BooleanField(default=False)
    verdict = CharField(max_length=16, default="")
    blocker = CharField(max_length=64, default="")
    requests = IntegerField(default=0)
    checks = JsonField(default=list)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    def move(self, *, to: str, when: tuple[str, ...], **changes: object) -> bool:
        """Go to state `to` if the row still is in one of `when`; False if it is not."""
        return self.update_if(Examination.state.in_(when), state=to, **changes)

    @classmethod
    def ask(cls, site: Site, *, asked_by: str, now: datetime) -> Examination:
        """Queue one for `site`; raises IntegrityError while another is open."""
        return cls.create(site=site, asked_by=asked_by[:120], asked_at=now)

    @classmethod
    def open_for(cls, site: Site) -> Examination | None:
        return cls.get_or_none(cls.site == site, cls.state.in_(OPEN))

    @classmethod
    def latest_for(cls, site: Site, *states: str) -> Examination | None:
        """The newest of the site's examinations, in one of `states` if any are named."""
        query = cls.select().where(cls.site == site)
        if states:
            query = query.where(cls.state.in_(states))
        return query.order_by(cls.id.desc()).first()

    @classmethod
    def stuck(cls, before: datetime) -> list[Examination]:
        """Begun before that time and not ended: their worker is gone."""
        return list(cls.select().where(cls.state == EXAMINING, cls.started_at < before))

    @classmethod
    def waiting_since(cls, before: datetime) -> list[Examination]:
        """Queued before that time and never begun: the queue may have lost them."""
        return list(cls.select().where(cls.state == QUEUED, cls.asked_at < before))

    @classmethod
    def forget_ended(cls, before: datetime) -> int:
        """Delete what ended before that time; returns how many."""
        return cls.delete().where(cls.state.not_in(OPEN), cls.ended_at < before).execute()


# The database keeps examinations serial per site.
Examination.add_index(
    Examination.index(
        Examination.site,
        unique=True,
        where=Examination.state.in_(OPEN),
        name="examination_one_open",
    )
)
