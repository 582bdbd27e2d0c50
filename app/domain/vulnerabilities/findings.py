"""Which known vulnerabilities a site has: computed when its data or the feed changes, and kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.audit.events import VulnerabilitiesFound, VulnerabilitiesGone
from app.domain.vulnerabilities import ranges, slugs
from app.domain.vulnerabilities.ranges import VersionRange
from app.models.base import transaction
from app.models.reports import Component, Report
from app.models.site_vulnerabilities import AFFECTED, SiteVulnerability, VulnerabilityCheck
from app.models.sites import Site
from app.models.vulnerabilities import CoveredSoftware, VulnerabilityFeed, VulnerableSoftware

_KINDS = ("plugin", "theme")
# An audit entry names this many vulnerabilities. The site's page has them all.
MAX_NAMED = 20
_MAX_NAME_CHARS = 200


@dataclass(frozen=True)
class _Installed:
    """A plugin, a theme or WordPress as a site has it."""

    kind: str
    ident: str
    name: str
    version: str
    is_active: bool

    @property
    def software(self) -> tuple[str, str]:
        return self.kind, slugs.slug_of(self.kind, self.ident)


@dataclass(frozen=True)
class _Finding:
    """The columns of a result."""

    software: VulnerableSoftware
    kind: str
    ident: str
    name: str
    version: str
    is_active: bool
    state: str
    fixed_in: str


def ranges_of(software: VulnerableSoftware) -> list[VersionRange]:
    """Return the affected ranges of a row."""
    return [VersionRange(*one) for one in software.ranges]


def check_site(site_id: int, now: datetime) -> bool:
    """Compute the result of a site if its data or the feed has changed; return whether it had to.

    A plugin that the last import did not look for has the kept file read again.
    """
    feed = VulnerabilityFeed.read()
    digest = Report.digest_of(site_id)
    if not feed.has_data or digest is None:
        return False
    if VulnerabilityCheck.is_current(site_id, digest, feed.number):
        return False
    with transaction():
        site = Site.get_by_id(site_id)
        # Under the lock, because a sync or an import may have changed both.
        feed, report = VulnerabilityFeed.read(), Report.of(site)
        if report is None or not site.is_paired:
            return False
        installed = _installed(site, report)
        _look_for_uncovered(installed, now)
        found = _matches(installed)
        _store(site, found, now)
        VulnerabilityCheck.store(site.id, report.digest, feed.number)
    return True


def _installed(site: Site, report: Report) -> list[_Installed]:
    core = _Installed("core", "core", "WordPress", report.wordpress, is_active=True)
    listed = [one for one in Component.for_site(site) if one.kind in _KINDS]
    return [
        core,
        *(_Installed(one.kind, one.ident, one.name, one.version, one.active) for one in listed),
    ]


def _look_for_uncovered(installed: Iterable[_Installed], now: datetime) -> None:
    names = {one.software for one in installed}
    if names - CoveredSoftware.among({slug for _, slug in names}):
        VulnerabilityFeed.write(reread_at=now)


def _matches(installed: Sequence[_Installed]) -> dict[tuple[int, str], _Finding]:
    """Return each result by software and ident."""
    known: dict[tuple[str, str], list[VulnerableSoftware]] = {}
    for software in VulnerableSoftware.of_slugs({one.software[1] for one in installed}):
        known.setdefault((software.kind, software.slug), []).append(software)
    return {
        (software.id, one.ident): found
        for one in installed
        for software in known.get(one.software, ())
        if (found := _finding(one, software)) is not None
    }


def _finding(one: _Installed, software: VulnerableSoftware) -> _Finding | None:
    affected = ranges_of(software)
    state = ranges.match_version(one.version, affected)
    if state == ranges.UNAFFECTED:
        return None
    return _Finding(
        software=software,
        kind=one.kind,
        ident=one.ident,
        name=one.name,
        version=one.version,
        is_active=one.is_active,
        state=state,
        fixed_in=ranges.first_fixed_version(one.version, software.patched, affected),
    )


def _store(site: Site, found: dict[tuple[int, str], _Finding], now: datetime) -> None:
    """Store what has changed, with an audit entry for what is new and one for what is gone."""
    before = {(one.software_id, one.ident): one for one in SiteVulnerability.of_site(site.id)}
    gone = [one for key, one in before.items() if key not in found]
    SiteVulnerability.delete().where(SiteVulnerability.id.in_([one.id for one in gone])).execute()
    news = [one for key, one in found.items() if key not in before]
    SiteVulnerability.add_all(site, [vars(one) for one in news], now)
    for key, row in before.items():
        present = found.get(key)
        if present is None or all(getattr(row, k) == value for k, value in vars(present).items()):
            continue
        if row.state != AFFECTED:
            news.append(present)
        row.update_if(**vars(present))
    _record_found(site, [one for one in news if one.state == AFFECTED], now)
    _record_gone(site, [one for one in gone if one.state == AFFECTED], now)


def _record_found(site: Site, found: list[_Finding], now: datetime) -> None:
    if found:
        found.sort(key=lambda one: one.software.vulnerability.rank)
        event = VulnerabilitiesFound(
            site_id=site.id,
            count=len(found),
            worst=found[0].software.vulnerability.rating,
            vulnerabilities=[_in_words(one) for one in found[:MAX_NAMED]],
        )
        audit.record(event, SYSTEM, now=now)


def _record_gone(site: Site, rows: list[SiteVulnerability], now: datetime) -> None:
    if rows:
        event = VulnerabilitiesGone(
            site_id=site.id,
            count=len(rows),
            vulnerabilities=[_in_words(one) for one in rows[:MAX_NAMED]],
        )
        audit.record(event, SYSTEM, now=now)


def _in_words(found: _Finding | SiteVulnerability) -> str:
    known = found.software.vulnerability
    return f"{found.name} {found.version}: {known.cve or known.title}"[:_MAX_NAME_CHARS]
