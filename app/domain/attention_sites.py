"""The problems of sites: one definition for sites that are named, and for those only counted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from app.domain.attention_items import CHECK, CRITICAL, SOON, Item
from app.domain.inventory import update_limits
from app.models.fleet import FleetSite, SiteCount
from app.models.uptime import DOWN, ENDS_LATER, ENDS_NOW, ENDS_SOON, OWN_NETWORK

# Severity of each value of Site.connection that needs attention.
CONNECTIONS = {
    "unreachable": CRITICAL,
    "blocked": CRITICAL,
    "quarantined": CRITICAL,
    "degraded": CHECK,
    "revoked_unproven": CHECK,
    "revoked_unreached": CHECK,
    "disconnected": CHECK,
    "disconnected_unconfirmed": CHECK,
}
# Severity of each value of SiteWatch.certificate_problem.
_CERTIFICATES = {ENDS_SOON: CHECK, ENDS_NOW: CRITICAL}
_DOMAINS = {ENDS_SOON: CHECK, ENDS_NOW: CRITICAL}
# After this time, the owner of a site may have forgotten to resume updates.
_FORGOTTEN_PAUSE = timedelta(days=7)


def problems_of(site: FleetSite) -> list[Item]:
    """Return the problems of a site; failed calls to a site that is down are not another one."""
    found = []
    if site.connection in CONNECTIONS and not site.is_explained:
        found.append(item_of_connection(site))
    word = site.uptime_problem
    if word and word != OWN_NETWORK:
        severity = _severity_of_uptime(word)
        found.append(Item("uptime", word, severity, since=site.uptime_since, site=site))
    if word := site.certificate_problem:
        ends_at, severity = site.certificate_ends_at, _CERTIFICATES[word]
        found.append(Item("certificate", word, severity, since=ends_at, site=site))
    if site.domain_problem in _DOMAINS:
        found.append(_of_domain(site, _DOMAINS[site.domain_problem]))
    return found


def _of_domain(site: FleetSite, severity: str) -> Item:
    word, ends_at = site.domain_problem, site.domain_ends_at
    return Item("domain", word, severity, 0, site.domain, ends_at, site)


def item_of_connection(site: FleetSite) -> Item:
    """Return the item for a site whose connection needs attention."""
    severity = CONNECTIONS[site.connection]
    since = site.error_at or site.revoked_at or site.quarantine_at
    return Item("connection", site.connection, severity, since=since, site=site)


def unnamed_problems(alike: SiteCount) -> list[Item]:
    """Return the same for sites that were only counted."""
    found = []
    if alike.connection in CONNECTIONS and not alike.is_explained:
        found.append(Item("connection", alike.connection, CONNECTIONS[alike.connection]))
    word = alike.uptime_problem
    if word and word != OWN_NETWORK:
        found.append(Item("uptime", word, _severity_of_uptime(word)))
    if word := alike.certificate_problem:
        found.append(Item("certificate", word, _CERTIFICATES[word]))
    if alike.domain_problem in _DOMAINS:
        found.append(Item("domain", alike.domain_problem, _DOMAINS[alike.domain_problem]))
    return found


def _severity_of_uptime(word: str) -> str:
    return CRITICAL if word == DOWN else CHECK


def own_network(sites: Iterable[FleetSite | SiteCount]) -> list[Item]:
    """Return the one item for all sites that Aura cannot check because its own network is away."""
    away = [site for site in sites if site.uptime_problem == OWN_NETWORK]
    if not away:
        return []
    since = [site.uptime_since for site in away if isinstance(site, FleetSite)]
    return [Item("network", "away", CRITICAL, since=min(filter(None, since), default=None))]


def later_of(site: FleetSite, now: datetime) -> list[Item]:
    """Return a pause that the owner may have forgotten, and the end of the domain in a month."""
    found, pause = [], update_limits.pause_of(site)
    if site.domain_problem == ENDS_LATER:
        found.append(_of_domain(site, SOON))
    # One in wp-config.php has no time, and is the work of a developer.
    if pause and pause.at and site.is_paired and now - pause.at >= _FORGOTTEN_PAUSE:
        found.append(Item("pause", "forgotten", SOON, 0, pause.reason, pause.at, site))
    return found
