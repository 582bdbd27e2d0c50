"""How the versions of WordPress and PHP are spread over the sites. Pure functions.

They get the number of sites by version.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from app.domain.inventory import php_eol
from app.domain.inventory.versions import branch, numbers

CURRENT = "current"
BEHIND = "behind"
OLD = "old"


@dataclass(frozen=True)
class Part:
    """Some versions that count as one: the label, and how many sites have one of them.

    `kind` is CURRENT, BEHIND or OLD.
    """

    kind: str
    label: str
    sites: int


@dataclass(frozen=True)
class Spread:
    """The parts, none of them empty, and the number of sites by exact version, newest first."""

    parts: tuple[Part, ...]
    versions: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        return sum(part.sites for part in self.parts)

    def sites_in(self, kind: str) -> int:
        """Return the number of sites with a version of this kind."""
        return sum(part.sites for part in self.parts if part.kind == kind)


def wordpress_spread(versions: Mapping[str, int]) -> Spread:
    """Sort WordPress versions into the newest in use, others of its branch, and older branches."""
    counts = _counted(versions)
    newest = counts[0][0] if counts else ""
    kinds: dict[str, list[tuple[str, int]]] = {CURRENT: [], BEHIND: [], OLD: []}
    for version, sites in counts:
        is_old = branch(version) != branch(newest)
        kinds[CURRENT if version == newest else OLD if is_old else BEHIND].append((version, sites))
    return _spread(kinds, counts)


def php_spread(versions: Mapping[str, int], today: date) -> Spread:
    """Sort PHP branches into the newest in use, others with security fixes, and those without."""
    exact = _counted(versions)
    by_branch: Counter[str] = Counter()
    for version, sites in exact:
        by_branch[_branch_name(version)] += sites
    branches = sorted(by_branch.items(), key=lambda branch: numbers(branch[0]), reverse=True)
    kinds: dict[str, list[tuple[str, int]]] = {CURRENT: [], BEHIND: [], OLD: []}
    for position, (name, sites) in enumerate(branches):
        last_day = php_eol.ends_on(name)
        is_old = last_day is not None and last_day < today
        kinds[OLD if is_old else BEHIND if position else CURRENT].append((name, sites))
    return _spread(kinds, exact)


def _counted(versions: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the versions that can be read, with their number of sites, newest first."""
    counts = {version: sites for version, sites in versions.items() if numbers(version)}
    return sorted(counts.items(), key=lambda item: numbers(item[0]), reverse=True)


def _spread(kinds: dict[str, list[tuple[str, int]]], counts: list[tuple[str, int]]) -> Spread:
    parts = [
        Part(kind, _label(kind, [name for name, _ in members]), sum(n for _, n in members))
        for kind, members in kinds.items()
        if members
    ]
    return Spread(tuple(parts), tuple(counts))


def _label(kind: str, names: list[str]) -> str:
    if kind == OLD:
        return f"{_branch_name(names[0])} or older"
    return names[0] if len(names) == 1 else f"{names[-1]} to {names[0]}"


def _branch_name(version: str) -> str:
    return ".".join(map(str, branch(version)))
