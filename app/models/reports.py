"""Site reports, and requests for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from peewee import (
    JOIN,
    SQL,
    AutoField,
    BooleanField,
    Case,
    CharField,
    ForeignKeyField,
    TextField,
    fn,
)

from app.models.base import BaseModel, JsonField, UtcField
from app.models.clients import Client
from app.models.queued_row import QUEUED, QueuedRow
from app.models.sites import Site
from app.models.statements import Statement, given
from app.models.visibility import Visibility

# Sync.state
ASKING = "asking"
READING = "reading"
DONE = "done"
FAILED = "failed"
RUNNING = (ASKING, READING)
OPEN = (QUEUED, *RUNNING)

KINDS = ("plugin", "theme", "mu_plugin", "dropin")
_NAMES = (Site.id, Site.name, fn.COALESCE(Client.name, ""))


class Installed(NamedTuple):
    """WordPress, a plugin or a theme on one site. `client_name` is empty without a client."""

    site_id: int
    site_name: str
    client_name: str
    version: str
    name: str
    author: str
    is_active: bool


def _installed(query: Any, visible: Visibility) -> list[Installed]:
    """Return the rows of a query about visible connected sites, by the name of the site."""
    query = query.join(Site).join(Client, JOIN.LEFT_OUTER)
    query = query.where(Site.is_connected(), visible.in_sql(Site.client))
    return [Installed(*row) for row in query.order_by(fn.LOWER(Site.name), Site.id).tuples()]


class Sync(QueuedRow):
    """One request to a site for its report, and its result."""

    open_states = OPEN

    site = ForeignKeyField(Site, backref="syncs", on_delete="CASCADE")
    site_id: int
    started_at = UtcField(null=True)
    error_code = CharField(max_length=32, default="")
    evidence = JsonField(default=dict)
    unchanged = BooleanField(default=False)

    @classmethod
    def servers(cls, sync_ids: Collection[int]) -> dict[int, str]:
        """Return the server of each sync's site: the address that last answered.

        Before the first answer it is the name of the host.
        """
        query: Any = cls.select(cls.id, Site.server_address, Site.endpoint).join(Site)
        rows = query.where(cls.id.in_(list(sync_ids))).tuples()
        return {number: address or _host_in(endpoint) for number, address, endpoint in rows}

    @classmethod
    def of_failing_sites(cls, sync_ids: Collection[int]) -> set[int]:
        """Return those of these syncs whose site failed when it was last called."""
        query: Any = cls.select(cls.id).join(Site)
        rows = query.where(cls.id.in_(list(sync_ids)), Site.consecutive_failures > 0).tuples()
        return {number for (number,) in rows}

    @classmethod
    def progress(cls, visible: Visibility) -> tuple[int, int]:
        """Return how many syncs have ended, and how many there are, since the oldest open one.

        Those requested at the same time as that one count from the start. Both are 0 if none is
        open. Only those of visible sites count.
        """
        is_theirs = cls.site.in_(Site.select(Site.id).where(visible.in_sql(Site.client)))
        is_counted = cls.id > 0 if visible.is_everything else is_theirs
        is_open = cls.state.in_(OPEN)
        begins = cls.select(fn.MIN(cls.requested_at)).where(is_open, is_counted).scalar()
        if begins is None:
            return 0, 0
        # By id, because there is no index on the time.
        earlier = cls.select(cls.id).where(cls.requested_at < begins)
        last = earlier.order_by(cls.id.desc()).limit(1).scalar() or 0
        is_present = (cls.id > last) & (cls.requested_at >= begins)
        query: Any = cls.select(fn.COUNT(cls.id), fn.SUM(Case(None, [(is_open, 0)], 1)))
        total, ended = query.where(is_counted, is_present).tuples().get()
        return ended or 0, total


def _host_in(endpoint: str) -> str:
    try:
        return urlsplit(endpoint).hostname or ""
    except ValueError:
        return ""


# The database keeps syncs serial per site.
Sync.add_index(Sync.index(Sync.site, unique=True, where=Sync.state.in_(OPEN), name="sync_one_open"))


class Report(BaseModel):
    """The last report that was accepted, whole, without the fields the manifest does not name."""

    id = AutoField()
    site = ForeignKeyField(Site, unique=True, backref="reports", on_delete="CASCADE")
    site_id: int
    digest = CharField(max_length=64)
    taken_at = UtcField()
    received_at = UtcField()
    # Repeated from the body, because the list of sites shows them.
    wordpress = CharField(max_length=64, default="")
    php = CharField(max_length=64, default="")
    body = TextField()

    @classmethod
    def versions(cls) -> dict[int, tuple[str, str]]:
        """WordPress and PHP version by site id."""
        rows: Any = cls.select(cls.site, cls.wordpress, cls.php).tuples()
        return {site_id: (wordpress, php) for site_id, wordpress, php in rows}

    @classmethod
    def installations(cls, visible: Visibility) -> list[Installed]:
        """Return WordPress on all visible connected sites, by name."""
        columns = (cls.wordpress, SQL("'WordPress'"), SQL("''"), SQL("1"))
        return _installed(cls.select(*_NAMES, *columns), visible)

    @classmethod
    def of(cls, site: Site) -> Report | None:
        return cls.fetch_one(site=site)

    @classmethod
    def digest_of(cls, site_id: int) -> str | None:
        """Return the digest of a site's report; None without a report."""
        row = _DIGEST.read_row(site=site_id)
        return None if row is None else row[0]

    @classmethod
    def confirm(cls, site_id: int, now: datetime) -> None:
        """Store that a site answered that its report is still true."""
        _CONFIRM.execute(site=site_id, received_at=now)


