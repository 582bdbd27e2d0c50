"""What is stored about a site's components, read in one query for any number of sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peewee import JOIN

from app.models.auto_update_rules import UpdateHold
from app.models.changes import Change
from app.models.reports import Component, Report
from app.models.sites import Site


@dataclass(frozen=True)
class SiteData:
    """What is stored about a site's components. `changes` are the open ones and incidents."""

    report: Report | None
    components: Sequence[Component]
    holds: Sequence[UpdateHold]
    changes: Sequence[Change]

    @classmethod
    def of_site(cls, site: Site) -> SiteData:
        return cls.of_row(cls.added_to(Site.select(Site.id).where(Site.id == site.id)).get())

    @classmethod
    def added_to(cls, query: Any) -> Any:
        """Return a query of sites that also reads the data of each, for `of_row`."""
        return query.select_extend(
            Report,
            Component.nested(Component.site == Site.id).alias("stored_components"),
            UpdateHold.nested(UpdateHold.site == Site.id).alias("stored_holds"),
            Change.nested(Change.is_open_or_incident_on(Site.id)).alias("stored_changes"),
        ).join_from(Site, Report, JOIN.LEFT_OUTER, on=Report.site == Site.id, attr="stored_report")

    @classmethod
    def of_row(cls, site: Any) -> SiteData:
        """Return the data in a row of `added_to`, the components in their usual order."""
        return cls(
            getattr(site, "stored_report", None),
            sorted(Component.read_nested(site.stored_components), key=Component.place),
            UpdateHold.read_nested(site.stored_holds),
            Change.read_nested(site.stored_changes),
        )
