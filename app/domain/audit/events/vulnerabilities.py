"""Known vulnerabilities: the feed they come from, and on which sites they were found."""

from __future__ import annotations

from dataclasses import field

from app.domain.audit.events.base import Event


class VulnerabilityKeySet(Event):
    """An owner entered the key for the feed."""


class VulnerabilityKeyRemoved(Event):
    """An owner removed the key, so nothing is fetched any more."""


class VulnerabilityFetchRequested(Event):
    """An owner had Aura fetch the feed at once."""


class VulnerabilityFileUploaded(Event):
    """A person gave Aura a file with known vulnerabilities to import."""

    digest: str
    size: int


class VulnerabilityFeedImported(Event):
    """A feed replaced the former one. `kept` of its `records` are about the fleet."""

    source: str
    digest: str
    records: int
    kept: int
    unreadable: int


class VulnerabilityFeedFailed(Event):
    """The feed could not be fetched or imported; recorded once for each reason in a row."""

    problem: str
    detail: str


class VulnerabilityFeedRecovered(Event):
    """The feed was fetched or imported again after it had failed."""

    problem: str


class VulnerabilitiesFound(Event):
    """Vulnerabilities were found on a site, or their version is affected now.

    `vulnerabilities` names the first of them, the worst first: what is affected, and by what.
    """

    count: int
    worst: str
    vulnerabilities: list[str] = field(default_factory=list)


class VulnerabilitiesGone(Event):
    """A site no longer has these vulnerabilities."""

    count: int
    vulnerabilities: list[str] = field(default_factory=list)