_DIGEST = Statement(Report.select(Report.digest).where(Report.site == given(Report.site)))
_CONFIRM = Statement(
    Report.update(received_at=given(Report.received_at)).where(Report.site == given(Report.site))
)


def report_list(kind: str) -> str:
    """Return the list of the report that contains components of this kind.

    SiteAgent is a kind of its own, and a plugin in the report.
    """
    return "plugin" if kind == "siteagent" else kind


class Component(BaseModel):
    """A plugin, theme, must-use plugin or drop-in as the last report named it."""

    id = AutoField()
    site = ForeignKeyField(Site, backref="components", on_delete="CASCADE")
    site_id: int
    kind = CharField(max_length=16)
    ident = CharField(max_length=300)
    name = CharField(max_length=300)
    version = CharField(max_length=300)
    active = BooleanField(default=False)
    network_active = BooleanField(default=False)
    auto_update = BooleanField(default=False)
    author = CharField(max_length=300, default="")
    parent = CharField(max_length=300, null=True)
    requires_wp = CharField(max_length=300, default="")
    requires_php = CharField(max_length=300, default="")
    update_uri = CharField(max_length=300, default="")
    update_version = CharField(max_length=300, null=True)
    update_has_package = BooleanField(null=True)
    update_requires_wp = CharField(max_length=300, default="")
    update_requires_php = CharField(max_length=300, default="")

    class Meta:
        indexes = ((("site", "kind", "ident"), True),)

    @property
    def is_outdated(self) -> bool:
        return self.update_version is not None

    @classmethod
    def for_site(cls, site: Site) -> list[Component]:
        """By kind, those with an available update first, then by name."""
        rows = _COMPONENTS.read_rows(site=site)
        return sorted((cls.from_row(row) for row in rows), key=cls.place)

    def place(self) -> tuple[str, bool, str, str]:
        """Return the key by which a list of components is sorted."""
        return self.kind, not self.is_outdated, self.name.lower(), self.ident

    @classmethod
    def outdated_on(cls, site_ids: Sequence[int]) -> list[tuple[str, str, str, int]]:
        """Return kind, ident, name and number of sites of what has updates on these sites."""
        query: Any = (
            cls.select(cls.kind, cls.ident, fn.MIN(cls.name), fn.COUNT(cls.id))
            .where(cls.site.in_(site_ids), cls.update_version.is_null(False))
            .group_by(cls.kind, cls.ident)
            .order_by(fn.LOWER(fn.MIN(cls.name)), cls.ident)
        )
        return list(query.tuples())

    @classmethod
    def sites_with(cls, kind: str, ident: str, site_ids: Sequence[int]) -> set[int]:
        """Return which of these sites have the component."""
        query = cls.select(cls.site).where(
            cls.kind == kind, cls.ident == ident, cls.site.in_(site_ids)
        )
        return {report.site_id for report in query}

    @classmethod
    def on_sites(cls, kind: str, ident: str, visible: Visibility) -> list[Component]:
        """Return a component of all visible connected sites that have it, each with its site."""
        query = cls.select(cls, Site, Client).join(Site).join(Client, JOIN.LEFT_OUTER)
        query = query.where(cls.kind == report_list(kind), cls.ident == ident, Site.is_connected())
        query = query.where(visible.in_sql(Site.client))
        return list(query.order_by(fn.LOWER(Site.name), Site.id))

    @classmethod
    def installations(cls, kind: str, ident: str, visible: Visibility) -> list[Installed]:
        """Return a component of all visible connected sites that have it, by the site's name."""
        query = cls.select(*_NAMES, cls.version, cls.name, cls.author, cls.active)
        query = query.where(cls.kind == report_list(kind), cls.ident == ident)
        return _installed(query, visible)

    @classmethod
    def add_all(cls, site: Site, rows: list[dict[str, Any]]) -> None:
        """Add the components of a report."""
        cls.insert_all({**row, "site": site} for row in rows)


_COMPONENTS = Statement(Component.select().where(Component.site == given(Component.site)))
