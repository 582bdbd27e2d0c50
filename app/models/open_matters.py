"""What every page of the agency asks for beside sites and changes, in one query."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from peewee import Select

from app.models.alerts import Alert
from app.models.audit import Verification
from app.models.base import db, json_rows
from app.models.client_reports import SentReport
from app.models.clients import Client
from app.models.composed import composed_once
from app.models.file_checks import SiteFileCheck
from app.models.provenance import OpenChange, ProvenanceChange, ProvenanceSite
from app.models.release_comparisons import ReleaseComparison
from app.models.rollouts import STOPPED, Rollout
from app.models.site_pages import PageQuestion
from app.models.site_vulnerabilities import COUNTED, SiteVulnerability, SoftwareCount
from app.models.sites import Site
from app.models.visibility import Visibility
from app.models.vulnerabilities import VulnerabilityFeed
from app.models.webhooks import WebhookEndpoint


@dataclass(frozen=True)
class OpenMatters:
    """What needs a person, as far as it is visible; sites and changes are read apart.

    `broken` is the newest failed verification that no one has acknowledged. `reports` need a
    person, each is with its client. `alerts` are open, newest first, each with its site.
    `vulnerabilities` are the urgent ones, counted by what they are in, the worst first.
    `provenance` are changes of sources that no person has accepted. `webhooks` are those that Aura
    turned off. `failing_feed` is set while known vulnerabilities do not come. `rollouts` are
    stopped, each with the site that stopped it. `file_checks` are those with open differences, each
    with its site. `page_questions` are about pages after updates, each with its site. `warned` has
    the warnings of the releases that rules left to people, by id of the change.
    """

    broken: Verification | None = None
    reports: list[SentReport] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    vulnerabilities: list[SoftwareCount] = field(default_factory=list)
    provenance: list[OpenChange] = field(default_factory=list)
    webhooks: list[WebhookEndpoint] = field(default_factory=list)
    failing_feed: VulnerabilityFeed | None = None
    rollouts: list[Rollout] = field(default_factory=list)
    file_checks: list[SiteFileCheck] = field(default_factory=list)
    page_questions: list[PageQuestion] = field(default_factory=list)
    warned: dict[int, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, visible: Visibility) -> OpenMatters:
        """Read all of it."""
        row = next(iter(_matters(visible)))
        broken, reports, clients, alerts, sites, counts, webhooks, *others = row
        feeds, rollouts, changes, of_changes, checks, questions, warned = others
        known = {site.id: site for site in Site.read_nested(sites)}
        unseen = Verification.read_nested(broken)
        return cls(
            broken=max(unseen, key=lambda verification: int(verification.id), default=None),
            reports=_reports(SentReport.read_nested(reports), Client.read_nested(clients), visible),
            alerts=sorted(
                _on_sites(Alert.read_nested(alerts), known), key=lambda one: -int(one.id)
            ),
            vulnerabilities=SoftwareCount.read_all(json.loads(counts or "[]")),
            provenance=OpenChange.read(
                ProvenanceChange.read_nested(changes), json.loads(of_changes or "[]")
            ),
            webhooks=sorted(WebhookEndpoint.read_nested(webhooks), key=lambda one: int(one.id)),
            failing_feed=next(iter(VulnerabilityFeed.read_nested(feeds)), None),
            rollouts=sorted(
                _on_sites(Rollout.read_nested(rollouts), known), key=lambda one: int(one.id)
            ),
            file_checks=sorted(
                _on_sites(SiteFileCheck.read_nested(checks), known), key=lambda one: one.site_id
            ),
            page_questions=PageQuestion.read(questions, known),
            warned=ReleaseComparison.read_warned(warned),
        )


@composed_once
def _matters(visible: Visibility) -> Any:
    of_reports = SentReport.select(SentReport.client).where(SentReport.needs_people())
    of_alerts = Alert.select(Alert.site).where(Alert.closed_at.is_null())
    of_rollouts = Rollout.select(Rollout.site).where(Rollout.state == STOPPED)
    is_about = (
        Site.id.in_(of_alerts)
        | Site.id.in_(of_rollouts)
        | Site.id.in_(SiteFileCheck.with_open_ones())
        | (Site.id.in_(PageQuestion.on_sites()) & Site.forgotten_at.is_null())
    )
    columns = (
        Verification.nested(Verification.is_unseen()),
        SentReport.nested(SentReport.needs_people()),
        Client.nested(Client.id.in_(of_reports)),
        Alert.nested(Alert.closed_at.is_null()),
        Site.nested(is_about & visible.in_sql(Site.client)),
        _counts(visible),
        WebhookEndpoint.nested(WebhookEndpoint.is_off_by_aura()),
        VulnerabilityFeed.nested(VulnerabilityFeed.is_failing()),
        Rollout.nested(Rollout.state == STOPPED),
        ProvenanceChange.nested_open(),
        ProvenanceSite.counted(visible),
        SiteFileCheck.nested(SiteFileCheck.is_open()),
        PageQuestion.nested(),
        ReleaseComparison.nested_warned(),
    )
    return Select(columns=columns).bind(db).tuples()


def _reports(
    found: list[SentReport], clients: list[Client], visible: Visibility
) -> list[SentReport]:
    known = {client.id: client for client in clients}
    listed = [report for report in found if visible.has(report.client_id)]
    for report in listed:
        report.client = known[report.client_id]
    return sorted(listed, key=lambda report: int(report.id))


def _on_sites(found: Iterable[Any], known: dict[int, Site]) -> list[Any]:
    """Return the rows that are about these sites, each with its site."""
    listed = [row for row in found if row.site_id in known]
    for row in listed:
        row.site = known[row.site_id]
    return listed


def _counts(visible: Visibility) -> Any:
    """Return the query for the urgent vulnerabilities as one column."""
    one = SiteVulnerability.counted(visible, SiteVulnerability.is_urgent()).alias("one")
    columns = [getattr(one.c, name) for name in COUNTED]
    return SiteVulnerability.select(json_rows(columns)).from_(one)
