"""What every page of the agency asks for beside sites and changes, in one query."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from peewee import Select, fn

from app.models.alerts import Alert
from app.models.audit import Verification
from app.models.base import db, is_postgres
from app.models.client_reports import SentReport
from app.models.clients import Client
from app.models.composed import composed_once
from app.models.provenance import OpenChange, ProvenanceChange, ProvenanceSite
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
    turned off. `failing_feed` is set while known vulnerabilities do not come.
    """

    broken: Verification | None = None
    reports: list[SentReport] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    vulnerabilities: list[SoftwareCount] = field(default_factory=list)
    provenance: list[OpenChange] = field(default_factory=list)
    webhooks: list[WebhookEndpoint] = field(default_factory=list)
    failing_feed: VulnerabilityFeed | None = None

    @classmethod
    def read(cls, visible: Visibility) -> OpenMatters:
        """Read all of it."""
        row = next(iter(_matters(visible)))
        broken, reports, clients, alerts, sites, counts, webhooks, feeds, changes, of_changes = row
        unseen = Verification.read_nested(broken)
        return cls(
            broken=max(unseen, key=lambda verification: int(verification.id), default=None),
            reports=_reports(SentReport.read_nested(reports), Client.read_nested(clients), visible),
            alerts=_alerts(Alert.read_nested(alerts), Site.read_nested(sites)),
            vulnerabilities=SoftwareCount.read_all(json.loads(counts or "[]")),
            provenance=OpenChange.read(
                ProvenanceChange.read_nested(changes), json.loads(of_changes or "[]")
            ),
            webhooks=sorted(WebhookEndpoint.read_nested(webhooks), key=lambda one: int(one.id)),
            failing_feed=next(iter(VulnerabilityFeed.read_nested(feeds)), None),
        )


@composed_once
def _matters(visible: Visibility) -> Any:
    of_reports = SentReport.select(SentReport.client).where(SentReport.needs_people())
    of_alerts = Alert.select(Alert.site).where(Alert.closed_at.is_null())
    columns = (
        Verification.nested(Verification.is_unseen()),
        SentReport.nested(SentReport.needs_people()),
        Client.nested(Client.id.in_(of_reports)),
        Alert.nested(Alert.closed_at.is_null()),
        Site.nested(Site.id.in_(of_alerts) & visible.in_sql(Site.client)),
        _counts(visible),
        WebhookEndpoint.nested(WebhookEndpoint.is_off_by_aura()),
        VulnerabilityFeed.nested(VulnerabilityFeed.is_failing()),
        ProvenanceChange.nested(ProvenanceChange.awaits_person()),
        ProvenanceSite.counted(visible),
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


def _alerts(found: list[Alert], sites: list[Site]) -> list[Alert]:
    """Return the alerts of these sites, newest first."""
    known = {site.id: site for site in sites}
    listed = [alert for alert in found if alert.site_id in known]
    for alert in listed:
        alert.site = known[alert.site_id]
    return sorted(listed, key=lambda alert: -alert.id)


def _counts(visible: Visibility) -> Any:
    """Return the query for the urgent vulnerabilities as one column."""
    one = SiteVulnerability.counted(visible, SiteVulnerability.is_urgent()).alias("one")
    columns = [getattr(one.c, name) for name in COUNTED]
    if is_postgres():
        rows: Any = fn.json_agg(fn.json_build_array(*columns)).cast("text")
    else:
        rows = fn.json_group_array(fn.json_array(*columns))
    return SiteVulnerability.select(rows).from_(one)
