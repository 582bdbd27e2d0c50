"""Requests for connection diagnostics, and their results."""

from __future__ import annotations

from peewee import BooleanField, CharField, ForeignKeyField, IntegerField, fn

from app.models.base import JsonField, UtcField
from app.models.queued_row import QUEUED, QueuedRow
from app.models.sites import Site

# DiagnosticRun.state
DIAGNOSING = "diagnosing"
DONE = "done"
ABANDONED = "abandoned"
OPEN = (QUEUED, DIAGNOSING)


class DiagnosticRun(QueuedRow):
    """One connection test of the connection to a site, from the request to the result.

    `is_paired`, `verdict`, `blocker` and `checks` are the result, `requests` is how often the site
    was called for it. They are meaningful only in the state *done*.
    """

    open_states = OPEN

    site = ForeignKeyField(Site, backref="diagnostic_runs", on_delete="CASCADE")
    site_id: int
    started_at = UtcField(null=True)
    is_paired = BooleanField(default=False)
    verdict = CharField(max_length=16, default="")
    blocker = CharField(max_length=64, default="")
    requests = IntegerField(default=0)
    checks = JsonField(default=list)

    @classmethod
    def recent(cls, site: Site) -> list[DiagnosticRun]:
        """Return the site's open run, its newest result, and its newest run that has ended.

        The newest comes first, and each has its site.
        """
        other = cls.alias()
        newest = other.select(fn.MAX(other.id)).where(other.site == site)
        is_recent = (
            cls.state.in_(OPEN)
            | (cls.id == newest.where(other.state == DONE))
            | (cls.id == newest.where(other.state.in_((DONE, ABANDONED))))
        )
        query = cls.select(cls, Site).join(Site).where(cls.site == site, is_recent)
        return list(query.order_by(cls.id.desc()))


# The database keeps connection tests serial per site.
DiagnosticRun.add_index(
    DiagnosticRun.index(
        DiagnosticRun.site,
        unique=True,
        where=DiagnosticRun.state.in_(OPEN),
        name="diagnostic_run_one_open",
    )
)
