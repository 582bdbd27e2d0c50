"""The data of WordPress.org about the fleet's plugins and themes, with made-up accounts."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from app.domain.provenance import changes
from app.domain.vulnerabilities.slugs import slug_of
from app.domain.wordpress_org import asking, sources
from app.http.wordpress_org import Closed, Listing
from app.models.provenance import ProvenanceChange
from app.models.sites import ACTIVE, Site
from app.models.wordpress_org import DirectoryEntry
from tests.fleet.catalog import PLUGINS, THEMES
from tests.fleet.fleet import Fleet

# Made-up changes for the demo: one waits for an answer, one is closed, and one was accepted.
_SOLD = ("plugin", "regenerate-thumbnails")
_CLOSED = ("plugin", "broken-link-checker")
_ACCEPTED = ("plugin", "tablepress")
_LONG_AGO = datetime(2026, 1, 15, 10, tzinfo=UTC)


def add_sources(fleet: Fleet) -> None:
    """Have Aura request all data twice, five days apart; a few answers differ."""
    now = fleet.clock()
    before = now - timedelta(days=5)
    for site in Site.select().where(Site.state == ACTIVE, Site.forgotten_at.is_null()):
        sources.check_site(site.id, before)
    listings = _listings(fleet, now)
    for entry in DirectoryEntry.select().order_by(DirectoryEntry.id):
        listing = listings.get((entry.kind, entry.slug))
        asking.record_answer(entry, listing, before)
        asking.record_answer(entry, _now(entry, listing, now.date()), now - timedelta(hours=2))
    _accept(fleet, now)


def _listings(fleet: Fleet, now: datetime) -> dict[tuple[str, str], Listing]:
    found = {}
    for plugin in PLUGINS:
        release = fleet.market.release(plugin, now)
        slug = slug_of("plugin", plugin.ident)
        found["plugin", slug] = _listing(plugin.name, plugin.author, release.version, release.at)
    for theme in THEMES:
        found["theme", theme.ident] = _listing(
            theme.name, theme.author, theme.releases[-1], _LONG_AGO
        )
    return found


def _listing(name: str, author: str, version: str, at: datetime) -> Listing:
    plain = unicodedata.normalize("NFKD", author).encode("ascii", "ignore").decode()
    account = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    return Listing(name, version, at, author, account, (account,), "6.4", "7.0", "7.4")


def _now(entry: DirectoryEntry, listing: Listing | None, today: date) -> Listing | Closed | None:
    key = (entry.kind, entry.slug)
    if key == _CLOSED:
        return Closed(today - timedelta(days=1), "Made up for the demo")
    if listing and key == _SOLD:
        return replace(listing, owner="made-up-buyer", contributors=("made-up-buyer",))
    if listing and key == _ACCEPTED:
        return replace(listing, author="Made-Up Software GmbH")
    return listing


def _accept(fleet: Fleet, now: datetime) -> None:
    reason = "Made up for the demo: the author founded a company and wrote to us."
    for change in ProvenanceChange.all_open():
        if (change.kind, change.slug) == _ACCEPTED:
            changes.accept_change(change, reason, by=fleet.owner, confirmed_at=now, now=now)
