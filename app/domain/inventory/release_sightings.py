"""When each release was first seen: as available on any site, by Aura's clock."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from app.models.releases import ReleaseSighting

# Kinds whose releases rest. A translation has no version, a database no release, and SiteAgent's
# releases are signed and installed by the agency itself.
KINDS = ("plugin", "theme", "core")
# How long the first sight of a release is kept that no site lists any more.
KEPT_FOR = timedelta(days=400)


def record_sightings(rows: Iterable[dict[str, Any]], now: datetime) -> None:
    """Record the releases that no site has listed before, in the caller's transaction.

    `rows` are those of available updates.
    """
    releases = {(row["kind"], row["ident"], row["to_version"]) for row in rows}
    ReleaseSighting.record((one for one in releases if one[0] in KINDS), now)


def forget_old(now: datetime) -> int:
    """Delete the first sights of releases that no site lists any more; return how many."""
    return ReleaseSighting.forget_withdrawn(now - KEPT_FOR)
