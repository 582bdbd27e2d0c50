"""All sites at a glance: what the overview reads of each, in one query for any number of sites."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from peewee import JOIN, SQL, Case, fn

from app.models.available_updates import AvailableUpdate
from app.models.changes import ROLLED_BACK, SUCCEEDED, Change
from app.models.clients import Client
from app.models.composed import composed_once
from app.models.reports import Report
from app.models.sites import MAY_CALL, Site
from app.models.statements import given
from app.models.uptime import SiteWatch
from app.models.visibility import EVERYTHING, Visibility

# Columns of Site that a FleetSite repeats.
_COLUMNS = (
    "id",
    "name",
    "url",
    "client_id",
    "state",
    "added_at",
    "paired_at",
    "last_contact_at",
    "last_success_at",
    "error_code",
    "error_at",
    "revoked_at",
    "quarantine",
    "quarantine_at",
    "update_count",
    "update_limits",
)
# The states in which FleetCounts counts updates.
_ENDED = (SUCCEEDED, ROLLED_BACK)


class FleetSite(NamedTuple):
    """A site with its client, its versions and how visitors find it.

    `client_name` is empty without a client, `wordpress` and `php` before the first sync, and
    `uptime` before the first check. `is_explained`: its failed calls follow from an outage.
    """

    id: int
    name: str
    url: str
    client_id: int | None
    state: str
    added_at: datetime
    paired_at: datetime | None
    last_contact_at: datetime | None
    last_success_at: datetime | None
    error_code: str
    error_at: datetime | None
    revoked_at: datetime | None
    quarantine: str
    quarantine_at: datetime | None
    update_count: int
    update_limits: dict[str, Any] | None
    connection: str
    client_name: str
    wordpress: str
    php: str
    # The site as visitors see it, see SiteWatch.
    uptime: str
    uptime_problem: str
    uptime_since: datetime | None
    uptime_cause: str
    certificate_problem: str
    certificate_ends_at: datetime | None
    domain: str
    domain_problem: str
    domain_ends_at: datetime | None
    is_explained: bool

    @property
    def is_paired(self) -> bool:
        return self.state in MAY_CALL

    @property
    def available_updates(self) -> int | None:
        """Return the number of available updates; None before the first sync."""
        return self.update_count if self.wordpress else None

    def matches(self, text: str) -> bool:
        """Whether the name, the address or the client contains `text`, ignoring case."""
        sought = text.casefold()
        return any(sought in one.casefold() for one in (self.name, self.url, self.client_name))


@dataclass(frozen=True)
class WidespreadUpdate:
    """A version of WordPress, a plugin or a theme that is available on `sites` sites.

    `oldest` and `newest` are the same if all of them have the same version installed.
    """

    kind: str
    ident: str
    name: str
    available: str
    oldest: str
    newest: str
    sites: int


def _listing(visible: Visibility, *conditions: Any) -> Any:
    """Return the query for the columns of FleetSite, of visible sites that were not removed.

    Only those that meet all `conditions`, which may name columns of Site and Report.
    """
    columns = [getattr(Site, name) for name in _COLUMNS]
    query = (
        Site.select(
            *columns,
            Site.connection_in_sql().alias("connection"),
            fn.COALESCE(Client.name, "").alias("client_name"),
            fn.COALESCE(Report.wordpress, "").alias("wordpress"),
            fn.COALESCE(Report.php, "").alias("php"),
            fn.COALESCE(SiteWatch.state, "").alias("uptime"),
            SiteWatch.problem_in_sql().alias("uptime_problem"),
            fn.COALESCE(SiteWatch.down_since, SiteWatch.state_since).alias("uptime_since"),
            fn.COALESCE(SiteWatch.cause, "").alias("uptime_cause"),
            SiteWatch.certificate_in_sql().alias("certificate_problem"),
            SiteWatch.certificate_ends_at,
            fn.COALESCE(SiteWatch.domain, "").alias("domain"),
            SiteWatch.domain_in_sql().alias("domain_problem"),
            SiteWatch.domain_ends_at,
            SiteWatch.explains_in_sql().alias("is_explained"),
        )
        .join(Client, JOIN.LEFT_OUTER)
        .switch(Site)
        .join(SiteWatch, JOIN.LEFT_OUTER, on=SiteWatch.site == Site.id)
        .switch(Site)
        .join(Report, JOIN.LEFT_OUTER, on=Report.site == Site.id)
        .where(Site.is_shown(visible), *conditions)
        .order_by(fn.LOWER(Site.name), Site.id)
    )
    return query.tuples()


def fleet(visible: Visibility) -> list[FleetSite]:
    """Return the visible sites that were not removed, by name."""
    return [FleetSite(*row) for row in _all(visible)]


@composed_once
def _all(visible: Visibility) -> Any:
    return _listing(visible)


def sites_in(connections: Collection[str]) -> list[FleetSite]:
    """Return the sites whose `connection` is one of these, or with another problem, by name."""
    return [FleetSite(*row) for row in _with_problem(tuple(connections))]


@composed_once
def _with_problem(connections: tuple[str, ...]) -> Any:
    return _listing(EVERYTHING, Site.connection_in_sql().in_(connections) | _has_problem())


def _has_problem() -> Any:
    ends_soon = (SiteWatch.certificate_in_sql() != "") | (SiteWatch.domain_in_sql() != "")
    return (SiteWatch.problem_in_sql() != "") | ends_soon


@dataclass(frozen=True)
class SiteCount:
    """How many sites are alike in what may need attention."""

    connection: str
    uptime_problem: str
    certificate_problem: str
    domain_problem: str
    is_explained: bool
    sites: int


def count_alike(visible: Visibility) -> list[SiteCount]:
    """Return how many visible sites there are of each kind of problem."""
    return [SiteCount(*row) for row in _alike(visible)]


@composed_once
def _alike(visible: Visibility) -> Any:
    columns = [
        Site.connection_in_sql().alias("connection"),
        SiteWatch.problem_in_sql().alias("uptime_problem"),
        SiteWatch.certificate_in_sql().alias("certificate_problem"),
        SiteWatch.domain_in_sql().alias("domain_problem"),
        SiteWatch.explains_in_sql().alias("is_explained"),
    ]
    found = Site.select(*columns).join(SiteWatch, JOIN.LEFT_OUTER, on=SiteWatch.site == Site.id)
    found = found.where(Site.is_shown(visible))
    one = found.alias("one")
    names = [one.c[column.name] for column in columns]
    return Site.select(*names, fn.COUNT(SQL("*"))).from_(one).group_by(*names).tuples()


def connections_of(site_ids: Collection[int]) -> dict[int, tuple[str, str]]:
    """Return the name and the `connection` of these sites, unless they were removed."""
    query = Site.select(Site.id, Site.name, Site.connection_in_sql())
    query = query.where(Site.id.in_(list(site_ids)), Site.forgotten_at.is_null())
    rows: Any = query.tuples()
    return {site_id: (name, connection) for site_id, name, connection in rows}


def sites_with_own_window(visible: Visibility) -> list[Site]:
    """Return the visible sites with a maintenance window of their own by name."""
    query = Site.select().where(Site.maintenance_window.is_null(False))
    query = query.where(Site.is_shown(visible))
    return list(query.order_by(fn.LOWER(Site.name), Site.id))


def noticeable_sites(
    connections: Collection[str],
    php: Collection[str],
    named: Collection[int],
    visible: Visibility,
) -> list[FleetSite]:
    """Return the sites with one of these connections or of these PHP versions, and these sites.

    Those that were never paired or whose owner limits updates are among them, and only visible
    ones.
    """
    asked = (frozenset(connections), frozenset(php), frozenset(named))
    return [FleetSite(*row) for row in _noticeable(*asked, visible)]


@composed_once
def _noticeable(
    connections: Collection[str], php: Collection[str], named: Collection[int], visible: Visibility
) -> Any:
    is_noticeable = (
        Site.connection_in_sql().in_(sorted(connections))
        | Report.php.in_(sorted(php))
        | Site.id.in_(sorted(named))
        | Site.paired_at.is_null()
        | Site.update_limits.is_null(False)
        | _has_problem()
    )
    return _listing(visible, is_noticeable)


class AlikeSites(NamedTuple):
    """How many sites are alike, and how many of them had a sync that succeeded lately.

    `ever_paired` of them have been paired at some time.
    """

    connection: str
    is_paired: bool
    wordpress: str
    php: str
    sites: int
    synced: int
    ever_paired: int


@dataclass(frozen=True)
class FleetCounts:
    """All sites in numbers, and how many of their updates ended in some time, by state."""

    alike: list[AlikeSites]
    ended: dict[str, int]


def count_fleet(since: datetime, visible: Visibility) -> FleetCounts:
    """Count the visible sites that were not removed by connection and versions.

    What was lately is what was since then.
    """
    rows = list(_counted(visible, since=since))
    numbers = rows[0][-len(_ENDED) :] if rows else (0,) * len(_ENDED)
    alike = [AlikeSites(*row[: -len(_ENDED)]) for row in rows]
    return FleetCounts(alike, dict(zip(_ENDED, numbers, strict=True)))


@composed_once
def _counted(visible: Visibility) -> Any:
    """Return the query for the columns of AlikeSites and the number of each of _ENDED."""
    since = given(Site.last_success_at, "since")
    one = (
        Site.select(
            Site.connection_in_sql().alias("connection"),
            Site.state.in_(MAY_CALL).alias("is_paired"),
            fn.COALESCE(Report.wordpress, "").alias("wordpress"),
            fn.COALESCE(Report.php, "").alias("php"),
            Case(None, ((Site.last_success_at >= since, 1),)).alias("synced"),
            Site.paired_at,
        )
        .join(Report, JOIN.LEFT_OUTER, on=Report.site == Site.id)
        .where(Site.is_shown(visible))
    )
    one = one.alias("one")
    names = (one.c.connection, one.c.is_paired, one.c.wordpress, one.c.php)
    counts = (fn.COUNT(one.c.connection), fn.COUNT(one.c.synced), fn.COUNT(one.c.paired_at))
    ended = [_ended(state, since, visible) for state in _ENDED]
    return Site.select(*names, *counts, *ended).from_(one).group_by(*names).tuples()


def _ended(state: str, since: Any, visible: Visibility) -> Any:
    """Return the query for the number of updates that ended in a state."""
    query = Change.select(fn.COUNT(Change.id)).join(Site)
    query = query.where(Change.ended_at >= since, Change.state == state)
    return query.where(Site.is_shown(visible))


class ClientCounts(NamedTuple):
    """The sites of a client, those of them that need attention, and their available updates."""

    sites: int
    need_attention: int
    updates: int


def count_by_client(
    connections: Collection[str], needing: Collection[int], visible: Visibility
) -> dict[int | None, ClientCounts]:
    """Count visible sites by client.

    Sites with one of these connections, and `needing`, need attention.
    """
    needs = Site.connection_in_sql().in_(list(connections)) | Site.id.in_(list(needing))
    query = Site.select(
        Site.client,
        fn.COUNT(Site.id),
        fn.COUNT(Case(None, ((needs, 1),))),
        fn.COALESCE(fn.SUM(Case(None, ((Site.state.in_(MAY_CALL), Site.update_count),), 0)), 0),
    ).where(Site.is_shown(visible))
    rows: Any = query.group_by(Site.client).tuples()
    return {client_id: ClientCounts(*counts) for client_id, *counts in rows}


def widespread_updates(limit: int, visible: Visibility) -> list[WidespreadUpdate]:
    """Return the updates available on most visible sites, of what has a page of its own."""
    return [WidespreadUpdate(*row) for row in _widespread(limit, visible)]


@composed_once
def _widespread(limit: int, visible: Visibility) -> Any:
    count = fn.COUNT(AvailableUpdate.id)
    return (
        AvailableUpdate.select(
            AvailableUpdate.kind,
            AvailableUpdate.ident,
            fn.MAX(AvailableUpdate.name),
            AvailableUpdate.to_version,
            fn.MIN(AvailableUpdate.from_version),
            fn.MAX(AvailableUpdate.from_version),
            count,
        )
        .join(Site)
        .where(
            AvailableUpdate.kind.not_in(("translation", "database")),
            Site.is_connected(),
            visible.in_sql(Site.client),
        )
        .group_by(AvailableUpdate.kind, AvailableUpdate.ident, AvailableUpdate.to_version)
        .order_by(count.desc(), fn.MAX(AvailableUpdate.name), AvailableUpdate.to_version)
        .limit(limit)
        .tuples()
    )


def open_changes(site_ids: Sequence[int], visible: Visibility) -> dict[int, dict[str, int]]:
    """Return the number of visible open changes of these sites, by site and state."""
    rows: Any = (
        Change.select(Change.site, Change.state, fn.COUNT(Change.id))
        .where(Change.site.in_(site_ids), Change.is_unfinished(), Change.has_no_end())
        .where(visible.has_update_in_sql(Change))
        .group_by(Change.site, Change.state)
        .tuples()
    )
    found: dict[int, dict[str, int]] = {}
    for site_id, state, count in rows:
        found.setdefault(site_id, {})[state] = count
    return found
