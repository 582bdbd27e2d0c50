"""Pages of a site that must still work after each update, and what looks at them showed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from peewee import AutoField, BooleanField, CharField, ForeignKeyField, IntegerField

from app.models.base import BaseModel, JsonField, UtcField
from app.models.changes import Change
from app.models.sites import Site


class SitePage(BaseModel):
    """One page, and what must be on it.

    `path` begins with a slash and may have a query. Empty texts and status 0 require nothing.
    `result` is what the last look showed: `answer`, `why`, `unmet` and `status`.
    """

    id = AutoField()
    site = ForeignKeyField(Site, backref="pages", on_delete="CASCADE")
    site_id: int
    path = CharField(max_length=500)
    phrase = CharField(max_length=200, default="")
    selector = CharField(max_length=200, default="")
    form_action = CharField(max_length=300, default="")
    status = IntegerField(default=200)
    no_notice = BooleanField(default=True)
    no_console_error = BooleanField(default=False)
    looked_at = UtcField(null=True)
    result = JsonField(default=dict)

    class Meta:
        indexes = ((("site", "path"), True),)

    @classmethod
    def of_site(cls, site_id: int) -> list[SitePage]:
        """Return the pages of a site in the order in which they were added."""
        return list(cls.select().where(cls.site == site_id).order_by(cls.id))

    @classmethod
    def known(cls, site_id: int, page_id: int) -> SitePage | None:
        return cls.get_or_none(cls.id == page_id, cls.site == site_id)


class PageRound(BaseModel):
    """The newest look at the pages of a site that a person asked for.

    `suggestions` are paths that the front page links to.
    """

    site = ForeignKeyField(Site, primary_key=True, backref="+", on_delete="CASCADE")
    site_id: int
    requested_at = UtcField()
    ended_at = UtcField(null=True)
    suggestions = JsonField(default=list)

    @property
    def is_open(self) -> bool:
        return self.ended_at is None

    @classmethod
    def of(cls, site_id: int) -> PageRound | None:
        return cls.get_or_none(cls.site == site_id)

    @classmethod
    def request(cls, site_id: int, now: datetime) -> None:
        """Note that someone asked for a look; the suggestions of the last one stay."""
        if not cls.update(requested_at=now, ended_at=None).where(cls.site == site_id).execute():
            cls.insert(
                site=site_id, requested_at=now, suggestions=[]
            ).on_conflict_ignore().execute()

    def end(self, now: datetime, suggestions: list[str]) -> bool:
        """Store the end of this look; False if another one was requested meanwhile."""
        return self.update_if(
            PageRound.requested_at == self.requested_at, ended_at=now, suggestions=suggestions
        )


class ChangePages(BaseModel):
    """The pages of a site before and after one update.

    `before` has two looks at each page, until the update has ended. `results` are the answers.
    `asks` is true if a person has to judge what differs.
    """

    change = ForeignKeyField(Change, primary_key=True, backref="+", on_delete="CASCADE")
    change_id: int
    before = JsonField(default=list)
    results = JsonField(default=list)
    asks = BooleanField(default=False)
    judged_by = CharField(max_length=120, default="")
    judged_at = UtcField(null=True)

    @classmethod
    def of(cls, change_id: int) -> ChangePages | None:
        return cls.get_or_none(cls.change == change_id)

    @classmethod
    def keep(cls, change_id: int, before: list[dict[str, Any]]) -> None:
        """Store the looks before an update, instead of those of an earlier attempt."""
        columns = {"before": before, "results": [], "asks": False, "judged_by": ""}
        cls.insert(change=change_id, **columns).on_conflict(
            conflict_target=[cls.change], update={cls.before: before, cls.results: []}
        ).execute()

    def judge(self, by: str, now: datetime) -> bool:
        """Record that a person has judged the differences; False if someone has already."""
        return self.update_if(
            ChangePages.asks.in_((True,)), asks=False, judged_by=by, judged_at=now
        )

    @classmethod
    def still_shown(cls, change_ids: Collection[int]) -> set[int]:
        """Return those of these updates whose site has not been removed."""
        query = Change.select(Change.id).join(Site)
        query = query.where(Change.id.in_(change_ids), Site.forgotten_at.is_null())
        return {change.id for change in query}

    @classmethod
    def to_judge(cls, site_id: int) -> list[Change]:
        """Return the updates of a site whose pages a person has to judge, newest first."""
        query = Change.select().join(cls, on=cls.change == Change.id)
        query = query.where(Change.site == site_id, cls.asks.in_((True,)))
        return list(query.order_by(Change.id.desc()))
