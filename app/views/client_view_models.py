"""Data of the pages about clients, read from the models for the templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain import attention, audit, permissions
from app.domain.actor import Actor
from app.domain.changes import auto_update_rules, rule_coverage
from app.domain.uptime import figures
from app.domain.uptime.figures import DaysUptime
from app.models import fleet
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import utcnow
from app.models.client_data import ClientData
from app.models.clients import Client
from app.models.fleet import ClientCounts
from app.models.sites import Site
from app.models.uptime_days import DaySeconds
from app.views import page_context
from app.views.authorization import current_visibility
from app.views.brand import agency_settings
from app.views.pagination import Page, page_of
from app.views.site_list_view_models import SiteFilter, SiteTable, site_table
from app.views.window_view_models import SiteTimes, client_times

PAGE_SIZE = 40
_RECENT_REPORTS = 6
_NONE = ClientCounts(0, 0, 0)


@dataclass(frozen=True)
class ClientRow:
    """A client in the list; `need_attention` and `updates` count over its sites."""

    client: Client
    sites: int
    need_attention: int
    updates: int


@dataclass(frozen=True)
class ClientList:
    """A page of the clients, and the number of sites that belong to none."""

    page: Page[ClientRow]
    without_client: int


@dataclass(frozen=True)
class ClientPage:
    """What is known about one client; `uptime` is by site id, of the sites in the listing."""

    client: Client
    listing: SiteTable
    rules: list[tuple[AutoUpdateRule, str]]
    reports: list[AuditEntry]
    users: Sequence[User]
    uptime: dict[int, DaysUptime]
    times: SiteTimes
    now: datetime


def client_list() -> ClientList:
    """Return the clients of a page by name, with what their sites need."""
    needing = attention.grouped_by_site(page_context.urgent_items())
    visible = current_visibility()
    counts = fleet.count_by_client(attention.CONNECTIONS, needing.keys(), visible)
    page = page_of(Client.listing(visible), PAGE_SIZE)
    rows = [ClientRow(client, *counts.get(client.id, _NONE)) for client in page.items]
    return ClientList(
        page=Page(rows, page.number, page.total, page.size),
        without_client=counts.get(None, _NONE).sites,
    )


def client_page(client: Client, actor: Actor) -> ClientPage:
    """Return the data of a client's page: its sites, rules, reports and users."""
    now = utcnow()
    issued = audit.EntryFilter(client=client.id, event="client_report_issued")
    visible = permissions.visibility_of(actor)
    rules = [
        rule
        for rule in rule_coverage.visible_rules(AutoUpdateRule.in_force(now), visible)
        if rule.client_id in (None, client.id)
    ]
    listing = site_table(actor, SiteFilter(client=client.id))
    today = now.astimezone(agency_settings().zone).date()
    first = today - timedelta(days=figures.QUARTER - 1)
    stored = ClientData.of_client(client.id, first, today)
    by_site: dict[int, list[DaySeconds]] = {}
    for day in stored.days:
        by_site.setdefault(day.site_id, []).append(day)
    names = listing.selection.names
    if visible.is_everything:
        # A rule may still name a site that was removed.
        names |= Site.names({site_id for rule in rules for site_id in rule.site_ids} - names.keys())
    return ClientPage(
        client=client,
        listing=listing,
        rules=[(rule, auto_update_rules.covers_in_words(rule, names)) for rule in rules],
        reports=audit.find_entries(issued, _RECENT_REPORTS),
        users=stored.users,
        uptime={
            row.site.id: figures.sum_up_seconds(
                by_site.get(row.site.id, []), today, figures.QUARTER
            )
            for row in listing.rows
        },
        times=client_times(client, now),
        now=now,
    )
