"""One reason for attention, and the task that a person does about one or several of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain.vulnerabilities import known
from app.domain.vulnerabilities.known import KnownVulnerability, VulnerableComponent
from app.models.alerts import Alert
from app.models.audit import Verification
from app.models.auto_update_rules import AutoUpdateRule
from app.models.changes import Change
from app.models.client_reports import SentReport
from app.models.fleet import FleetSite
from app.models.sites import Site

# Severities, the most urgent first.
CRITICAL = "critical"
CHECK = "check"
WAITING = "waiting"
SOON = "soon"
SEVERITIES = (CRITICAL, CHECK, WAITING, SOON)


@dataclass(frozen=True)
class Item:
    """One reason for attention.

    `about` is 'audit_log', 'alert', 'connection', 'uptime', 'certificate', 'network', 'change',
    'vulnerability', 'approval', 'report', 'rule', 'php' or 'new'. `word` is the connection, the
    problem, the state of the change or the report, the rating, or the kind of the alert. `id` is
    the number of `row`. `site` is None for what is about no site or about many, and for sites that
    were only counted.
    """

    about: str
    word: str
    severity: str
    id: int = 0
    name: str = ""
    since: datetime | None = None
    site: Site | FleetSite | None = None
    row: Alert | Change | Verification | SentReport | AutoUpdateRule | KnownVulnerability | None = (
        None
    )

    @property
    def key(self) -> str:
        """Return what stays the same as long as it is the same item, also if it gets worse."""
        if self.id or self.site is None:
            return f"{self.about}:{self.id}"
        version = f":{self.name}" if self.about == "php" else ""
        return f"{self.about}:{self.site.id}{version}"

    @property
    def client_ids(self) -> frozenset[int | None] | None:
        """Return the clients whose sites it is about; None if it is about no site."""
        if isinstance(self.row, KnownVulnerability):
            return self.row.client_ids
        return None if self.site is None else frozenset({self.site.client_id})


@dataclass(frozen=True)
class Task:
    """What a person does next: about one item, or about several that are alike."""

    items: tuple[Item, ...]

    @property
    def first(self) -> Item:
        return self.items[0]

    @property
    def severity(self) -> str:
        return self.first.severity

    @property
    def is_urgent(self) -> bool:
        """Whether it counts as something that needs a person now."""
        return self.severity != SOON

    @property
    def names(self) -> list[str]:
        """Return the names of what its items are about, each once."""
        return list(dict.fromkeys(one.name for one in self.items))

    @property
    def vulnerable(self) -> VulnerableComponent:
        """Return what its vulnerabilities are in."""
        return known.component_of(one.row for one in self.items)

    @property
    def site_names(self) -> list[str]:
        """Return the names of its sites, each once."""
        return list(dict.fromkeys(one.site.name for one in self.items if one.site))
