"""The domains that sites are registered under, and when their registration ends."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from peewee import CharField, IntegerField

from app.models.base import BaseModel, UtcField
from app.models.sites import Site
from app.models.uptime import SiteWatch

# DomainName.problem: why the end is not known, beside the codes of app/http/registry.py.
HOSTED = "hosted"
NO_RDAP = "no_rdap"
NO_DATE = "no_date"
NO_LIST = "no_list"
# SiteWatch.domain of an address that has none, such as an IP address.
NONE = ""


class DomainName(BaseModel):
    """A registered domain. `ends_at` stays what was last known, also if asking fails later.

    `problem` is empty if the last attempt found the end. `next_check_at` is None for a domain that
    is not asked for.
    """

    name = CharField(max_length=253, primary_key=True)
    ends_at = UtcField(null=True)
    problem = CharField(max_length=32, default="")
    checked_at = UtcField(null=True)
    next_check_at = UtcField(null=True, index=True)
    attempts = IntegerField(default=0)

    @classmethod
    def of(cls, name: str | None) -> DomainName | None:
        return cls.get_or_none(cls.name == name) if name else None

    @classmethod
    def add_missing(cls, names: Iterable[str], **columns: Any) -> None:
        """Add domains that are not known yet."""
        cls.insert_missing({"name": name, **columns} for name in sorted(set(names)))

    @classmethod
    def due(cls, now: datetime, limit: int) -> list[DomainName]:
        """Return the domains of connected sites that are due to be asked for, oldest first."""
        in_use = SiteWatch.select(SiteWatch.domain).join(Site).where(Site.is_connected())
        query = cls.select().where(cls.next_check_at <= now, cls.name.in_(in_use))
        return list(query.order_by(cls.next_check_at, cls.name).limit(limit))

    def claim(self, until: datetime) -> bool:
        """Take the right to ask for it, until then; False if another process was faster."""
        return self.update_if(DomainName.next_check_at == self.next_check_at, next_check_at=until)


def sites_without_domain(limit: int) -> list[tuple[int, str]]:
    """Return the id and address of connected sites whose domain was not looked up yet."""
    query = SiteWatch.select(SiteWatch.site, Site.url).join(Site)
    rows: Any = query.where(SiteWatch.domain.is_null(), Site.is_connected()).limit(limit).tuples()
    return list(rows)


def set_domain(site_id: int, name: str) -> None:
    """Store the domain of a site, with what is known of its end."""
    known = DomainName.of(name)
    SiteWatch.update(domain=name, domain_ends_at=known.ends_at if known else None).where(
        SiteWatch.site == site_id
    ).execute()


def set_end(name: str, ends_at: datetime | None) -> None:
    """Store the end with each site of the domain."""
    SiteWatch.update(domain_ends_at=ends_at).where(SiteWatch.domain == name).execute()


def ending_watches(before: datetime) -> list[SiteWatch]:
    """Return the rows of sites whose domain ends before that time, or was said to end soon."""
    ends = SiteWatch.domain_ends_at.is_null(False) & (SiteWatch.domain_ends_at <= before)
    return list(SiteWatch.select().where(ends | (SiteWatch.domain_problem != "")))
