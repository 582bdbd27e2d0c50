"""Which software of the sites comes from WordPress.org: by its own header, as WordPress decides."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import urlsplit

from app.domain import provenance
from app.domain.provenance import Part
from app.domain.vulnerabilities.slugs import slug_of
from app.http.wordpress_org import KINDS, is_slug
from app.models.base import transaction
from app.models.provenance import HOST, ProvenanceChange, ProvenanceSite
from app.models.reports import Component, Report
from app.models.sites import Site
from app.models.wordpress_org import DirectoryEntry, SoftwareSource, software_of_fleet

# The hosts that wp-includes/update.php treats as the directory's own.
_OWN_HOSTS = ("wordpress.org", "www.wordpress.org", "w.org")


def is_from_directory(update_uri: str) -> bool:
    """Whether WordPress asks the directory for updates of what has this `Update URI`."""
    return not update_uri or update_host(update_uri) in _OWN_HOSTS


def update_host(update_uri: str) -> str:
    """Return the host in an `Update URI`, in lower case; empty if it names none.

    The scheme may be missing, as WordPress allows.
    """
    text = update_uri.strip()
    try:
        return (urlsplit(text if "//" in text else f"//{text}").hostname or "").lower()
    except ValueError:
        return ""


def check_site(site_id: int, now: datetime) -> bool:
    """Note what a site has from WordPress.org, if its report is another; return whether it is."""
    digest = Report.digest_of(site_id)
    if digest is None or SoftwareSource.is_current(site_id, digest):
        return False
    with transaction():
        site = Site.get_by_id(site_id)
        # Under the lock, because another sync may have changed it.
        report = Report.of(site)
        if report is None or not site.is_paired:
            return False
        found = [(one.kind, one.ident, one.update_uri) for one in Component.for_site(site)]
        DirectoryEntry.add_missing(from_directory(found), now)
        hosts = {f"{kind}:{ident}": update_host(uri) for kind, ident, uri in found if kind in KINDS}
        _record_other_hosts(SoftwareSource.hosts_of(site.id), hosts, now)
        SoftwareSource.store(site.id, report.digest, hosts)
        ProvenanceSite.renew(site, {(kind, slug_of(kind, ident)) for kind, ident, _ in found})
    return True


def _record_other_hosts(former: dict[str, str], hosts: dict[str, str], now: datetime) -> None:
    """Record what a site would get from another host than before, once for all sites."""
    for name in sorted(former.keys() & hosts.keys()):
        old, new = _host_in_words(former[name]), _host_in_words(hosts[name])
        if old == new:
            continue
        kind, _, ident = name.partition(":")
        part, slug = Part(HOST, old, new), slug_of(kind, ident)
        # On another site, the same step may have been seen before, and may be accepted.
        if not ProvenanceChange.is_known(kind, slug, part):
            provenance.record_change(kind, slug, [part], now)


def _host_in_words(host: str) -> str:
    return "WordPress.org" if not host or host in _OWN_HOSTS else host


def in_fleet() -> set[tuple[str, str]]:
    """Return kind and slug of everything that a connected site has from WordPress.org."""
    return from_directory(software_of_fleet(KINDS))


def from_directory(software: Iterable[tuple[str, str, str]]) -> set[tuple[str, str]]:
    """Return kind and slug of what comes from the directory, of kind, ident and update URI."""
    found = {
        (kind, slug_of(kind, ident))
        for kind, ident, update_uri in software
        if kind in KINDS and is_from_directory(update_uri)
    }
    return {(kind, slug) for kind, slug in found if is_slug(slug)}
