"""What auto-update rules that install a release on few sites first know of these sites."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from peewee import JOIN, CharField, ForeignKeyField, fn

from app.models.available_updates import AvailableUpdate
from app.models.base import BaseModel, UtcField
from app.models.changes import BAD_ENDS, SUCCEEDED, UNKNOWN, Change
from app.models.site_pages import ChangePages
from app.models.sites import Site
from app.models.tags import SiteTag
from app.models.uptime import Outage

# Kind, component and version.
Release = tuple[str, str, str]

# What an update of a site may have come to; others have not touched it.
_RESULTS = (SUCCEEDED, UNKNOWN, *BAD_ENDS)
_COLUMNS = (
    *(Change.id, Change.site, Change.rule, Change.state, Change.outcome_reason),
    *(Change.is_incident, Change.next_attempt_at, Change.started_at, Change.ended_at),
    Change.closed_by,
)


class CanaryLook(BaseModel):
    """What the front page of a site showed at the last look after a change; see `outcomes`."""

    change = ForeignKeyField(Change, primary_key=True, backref="+", on_delete="CASCADE")
    change_id: int
    answer = CharField(max_length=16)
    looked_at = UtcField()

    @classmethod
    def record(cls, change: Change, answer: str, now: datetime) -> None:
        """Store a look, in place of an earlier one."""
        insert = cls.insert(change=change, answer=answer, looked_at=now)
        insert.on_conflict(
            conflict_target=[cls.change], update={cls.answer: answer, cls.looked_at: now}
        ).execute()

    @classmethod
    def changes_to(
        cls, release: Release, canary_ids: Collection[int], rule_id: int
    ) -> list[ChangeSince]:
        """Return what has to be judged of a release before the other sites of a rule follow.

        Of the first sites, these are the open change and the last one with a result. Of other
        sites that the rule updated, it is the last one with a result, if it did not go well. Of a
        change there are its site, and the columns that tell how it went.
        """
        is_first = Change.site.in_(list(canary_ids))
        is_since = (Outage.site == Change.site) & (Outage.began_at >= Change.started_at)
        is_bad = (Change.state != SUCCEEDED) | Change.is_incident | (Change.outcome_reason != "")
        is_bad |= fn.EXISTS(Outage.select().where(is_since)) | (ChangePages.verdict() != "")
        last = Change.alias()
        is_last = Change.id.in_(
            last.select(fn.MAX(last.id))
            .where(*_is_of(last, release), last.state.in_(_RESULTS))
            .group_by(last.site)
        )
        other = Change.alias()
        is_of_rule = Change.site.in_(
            other.select(other.site).where(*_is_of(other, release), other.rule == rule_id)
        )
        looks = cls.nested(cls.change == Change.id).alias("looks")
        outages = Outage.nested(is_since).alias("outages")
        pages = ChangePages.verdict().alias("pages")
        query: Any = Change.select(*_COLUMNS, Site, looks, outages, pages).join(Site)
        query = query.join_from(Change, ChangePages, JOIN.LEFT_OUTER).where(
            *_is_of(Change, release),
            (is_first & (is_last | Change.has_no_end())) | (is_last & is_of_rule & is_bad),
        )
        return [
            ChangeSince(
                change,
                next(iter(cls.read_nested(change.looks)), None),
                Outage.read_nested(change.outages),
                change.pages,
            )
            for change in query.order_by(Change.id)
        ]


def _is_of(table: Any, release: Release) -> tuple[Any, ...]:
    kind, ident, version = release
    return table.kind == kind, table.ident == ident, table.to_version == version


class ChangeSince(NamedTuple):
    """A change, the last look at its front page, and the outages of its site since it started.

    `pages` is the answer about its other pages, as ChangePages.verdict.
    """

    change: Change
    look: CanaryLook | None = None
    outages: Sequence[Outage] = ()
    pages: str = ""


class TaggedSite(NamedTuple):
    """A site with its tags (folded), and whether it lists a release as available."""

    site: Site
    tagged: set[str]
    lists_it: bool


def sites_tagged(folded: str, release: Release) -> list[TaggedSite]:
    """Return the connected sites with this tag (folded), by name."""
    kind, ident, version = release
    listed = AvailableUpdate.select().where(
        AvailableUpdate.site == Site.id,
        AvailableUpdate.kind == kind,
        AvailableUpdate.ident == ident,
        AvailableUpdate.to_version == version,
    )
    tags = SiteTag.nested(SiteTag.site == Site.id)
    has_tag = fn.EXISTS(SiteTag.select().where(SiteTag.site == Site.id, SiteTag.folded == folded))
    query: Any = Site.select(Site, tags.alias("tags"), fn.EXISTS(listed).alias("lists_it"))
    query = query.where(Site.is_connected(), has_tag)
    return [
        TaggedSite(
            site, {tag.folded for tag in SiteTag.read_nested(site.tags)}, bool(site.lists_it)
        )
        for site in query.order_by(fn.LOWER(Site.name), Site.id)
    ]
