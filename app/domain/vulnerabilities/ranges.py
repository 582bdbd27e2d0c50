"""Whether a version is within the ranges that a vulnerability affects. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.domain.inventory.versions import version_key

AFFECTED = "affected"
UNAFFECTED = "unaffected"
UNKNOWN = "unknown"

# A bound that is no bound.
ANY = "*"


@dataclass(frozen=True)
class VersionRange:
    """Versions between two bounds; ANY for an open end."""

    from_version: str
    from_inclusive: bool
    to_version: str
    to_inclusive: bool

    @property
    def is_readable(self) -> bool:
        """Whether both bounds are versions, and a version can be between them."""
        low, high = version_key(self.from_version), version_key(self.to_version)
        if (low is None and self.from_version != ANY) or (high is None and self.to_version != ANY):
            return False
        if low is None or high is None:
            return True
        return low < high or (low == high and self.from_inclusive and self.to_inclusive)

    @property
    def has_every_version(self) -> bool:
        return self.from_version == ANY == self.to_version

    def contains(self, version: str) -> bool:
        """Whether a comparable version is in this readable range."""
        key = version_key(version)
        low, high = version_key(self.from_version), version_key(self.to_version)
        if key is None:
            return self.has_every_version
        is_above = low is None or key > low or (self.from_inclusive and key == low)
        is_below = high is None or key < high or (self.to_inclusive and key == high)
        return is_above and is_below


def match_version(version: str, ranges: Iterable[VersionRange]) -> str:
    """Return AFFECTED, UNAFFECTED, or UNKNOWN if the version or a range cannot be compared.

    A range that no version can be in, such as one from 2.0 to 1.0, says nothing about any version.
    """
    listed = list(ranges)
    readable = [one for one in listed if one.is_readable]
    if any(one.contains(version) for one in readable):
        return AFFECTED
    if version_key(version) is None or len(readable) < len(listed) or not listed:
        return UNKNOWN
    return UNAFFECTED


def first_fixed_version(
    version: str, patched: Iterable[str], ranges: Iterable[VersionRange]
) -> str:
    """Return the oldest patched version that is newer than `version`; empty if there is none.

    A version that a range still affects is not a fix, whatever the list of patched versions says.
    """
    listed, here = list(ranges), version_key(version)
    found = []
    for one in patched:
        key = version_key(one)
        if key is None or match_version(one, listed) == AFFECTED:
            continue
        if here is None or key > here:
            found.append((key, one))
    return min(found)[1] if found else ""
