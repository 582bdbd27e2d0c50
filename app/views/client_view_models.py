"""Data of the pages about clients, read from the models for the templates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain import attention, audit
from app.domain.actor import Actor
from app.domain.changes import auto_update_rules
from app.models import fleet
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import utcnow
from app.models.clients import Client
from app.models.fleet import ClientCounts
from app.models.sites import Site
from app.views import page_context
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
    """What is known about one client."""

    client: Client
    listing: SiteTable
    rules: list[tuple[AutoUpdateRule, str]]
    reports: list[AuditEntry]
    users: list[User]
    times: SiteTimes
    now: datetime


def client_list() -> ClientList:
    """Return the clients of a page by name, with what their sites need."""
    needing = attention.grouped_by_site(page_context.urgent_items())
    counts = fleet.count_by_client(attention.CONNECTIONS, needing.keys())
    page = page_of(list(Client.select().order_by(Client.name)), PAGE_SIZE)
    rows = [ClientRow(client, *counts.get(client.id, _NONE)) for client in page.items]
    return ClientList(
        page=Page(rows, page.number, page.total, page.size),
        without_client=counts.get(None, _NONE).sites,
    )


def client_page(client: Client, actor: Actor) -> ClientPage:
    """Return the data of a client's page: its sites, rules, reports and users."""
    now = utcnow()
    issued = audit.EntryFilter(client=client.id, event="client_report_issued")
    rules = [rule for rule in AutoUpdateRule.in_force(now) if rule.client_id in (None, client.id)]
    listing = site_table(actor, SiteFilter(client=client.id))
    names = listing.selection.names
    # A rule may still name a site that was removed.
    names |= Site.names({site_id for rule in rules for site_id in rule.site_ids} - names.keys())
    return ClientPage(
        client=client,
        listing=listing,
        rules=[(rule, auto_update_rules.covers_in_words(rule, names)) for rule in rules],
        reports=audit.find_entries(issued, _RECENT_REPORTS),
        users=User.of_client(client.id),
        times=client_times(client, now),
        now=now,
    )
