"""The exact package of an update: which one a plan names, and what happens when two differ.

A version has the same bytes everywhere. Those seen first count, and others stop that version
everywhere, until a person has judged it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Any

from app import queue
from app.domain import alerts, provenance
from app.domain.actor import SYSTEM
from app.domain.changes import change_plan
from app.domain.changes.change_plan import Package
from app.domain.vulnerabilities.slugs import slug_of
from app.http import package_download
from app.models.base import transaction
from app.models.changes import Change
from app.models.packages import CHECKED, ELSEWHERE, UNCHECKED, KnownPackage
from app.models.provenance import HOST
from app.models.sites import Site

# The site did not name its package: its SiteAgent cannot.
UNPINNED = "package_unpinned"
# This site was given other bytes than were seen first.
DIFFERS = "package_differs"
# Two packages of this version were seen, and no person has judged them.
DISPUTED = "package_disputed"
# The package on WordPress.org is not, or no longer, of this version.
MISMATCH = "package_mismatch"
# Aura could not write the package to its own disk.
DISK = "disk"

_PINNED_KINDS = ("plugin", "theme", "core", "translation")
# WordPress has a package for each language, and a translation one for each version of its plugin.
_KINDS_WITH_VARIANTS = ("core", "translation")
# How many packages of one version Aura names to a site as known.
_MAX_KNOWN = 10
_HASH = re.compile(r"[0-9a-f]{64}")
# How much of a hash tells two packages apart in the key of an alert.
_SHORT = 16


def is_pinned(kind: str) -> bool:
    """Whether plans for this kind name the package; SiteAgent's own is signed instead."""
    return kind in _PINNED_KINDS


def hash_or_none(value: object) -> str | None:
    """Return a SHA-256 in hex, and None for anything else."""
    return value if isinstance(value, str) and _HASH.fullmatch(value) else None


def why_stopped(change: Change) -> str:
    """Return why nothing may install the version of a change, as a reason; empty if it may."""
    if not is_pinned(change.kind):
        return ""
    if change.document and not _item(change).get("package_sha256"):
        return UNPINNED  # proposed before plans named packages
    stopped = KnownPackage.stopped_version(change.kind, change.ident, change.to_version)
    if stopped is None:
        return ""
    return DISPUTED if stopped.is_disputed else stopped.problem


def may_be_left_to_rule(change: Change) -> bool:
    """Whether a rule may approve a change: its package is the known one of its version.

    One of WordPress.org must have been compared by Aura itself. While a person has to decide on a
    change of its source, no rule approves it.
    """
    if provenance.is_paused(change.kind, change.ident):
        return False
    if not is_pinned(change.kind):
        return True
    known = find_known(change)
    if known is None or known.sha256 != _item(change)["package_sha256"]:
        return False
    return known.state in (CHECKED, ELSEWHERE) and not known.problem


def check_state(change: Change) -> str:
    """Return who has seen the package of a plan, as KnownPackage.state; empty for none."""
    known = find_known(change)
    return known.state if known else ""


def find_known(change: Change) -> KnownPackage | None:
    """Return what is known of the package that the plan of a change names.

    Where a version has a single package, that is the one which was seen first.
    """
    if not is_pinned(change.kind) or not change.document:
        return None
    item = _item(change)
    seen = _of_version(change, item["package_host"])
    same = (known for known in seen if known.sha256 == item["package_sha256"])
    only = seen[0] if seen and change.kind not in _KINDS_WITH_VARIANTS else None
    return next(same, only)


def _of_version(change: Change, host: str) -> list[KnownPackage]:
    return KnownPackage.of_version(change.kind, change.ident, change.to_version, host)


def _item(change: Change) -> dict[str, Any]:
    return change_plan.item_in(change.document.encode("utf-8"))


def question_about(change: Change) -> dict[str, Any]:
    """Return what a pre-check asks about the package; nothing for kinds that name none.

    The site downloads it, unless it is one that Aura has from WordPress.org already.
    """
    if not is_pinned(change.kind):
        return {}
    paths = [known.path for known in _own_packages(change)][:_MAX_KNOWN]
    return {"package": True, **({"package_paths": paths} if paths else {})}


