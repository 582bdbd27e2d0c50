"""The exact package of an update: which one a plan names, and what happens when two differ.

Everyone who downloads a version gets the same bytes. The bytes seen first count; whoever sees
others stops that version everywhere, until a person has judged it.
"""

from __future__ import annotations

import re
from datetime import datetime

from app.domain import alerts
from app.domain.actor import SYSTEM
from app.domain.changes import change_plan
from app.domain.changes.change_plan import Package
from app.models.changes import Change
from app.models.packages import KnownPackage

# The site did not name its package: its SiteAgent cannot.
UNPINNED = "package_unpinned"
# This site was given other bytes than were seen first.
DIFFERS = "package_differs"
# Two packages of this version were seen, and no person has judged them.
DISPUTED = "package_disputed"

_PINNED_KINDS = ("plugin", "theme")
_HASH = re.compile(r"[0-9a-f]{64}")
# How much of a hash tells two packages apart in the key of an alert.
_SHORT = 16


def is_pinned(kind: str) -> bool:
    """Whether plans for this kind name the package: those that consist of one folder of files."""
    return kind in _PINNED_KINDS


def hash_or_none(value: object) -> str | None:
    """Return a SHA-256 in hex, and None for anything else."""
    return value if isinstance(value, str) and _HASH.fullmatch(value) else None


def is_disputed(change: Change) -> bool:
    """Whether two packages of the version that a change installs were seen."""
    return is_pinned(change.kind) and KnownPackage.is_version_disputed(
        change.kind, change.ident, change.to_version
    )


def reason_against(change: Change, package: Package, now: datetime) -> str:
    """Return why a plan may not name this package, in the caller's transaction; empty if it may.

    The first sight of a version is recorded.
    """
    if not is_pinned(change.kind):
        return ""
    if package.sha256 is None or package.tree_sha256 is None:
        return UNPINNED
    known = KnownPackage.find(change.kind, change.ident, change.to_version, package.host)
    if known is None:
        KnownPackage.create(
            kind=change.kind,
            ident=change.ident,
            version=change.to_version,
            host=package.host,
            sha256=package.sha256,
            tree_sha256=package.tree_sha256,
            site=change.site,
            first_seen_at=now,
        )
    elif (known.sha256, known.tree_sha256) != (package.sha256, package.tree_sha256):
        _dispute(known, change, package.sha256, now)
        return DIFFERS
    return DISPUTED if is_disputed(change) else ""


def record_other_bytes(change: Change, sha256: object, now: datetime) -> None:
    """Record that a site refused a package because it was not the approved one."""
    found = hash_or_none(sha256)
    host = change_plan.item_in(change.document.encode("utf-8"))["package_host"]
    known = KnownPackage.find(change.kind, change.ident, change.to_version, host)
    if found is not None and known is not None and known.sha256 != found:
        _dispute(known, change, found, now)


def _dispute(known: KnownPackage, change: Change, sha256: str, now: datetime) -> None:
    """Raise an alert and stop a version everywhere, until a person has judged it.

    Bytes that a person has judged stop nothing again, and neither does a site with so many open
    alerts that it gets no more.
    """
    site = change.site
    key = f"{alerts.package_key(known.kind, known.ident, known.version)}:"
    key += f"{known.sha256[:_SHORT]}{sha256[:_SHORT]}"
    evidence = {
        "site": {"package_sha256": sha256, "package_host": known.host, "op_id": change.op_id},
        "aura": {
            "kind": known.kind,
            "id": known.ident,
            "version": known.version,
            "package_sha256": known.sha256,
            "seen_first": known.first_seen_at.isoformat(),
        },
    }
    if alerts.raise_alert(site, alerts.PACKAGE_DIFFERS, key, evidence, SYSTEM, now):
        known.dispute()
