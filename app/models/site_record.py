"""One site and the rows that each of its pages shows, read in one query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peewee import JOIN, fn

from app.models.available_updates import AvailableUpdate
from app.models.clients import Client
from app.models.reports import Report, Sync
from app.models.rotations import Rotation
from app.models.sites import Pairing, Site
from app.models.uptime import SiteWatch


@dataclass(frozen=True)
class SiteRecord:
    """A site with its client, its report, and its newest sync, rotation and pairing token.

    `watch` is how visitors find the site, None before the first schedule. `fit_updates` counts the
    available updates against which the site's data says nothing.
    """

    site: Site
    report: Report | None
    sync: Sync | None
    rotation: Rotation | None
    token: Pairing | None
    fit_updates: int
    watch: SiteWatch | None

    @classmethod
    def known(cls, site_id: int) -> SiteRecord | None:
        """Return the record of the site with this id, unless the site was removed."""
        query = Site.select(
            Site,
            Client,
            Report,
            Sync,
            Rotation,
            Pairing,
            SiteWatch,
            _fit_updates().alias("fit_updates"),
        )
        query = query.join(Client, JOIN.LEFT_OUTER)
        for model, on, name in (
            (Report, Report.site == Site.id, "report"),
            (Sync, Sync.id == _newest(Sync), "sync"),
            (Rotation, Rotation.id == _newest(Rotation), "rotation"),
            (Pairing, Pairing.id == _newest(Pairing), "token"),
            (SiteWatch, SiteWatch.site == Site.id, "watch"),
        ):
            query = query.join_from(Site, model, JOIN.LEFT_OUTER, on=on, attr=name)
        row: Any = query.where(Site.id == site_id, Site.forgotten_at.is_null()).first()
        if row is None:
            return None
        return cls(row, row.report, row.sync, row.rotation, row.token, row.fit_updates, row.watch)


def _newest(model: type[Sync | Rotation | Pairing]) -> Any:
    """Return the query for the id of the site's newest row of `model`."""
    other = model.alias()
    return other.select(fn.MAX(other.id)).where(other.site == Site.id)


def _fit_updates() -> Any:
    # A component may be available in several versions. No kind contains a space.
    component = AvailableUpdate.kind.concat(" ").concat(AvailableUpdate.ident)
    fit = AvailableUpdate.select(fn.COUNT(component.distinct()))
    return fit.where(AvailableUpdate.site == Site.id, AvailableUpdate.is_fit)
