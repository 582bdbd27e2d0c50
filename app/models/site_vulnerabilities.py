"""Which known vulnerabilities each site has: results that are kept, and counted for pages."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from peewee import (
    JOIN,
    AutoField,
    BooleanField,
    Case,
    CharField,
    Expression,
    ForeignKeyField,
    IntegerField,
    Tuple,
    fn,
)

from app.models.auto_update_rules import UpdateHold
from app.models.base import BaseModel, UtcField, is_postgres
from app.models.clients import Client
from app.models.reports import Report
from app.models.sites import Site
from app.models.visibility import Visibility
from app.models.vulnerabilities import Vulnerability, VulnerableSoftware

# SiteVulnerability.state
AFFECTED = "affected"
UNKNOWN = "unknown"

# Critical and high: those that need a person at once.
URGENT_RANKS = 2


class VulnerabilityCheck(BaseModel):
    """From which site data and which feed the result of a site was computed."""

    site = ForeignKeyField(Site, primary_key=True, backref="+", on_delete="CASCADE")
    site_id: int
    report_digest = CharField(max_length=64)
    feed = IntegerField()

    @classmethod
    def is_current(cls, site_id: int, digest: str, feed: int) -> bool:
        query = cls.select().where(cls.site == site_id, cls.report_digest == digest)
        return query.where(cls.feed == feed).exists()

    @classmethod
    def store(cls, site_id: int, digest: str, feed: int) -> None:
        row = {"site": site_id, "report_digest": digest, "feed": feed}
        query = cls.insert(**row)
        query.on_conflict(
            conflict_target=[cls.site], preserve=[cls.report_digest, cls.feed]
        ).execute()

    @classmethod
    def outdated(cls, feed: int, limit: int) -> list[int]:
        """Return connected sites whose result is not that of their data and this feed."""
        is_other = cls.site.is_null() | (cls.feed != feed) | (cls.report_digest != Report.digest)
        query = (
            Report.select(Report.site)
            .join(Site)
            .join(cls, JOIN.LEFT_OUTER, on=cls.site == Site.id)
            .where(Site.is_connected(), is_other)
        )
        return [row.site_id for row in query.order_by(Report.site).limit(limit)]


class SiteVulnerability(BaseModel):
    """A vulnerability in one plugin, theme or WordPress of one site.

    `state` is UNKNOWN if the version cannot be compared. `fixed_in` is the oldest version without
    it; empty if there is none.
    """

    id = AutoField()
    site = ForeignKeyField(Site, backref="+", index=False, on_delete="CASCADE")
    site_id: int
    software = ForeignKeyField(VulnerableSoftware, backref="+", on_delete="CASCADE")
    software_id: int
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    name = CharField(max_length=300)
    version = CharField(max_length=300)
    is_active = BooleanField()
    state = CharField(max_length=16)
    fixed_in = CharField(max_length=64)
    found_at = UtcField()

    class Meta:
        indexes = (
            (("site", "software", "ident"), True),
            (("kind", "ident"), False),
        )

    @classmethod
    def delete_unused_software(cls, feed: int) -> None:
        """Delete what is no longer in the feed, and what no result refers to."""
        used = cls.select(cls.software)
        old: Any = VulnerableSoftware.delete().where(VulnerableSoftware.feed != feed)
        old.where(VulnerableSoftware.id.not_in(used)).execute()
        parents = VulnerableSoftware.select(VulnerableSoftware.vulnerability)
        old = Vulnerability.delete().where(Vulnerability.feed != feed)
        old.where(Vulnerability.id.not_in(parents)).execute()

    @classmethod
    def add_all(cls, site: Site, rows: Sequence[dict[str, Any]], now: datetime) -> None:
        """Add results of a site."""
        cls.insert_all({**row, "site": site, "found_at": now} for row in rows)

    @classmethod
    def of_site(cls, site_id: int) -> list[SiteVulnerability]:
        """Return the results of a site with their vulnerabilities, the worst first."""
        return list(cls._listing(cls.site == site_id))

    @classmethod
    def on_sites(
        cls, kind: str, ident: str, site_ids: Collection[int]
    ) -> dict[int, list[SiteVulnerability]]:
        """Return the results of one plugin or theme by site id, the worst first."""
        found: dict[int, list[SiteVulnerability]] = {}
        is_this = (cls.kind == kind) & (cls.ident == ident)
        for one in cls._listing(is_this, cls.site.in_(list(site_ids))):
            found.setdefault(one.site_id, []).append(one)
        return found

    @classmethod
    def of_software(cls, kind: str, slug: str, visible: Visibility) -> list[SiteVulnerability]:
        """Return the affected results of a slug on all connected sites, the worst first."""
        return list(cls._listing(cls.is_in(kind, slug), cls.state == AFFECTED, *_seen(visible)))

    @classmethod
    def everywhere(cls, visible: Visibility) -> Iterator[SiteVulnerability]:
        """Yield all results of connected sites with their sites, the worst first."""
        columns = (Site.id, Site.name, Site.url, Client.name)
        query = cls._listing(*_seen(visible), more=columns)
        yield from query.join_from(Site, Client, JOIN.LEFT_OUTER).iterator()

    @classmethod
    def _listing(cls, *conditions: Any, more: tuple[Any, ...] = ()) -> Any:
        query = cls.select(cls, VulnerableSoftware, Vulnerability, *more)
        query = query.join(VulnerableSoftware).join(Vulnerability).switch(cls).join(Site)
        order = (Vulnerability.rank, fn.LOWER(cls.name), Vulnerability.id.desc(), cls.id)
        return query.where(*conditions).order_by(*order)

    @classmethod
    def count_by_software(cls, visible: Visibility, *conditions: Any) -> list[SoftwareCount]:
        """Count the affected connected sites by software, the worst first."""
        more = (fn.MIN(Vulnerability.references), fn.MIN(Vulnerability.notices))
        return SoftwareCount.read_all(
            cls.counted(visible, *conditions).select_extend(*more).tuples()
        )

    @classmethod
    def counted(cls, visible: Visibility, *conditions: Any) -> Any:
        """Return the query for that, with the columns of COUNTED."""
        columns = (
            VulnerableSoftware.id, Vulnerability.id, Vulnerability.rank, Vulnerability.cve,
            Vulnerability.title, Vulnerability.score, cls.kind, VulnerableSoftware.slug,
            fn.MIN(cls.ident), fn.MIN(cls.name), fn.MIN(cls.version),
            fn.MAX(cls.version), fn.MIN(cls.fixed_in), fn.MAX(cls.fixed_in), fn.MIN(cls.found_at),
            fn.COUNT(Case(None, ((~cls.is_active, 1),))), _joined(Site.id), fn.MIN(Site.name),
            _joined(fn.COALESCE(Site.client, 0)),
        )  # fmt: skip
        names = zip(columns, COUNTED, strict=True)
        query = cls.select(*(column.alias(name) for column, name in names))
        query = query.join(VulnerableSoftware).join(Vulnerability).switch(cls).join(Site)
        query = query.where(cls.state == AFFECTED, *_seen(visible), *conditions)
        return query.group_by(
            VulnerableSoftware.id, Vulnerability.id, cls.kind, VulnerableSoftware.slug
        )

    @classmethod
    def held_by_software(cls, now: datetime, visible: Visibility) -> dict[int, int]:
        """Return on how many connected sites updates of affected software are ignored."""
        held = UpdateHold.select(UpdateHold.site, UpdateHold.kind, UpdateHold.ident).where(
            UpdateHold.until.is_null() | (UpdateHold.until > now)
        )
        is_held = Expression(Tuple(cls.site, cls.kind, cls.ident), "IN", held)
        query = cls.select(cls.software, fn.COUNT(cls.id)).join(Site)
        query = query.where(cls.state == AFFECTED, is_held, *_seen(visible))
        rows: Any = query.group_by(cls.software).tuples()
        return dict(rows)

    @classmethod
    def count_unknown(cls, visible: Visibility) -> int:
        """Return how many results of connected sites are about versions that cannot be compared."""
        query = cls.select().join(Site).where(cls.state == UNKNOWN, *_seen(visible))
        return query.count()

    @classmethod
    def is_urgent(cls) -> Any:
        """Return the SQL condition that the vulnerability needs a person at once."""
        return Vulnerability.rank < URGENT_RANKS

    @classmethod
    def is_in(cls, kind: str, slug: str) -> Any:
        """Return the SQL condition that it is in one plugin, theme or WordPress."""
        return (VulnerableSoftware.kind == kind) & (VulnerableSoftware.slug == slug)

    @classmethod
    def worst_by_version(cls) -> Any:
        """Return a query for the worst rank by kind, ident and affected version, to be joined."""
        columns = (cls.kind, cls.ident, cls.version)
        query = cls.select(*columns, fn.MIN(Vulnerability.rank).alias("rank"))
        query = query.join(VulnerableSoftware).join(Vulnerability)
        return query.where(cls.state == AFFECTED).group_by(*columns)

    @classmethod
    def of_idents(cls, idents: Collection[str]) -> list[VersionRank]:
        """Return each affected version of these plugins and themes with ranks and fixes."""
        query = cls.select(
            cls.kind, cls.ident, cls.version, cls.fixed_in, Vulnerability.rank
        ).distinct()
        query = query.join(VulnerableSoftware).join(Vulnerability)
        rows: Any = query.where(cls.state == AFFECTED, cls.ident.in_(list(idents))).tuples()
        return [VersionRank(*row) for row in rows]


class VersionRank(NamedTuple):
    """A vulnerability in one version of a plugin or theme: its severity and what fixes it."""

    kind: str
    ident: str
    version: str
    fixed_in: str
    rank: int


class SoftwareCount(NamedTuple):
    """One vulnerability in one plugin or theme, and the affected sites.

    `oldest` and `newest` are the same if all have one version, and so are the first and the last
    fixed version. On `inactive` sites it is not active. `references` and `notices` are as in
    Vulnerability, and empty in a query that leaves them out.
    """

    software_id: int
    vulnerability_id: int
    rank: int
    cve: str
    title: str
    score: float | None
    kind: str
    slug: str
    ident: str
    name: str
    oldest: str
    newest: str
    fixed_first: str
    fixed_last: str
    found_at: datetime
    inactive: int
    site_ids: frozenset[int]
    site_name: str
    client_ids: frozenset[int | None]
    references: Sequence[str] = ()
    notices: Sequence[Sequence[str]] = ()

    @classmethod
    def read_all(cls, rows: Iterable[Sequence[Any]]) -> list[SoftwareCount]:
        """Return rows of `counted`, also if they were nested in another query; the worst first."""
        found = [cls(*row).with_types() for row in rows]
        return sorted(found, key=lambda one: (one.rank, one.name.lower(), one.vulnerability_id))

    def with_types(self) -> SoftwareCount:
        """Return the row with a time, numbers and lists instead of what the database returns."""
        found_at: Any = SiteVulnerability.found_at.python_value(self.found_at)
        return self._replace(
            found_at=found_at,
            site_ids=_numbers(self.site_ids),
            client_ids=frozenset(one or None for one in _numbers(self.client_ids)),
            references=_from_json(self.references),
            notices=_from_json(self.notices),
        )


# The columns that every page reads: without the texts of licenses.
COUNTED = SoftwareCount._fields[: SoftwareCount._fields.index("references")]


def _seen(visible: Visibility) -> tuple[Any, ...]:
    return (Site.is_connected(), visible.in_sql(Site.client))


def _joined(column: Any) -> Any:
    """Return the values of a column in a group as one text, as an SQL expression."""
    if is_postgres():
        return fn.STRING_AGG(column.cast("text").distinct(), ",")
    return fn.GROUP_CONCAT(column.distinct())


def _numbers(text: Any) -> frozenset[int]:
    return frozenset(int(one) for one in str(text).split(","))


def _from_json(value: Any) -> Any:
    """Return a JSON column, which a query of columns leaves as it is stored."""
    return json.loads(value) if isinstance(value, str) else value
