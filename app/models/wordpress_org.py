"""What WordPress.org's directory says of each plugin and theme that the sites have from there."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from peewee import (
    AutoField,
    CharField,
    DateField,
    ForeignKeyField,
    IntegerField,
    Tuple,
    chunked,
)

from app.models.base import BaseModel, JsonField, UtcField
from app.models.queued_row import LeasedRow
from app.models.reports import Component
from app.models.sites import Site

# DirectoryEntry.state. UNKNOWN: the directory was not asked yet, or never had such a slug.
UNKNOWN = "unknown"
LISTED = "listed"
CLOSED = "closed"
GONE = "gone"
STATES = (UNKNOWN, LISTED, CLOSED, GONE)

_ROWS_AT_ONCE = 50


class DirectoryEntry(LeasedRow):
    """A plugin or theme by its slug, as the directory described it at `checked_at`.

    `version` and `last_updated` are those of its newest release. `owner` is the account that it
    belongs to. After a failed request, everything stays as it was; `problem` is why it failed, and
    `problem_since` since when nothing newer is known. `misses` counts the days in a row on which
    the directory did not have it, the last one of which is `missed_on`.
    """

    id = AutoField()
    kind = CharField(max_length=16)
    slug = CharField(max_length=200)
    state = CharField(max_length=16, default=UNKNOWN)
    name = CharField(max_length=200, default="")
    version = CharField(max_length=64, default="")
    last_updated = UtcField(null=True)
    author = CharField(max_length=200, default="")
    owner = CharField(max_length=200, default="")
    contributors = JsonField(default=list)
    # Those that were there first, or after a person accepted others; null before the first answer.
    known_contributors = JsonField(null=True)
    requires = CharField(max_length=64, default="")
    tested = CharField(max_length=64, default="")
    requires_php = CharField(max_length=64, default="")
    closed_on = DateField(null=True)
    closed_reason = CharField(max_length=200, default="")
    checked_at = UtcField(null=True)
    misses = IntegerField(default=0)
    missed_on = DateField(null=True)
    problem = CharField(max_length=32, default="")
    problem_since = UtcField(null=True)
    next_attempt_at = UtcField(null=True, index=True)

    class Meta:
        indexes = ((("kind", "slug"), True),)

    @classmethod
    def find(cls, kind: str, slug: str) -> DirectoryEntry | None:
        return cls.fetch_one(kind=kind, slug=slug)

    @classmethod
    def find_all(cls, pairs: Collection[tuple[str, str]]) -> list[DirectoryEntry]:
        """Return the entries of these pairs of kind and slug, as far as there are any."""
        found: list[DirectoryEntry] = []
        for some in chunked(sorted(set(pairs)), _ROWS_AT_ONCE):
            found.extend(cls.select().where(Tuple(cls.kind, cls.slug).in_(some)))
        return found

    @classmethod
    def add_missing(cls, pairs: Iterable[tuple[str, str]], now: datetime) -> None:
        """Add entries that are due at once, where there is none."""
        cls.insert_missing(
            {"kind": kind, "slug": slug, "next_attempt_at": now} for kind, slug in sorted(pairs)
        )

    @classmethod
    def due(cls, now: datetime, limit: int) -> list[DirectoryEntry]:
        """Return entries to ask for now, those that are due for the longest time first."""
        query = cls.select().where(cls.next_attempt_at <= now, cls._is_free(now))
        return list(query.order_by(cls.next_attempt_at, cls.id).limit(limit))

    def note_failure(self, problem: str, now: datetime, next_attempt_at: datetime) -> None:
        """Record why it could not be asked for; what was known stays."""
        self.update_if(
            problem=problem,
            problem_since=self.problem_since or now,
            next_attempt_at=next_attempt_at,
            leased_until=None,
        )

    def note_answer(self, now: datetime, next_attempt_at: datetime, **facts: Any) -> None:
        """Record what the directory said."""
        self.update_if(
            checked_at=now,
            problem="",
            problem_since=None,
            attempts=0,
            next_attempt_at=next_attempt_at,
            leased_until=None,
            **facts,
        )


class SoftwareSource(BaseModel):
    """Where the software of a site comes from, and the report that said so."""

    site = ForeignKeyField(Site, primary_key=True, backref="+", on_delete="CASCADE")
    site_id: int
    report_digest = CharField(max_length=64)
    # The host of its `Update URI` by kind and ident, as `plugin:akismet/akismet.php`.
    hosts = JsonField(null=True)

    @classmethod
    def is_current(cls, site_id: int, digest: str) -> bool:
        row = cls.fetch_one(site=site_id)
        return row is not None and row.report_digest == digest

    @classmethod
    def hosts_of(cls, site_id: int) -> dict[str, str]:
        """Return what was stored last; empty before that."""
        row = cls.fetch_one(site=site_id)
        return {} if row is None else row.hosts or {}

    @classmethod
    def store(cls, site_id: int, digest: str, hosts: dict[str, str]) -> None:
        query = cls.insert(site=site_id, report_digest=digest, hosts=hosts)
        changed = [cls.report_digest, cls.hosts]
        query.on_conflict(conflict_target=[cls.site], preserve=changed).execute()


def software_of_fleet(kinds: Collection[str]) -> list[tuple[str, str, str]]:
    """Return kind, ident and update URI of what connected sites have, each once."""
    query: Any = Component.select(Component.kind, Component.ident, Component.update_uri)
    query = query.join(Site).where(Component.kind.in_(kinds), Site.is_connected())
    return list(query.distinct().tuples())
