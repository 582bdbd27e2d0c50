"""Releases with warnings that auto-update rules leave to people, each once for all of its sites."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from app.models.changes import Change
from app.package_oddities import WARNINGS

_KEY_CHARS = 32


@dataclass(frozen=True)
class WarnedRelease:
    """A version of a plugin or theme, its warnings (codes, the worst first), and the proposals."""

    warnings: tuple[str, ...]
    changes: tuple[Change, ...]

    @property
    def first(self) -> Change:
        """Return the oldest proposal."""
        return self.changes[-1]

    @property
    def key(self) -> str:
        """Return what is the same for all proposals of this version."""
        about = "\n".join((self.first.kind, self.first.ident, self.first.to_version))
        return hashlib.sha256(about.encode()).hexdigest()[:_KEY_CHARS]

    @property
    def name(self) -> str:
        return f"{self.first.name} {self.first.to_version}"

    @property
    def since(self) -> datetime:
        at: datetime = self.first.proposed_at
        return at

    @property
    def site_names(self) -> list[str]:
        """Return the names of its sites, each once."""
        return list(dict.fromkeys(one.site.name for one in reversed(self.changes)))

    @property
    def client_ids(self) -> frozenset[int | None]:
        return frozenset(one.site.client_id for one in self.changes)

    @property
    def path(self) -> str:
        """Return where all of its proposals are decided."""
        if len(self.changes) == 1:
            return f"/changes/{self.first.id}"
        is_one = len({one.batch for one in self.changes}) == 1
        return f"/updates/{self.first.batch}" if is_one else "/updates/waiting"


def warned_releases(
    changes: Iterable[Change], warned: Mapping[int, tuple[str, ...]]
) -> list[WarnedRelease]:
    """Group those of the changes, newest first, that have warnings by what they install."""
    groups: dict[tuple[str, str, str], list[Change]] = {}
    for change in changes:
        if change.id in warned:
            about = (change.kind, change.ident, change.to_version)
            groups.setdefault(about, []).append(change)
    return [_release(group, warned) for group in groups.values()]


def _release(group: list[Change], warned: Mapping[int, tuple[str, ...]]) -> WarnedRelease:
    found = {code for change in group for code in warned[change.id]}
    return WarnedRelease(tuple(code for code in WARNINGS if code in found), tuple(group))
