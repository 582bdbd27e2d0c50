"""Known vulnerabilities of all sites, counted for pages and for what needs attention."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from app.domain.inventory.versions import version_key
from app.models.site_vulnerabilities import SiteVulnerability, SoftwareCount
from app.models.visibility import Visibility
from app.models.vulnerabilities import RATINGS


@dataclass(frozen=True)
class KnownVulnerability:
    """One vulnerability in one plugin, theme or WordPress, and the sites that have it.

    `version` is empty if they have several. `fixed_in` is the version that fixes it on all of them;
    empty if there is none. On `inactive` ones it is installed and not active. `site_name` is that
    of one site. `address` leads to the record, and `notices` are those that have to be shown with
    it; both are empty where many are counted.
    """

    id: int
    rating: str
    cve: str
    title: str
    score: float | None
    kind: str
    slug: str
    ident: str
    name: str
    version: str
    fixed_in: str
    found_at: datetime
    inactive: int
    site_ids: frozenset[int]
    site_name: str
    client_ids: frozenset[int | None]
    address: str
    notices: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class VulnerableComponent:
    """What is known about one plugin, theme or WordPress, the worst vulnerability first."""

    vulnerabilities: tuple[KnownVulnerability, ...]

    @property
    def worst(self) -> KnownVulnerability:
        return self.vulnerabilities[0]

    @property
    def sites(self) -> int:
        return len(frozenset[int]().union(*(one.site_ids for one in self.vulnerabilities)))

    @property
    def site_name(self) -> str:
        """Return the name of the only site; empty if there are several."""
        return self.worst.site_name if self.sites == 1 else ""

    @property
    def version(self) -> str:
        """Return the installed version; empty if the sites have several."""
        found = {one.version for one in self.vulnerabilities}
        return found.pop() if len(found) == 1 else ""

    @property
    def fixed_in(self) -> str:
        """Return the version that fixes all of them; empty if one has no fix."""
        return _newest(one.fixed_in for one in self.vulnerabilities)

    @property
    def without_fix(self) -> int:
        return sum(not one.fixed_in for one in self.vulnerabilities)

    @property
    def inactive(self) -> int:
        return max(one.inactive for one in self.vulnerabilities)


def urgent_vulnerabilities(visible: Visibility) -> list[KnownVulnerability]:
    """Return the critical and high ones of visible sites, the worst first."""
    is_urgent = SiteVulnerability.is_urgent()
    return as_known(SiteVulnerability.count_by_software(visible, is_urgent))


def vulnerabilities_in(kind: str, slug: str, visible: Visibility) -> list[KnownVulnerability]:
    """Return those in one plugin, theme or WordPress on visible sites, the worst first."""
    is_in = SiteVulnerability.is_in(kind, slug)
    return as_known(SiteVulnerability.count_by_software(visible, is_in))


def all_vulnerabilities(visible: Visibility) -> list[KnownVulnerability]:
    """Return all of them on visible sites, the worst first."""
    return as_known(SiteVulnerability.count_by_software(visible))


def by_component(known: Iterable[KnownVulnerability]) -> list[VulnerableComponent]:
    """Group vulnerabilities by what they are in; the order stays."""
    groups: dict[tuple[str, str], list[KnownVulnerability]] = {}
    for one in known:
        groups.setdefault((one.kind, one.slug), []).append(one)
    return [VulnerableComponent(tuple(members)) for members in groups.values()]


def component_of(rows: Iterable[object]) -> VulnerableComponent:
    """Return what these vulnerabilities, which are in the same component, are in."""
    found = [row for row in rows if isinstance(row, KnownVulnerability)]
    found.sort(key=lambda one: RATINGS.index(one.rating))
    return VulnerableComponent(tuple(found))


def as_known(counts: Iterable[SoftwareCount]) -> list[KnownVulnerability]:
    """Return the vulnerabilities that were counted, in their order."""
    return [_known(one) for one in counts]


def _known(one: SoftwareCount) -> KnownVulnerability:
    return KnownVulnerability(
        id=one.software_id,
        rating=RATINGS[one.rank],
        cve=one.cve,
        title=one.title,
        score=one.score,
        kind=one.kind,
        slug=one.slug,
        ident=one.ident,
        name=one.name,
        version=one.oldest if one.oldest == one.newest else "",
        fixed_in=_newest((one.fixed_first, one.fixed_last)),
        found_at=one.found_at,
        inactive=one.inactive,
        site_ids=one.site_ids,
        site_name=one.site_name,
        client_ids=one.client_ids,
        address=next(iter(one.references), ""),
        notices=tuple(tuple(notice) for notice in one.notices),
    )


def _newest(versions: Iterable[str]) -> str:
    """Return the newest of these versions; empty if one of them is."""
    listed = set(versions)
    return "" if "" in listed else max(listed, key=lambda one: version_key(one) or ((), ()))