def with_own_hashes(change: Change, package: Package) -> Package:
    """Return the package with the hashes of Aura's own download, if the site left them to Aura."""
    is_left = package.sha256 is None and package.tree_sha256 is None
    for known in _own_packages(change) if is_left else []:
        if (known.host, known.path) == (package.host, package.path):
            return replace(package, sha256=known.sha256, tree_sha256=known.tree_sha256)
    return package


def _own_packages(change: Change) -> list[KnownPackage]:
    """Return the packages of WordPress.org that Aura has downloaded and found to be the same."""
    seen = _of_version(change, package_download.HOST)
    return [known for known in seen if known.state == CHECKED and not known.problem]


def reason_against(change: Change, package: Package, now: datetime) -> str:
    """Return why a plan may not name this package, in the caller's transaction; empty if it may.

    The first sight of a version is recorded.
    """
    if not is_pinned(change.kind):
        return ""
    if package.sha256 is None or package.tree_sha256 is None:
        return UNPINNED
    seen = _of_version(change, package.host)
    known = next((one for one in seen if one.variant == _variant(change, package)), None)
    if known is None:
        _record_first_sight(change, package, now)
    elif (known.sha256, known.tree_sha256) != (package.sha256, package.tree_sha256):
        _dispute(known, change.site, package.sha256, now)
        return DIFFERS
    return why_stopped(change)


def _is_public(change: Change, package: Package) -> bool:
    """Whether Aura can download the package from WordPress.org as well."""
    is_there = package.host == package_download.HOST
    return is_there and package_download.is_package_path(package.path, change.kind)


def _variant(change: Change, package: Package) -> str:
    """Return which package of its version it is.

    At WordPress.org the path tells. Elsewhere nothing does, and each package is one of its own.
    """
    if change.kind not in _KINDS_WITH_VARIANTS:
        return ""
    return package.path if _is_public(change, package) else str(package.sha256)


def _record_first_sight(change: Change, package: Package, now: datetime) -> None:
    is_public = _is_public(change, package)
    with transaction() as tx:
        hosts = KnownPackage.hosts_of(change.kind, change.ident)
        if hosts and package.host not in hosts:
            about = [provenance.Part(HOST, hosts[0], package.host)]
            provenance.record_change(change.kind, slug_of(change.kind, change.ident), about, now)
        known = KnownPackage.create(
            kind=change.kind,
            ident=change.ident,
            version=change.to_version,
            host=package.host,
            variant=_variant(change, package),
            sha256=package.sha256,
            tree_sha256=package.tree_sha256,
            site=change.site,
            first_seen_at=now,
            path=package.path if is_public else "",
            state=UNCHECKED if is_public else ELSEWHERE,
            next_attempt_at=now if is_public else None,
        )
        if is_public:
            tx.after_commit(queue.enqueue, "check_package", known.id)


def record_other_bytes(change: Change, sha256: object, now: datetime) -> None:
    """Record that a site refused a package because it was not the approved one."""
    found, known = hash_or_none(sha256), find_known(change)
    if found is not None and known is not None and known.sha256 != found:
        _dispute(known, change.site, found, now)


def record_own_bytes(known: KnownPackage, sha256: str, now: datetime) -> None:
    """Record that Aura got other bytes from WordPress.org than the site that saw it first."""
    if known.site is not None:
        _dispute(known, known.site, sha256, now, by_aura=True)


def _first_seen_by(known: KnownPackage, site: Site) -> str:
    return "the same site" if known.site_id == site.id else "another site"


def _dispute(
    known: KnownPackage, site: Site, sha256: str, now: datetime, *, by_aura: bool = False
) -> None:
    """Raise an alert and stop a version everywhere, until a person has judged it.

    Bytes that a person has judged stop nothing again, and neither does a site with so many open
    alerts that it gets no more.
    """
    key = f"{alerts.package_key(known.kind, known.ident, known.version)}:"
    key += f"{known.sha256[:_SHORT]}{sha256[:_SHORT]}"
    first, other = (sha256, known.sha256) if by_aura else (known.sha256, sha256)
    evidence = {
        "site": {"package_sha256": other, "package_host": known.host},
        "aura": {
            "kind": known.kind,
            "id": known.ident,
            "version": known.version,
            "package_sha256": first,
            # No name: who reads this may not see the other site.
            "seen_by": "Aura" if by_aura else _first_seen_by(known, site),
        },
    }
    if alerts.raise_alert(site, alerts.PACKAGE_DIFFERS, key, evidence, SYSTEM, now):
        known.dispute()
