"""Pages of a site that must still work after each update, and what looks at them showed."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from peewee import AutoField, BooleanField, Case, CharField, ForeignKeyField, IntegerField, fn

from app.models.base import BaseModel, JsonField, UtcField, json_rows
from app.models.changes import SUCCEEDED, Change
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

    @classmethod
    def open_since(cls, before: datetime) -> list[PageRound]:
        """Return the looks that were requested before that time and have not ended."""
        is_open = cls.ended_at.is_null() & (cls.requested_at < before)
        return list(cls.select().where(is_open).order_by(cls.requested_at))

    def end(self, now: datetime, suggestions: list[str]) -> bool:
        """Store the end of this look; False if another one was requested meanwhile."""
        return self.update_if(
            PageRound.requested_at == self.requested_at, ended_at=now, suggestions=suggestions
        )


# In place of an answer, while there is none.
UNANSWERED = "unanswered"
# ChangePages.answer: a person looked at the pages, or restored the version of before in wp-admin.
LOOKS_RIGHT = "looks_right"
RESTORED = "restored"


class ChangePages(BaseModel):
    """The pages of a site before and after one update.

    `before` has two looks at each page, until the update has ended. `results` are the answers.
    `asks` is true if a person has to judge pages; `asks_because` is then the worst answer about
    one, and `asked_paths` names the first of them in words. `answer` and `note` are what a person
    answered.
    """

    change = ForeignKeyField(Change, primary_key=True, backref="+", on_delete="CASCADE")
    change_id: int
    before = JsonField(default=list)
    results = JsonField(default=list)
    asks = BooleanField(default=False, index=True)
    asks_because = CharField(max_length=16, default="")
    asked_paths = CharField(max_length=300, default="")
    answer = CharField(max_length=16, default="")
    note = CharField(max_length=500, default="")
    judged_by = CharField(max_length=120, default="")
    judged_at = UtcField(null=True)

    @classmethod
    def of(cls, change_id: int) -> ChangePages | None:
        return cls.get_or_none(cls.change == change_id)

    @classmethod
    def keep(cls, change_id: int, before: list[dict[str, Any]]) -> None:
        """Store the looks before an update, instead of those of an earlier attempt."""
        columns = {"before": before, "results": []}
        cls.insert(change=change_id, **columns).on_conflict(
            conflict_target=[cls.change], update={cls.before: before, cls.results: []}
        ).execute()

    def judge(self, answer: str, now: datetime, *, by: str = "", note: str = "") -> bool:
        """Record the answer to what a person was asked; False if there is one already."""
        return self.update_if(
            ChangePages.is_asking(), asks=False, answer=answer, note=note, judged_by=by,
            judged_at=now,
        )  # fmt: skip

    @classmethod
    def record_restored(
        cls, site_id: int, kind: str, ident: str, version: str, at: datetime
    ) -> None:
        """Record that the last update to this version is undone, no matter what was asked about it.

        A site whose pages no one looks at has no row until then.
        """
        same = (Change.kind == kind, Change.ident == ident, Change.to_version == version)
        query = Change.select(Change.id).where(Change.site == site_id, *same)
        last = query.where(Change.state == SUCCEEDED).order_by(Change.id.desc()).first()
        if last is None:
            return
        columns = {"asks": False, "answer": RESTORED, "judged_at": at}
        insert = cls.insert(change=last.id, before=[], results=[], **columns)
        # What a person had answered before stays beside it.
        update = {getattr(cls, name): value for name, value in columns.items()}
        insert.on_conflict(conflict_target=[cls.change], update=update).execute()

    @classmethod
    def is_asking(cls) -> Any:
        """Return the SQL condition that a person has to judge its pages."""
        # Not the bare column: SQLite finds a value by an index, and no truth.
        return cls.asks.in_((True,))

    @classmethod
    def verdict(cls) -> Any:
        """Return the SQL expression for the answer, UNANSWERED, or an empty text if none is due."""
        return Case(None, ((cls.is_asking(), UNANSWERED),), fn.COALESCE(cls.answer, ""))

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
        query = query.where(Change.site == site_id, cls.is_asking())
        return list(query.order_by(Change.id.desc()))

    @classmethod
    def asking_about(cls, site_id: int, kind: str, ident: str, version: str) -> list[Self]:
        """Return the open questions about updates of one plugin or theme to this version."""
        query = cls.select(cls, Change).join(Change).where(cls.is_asking(), Change.site == site_id)
        same = (Change.kind == kind, Change.ident == ident, Change.to_version == version)
        return list(query.where(*same).order_by(cls.change))


@dataclass(frozen=True)
class PageQuestion:
    """What a person is asked about pages of a site after an update: what lists show of it."""

    change_id: int
    site: Site
    name: str
    to_version: str
    because: str
    paths: str
    asked_at: datetime | None

    @classmethod
    def nested(cls) -> Any:
        """Return all open ones as one column of another query, for `read`."""
        columns = (
            *(ChangePages.change, Change.site, Change.name, Change.to_version),
            *(ChangePages.asks_because, ChangePages.asked_paths, Change.ended_at),
        )
        return ChangePages.select(json_rows(columns)).join(Change).where(ChangePages.is_asking())

    @classmethod
    def on_sites(cls) -> Any:
        """Return the query for the ids of the sites that they are about."""
        return Change.select(Change.site).join(ChangePages).where(ChangePages.is_asking())

    @classmethod
    def read(cls, column: str | None, sites: Mapping[int, Site]) -> list[Self]:
        """Return those in a column of `nested` that are about these sites, the oldest first."""
        found = []
        for change_id, site_id, name, version, because, paths, ended_at in json.loads(
            column or "[]"
        ):
            if site_id in sites:
                at = Change.ended_at.python_value(ended_at)
                found.append(cls(change_id, sites[site_id], name, version, because, paths, at))
        return sorted(found, key=lambda one: one.change_id)
