"""What a person reads about a release before they approve it, and what a rule stops at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.changes import change_plan, packages
from app.domain.changes.release_comparisons import COMPARED_KINDS
from app.models.changes import Change
from app.models.packages import KnownPackage
from app.models.release_comparisons import DONE, ReleaseComparison
from app.package_oddities import WARNINGS

# ReleaseCard.state beside those of a comparison: only the site has the package.
ELSEWHERE = "elsewhere"
# Its result was deleted, or it was reviewed before Aura compared releases.
NOT_COMPARED = "not_compared"


@dataclass(frozen=True)
class ReleaseWarning:
    """Something in a release that a person has to judge: a code of WARNINGS, and the files."""

    code: str
    files: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class ReleaseCard:
    """What is known about the release that a change installs.

    `findings` are those of app/release_contents.py; empty unless the state is *done*. `wordpress`
    and `php` are the versions on the site.
    """

    state: str
    problem: str
    findings: dict[str, Any]
    warnings: tuple[ReleaseWarning, ...]
    first_seen_at: datetime | None
    package_size: int
    package_files: int
    wordpress: str
    php: str

    @property
    def is_compared(self) -> bool:
        """Whether both packages were read to the end."""
        return self.state == DONE and self.findings.get("is_complete") is True

    @property
    def is_shown(self) -> bool:
        """Whether there is a list of files to show."""
        return self.state == DONE and "files" in self.findings


def card_of(change: Change) -> ReleaseCard | None:
    """Return the card of a change; None for kinds without one, and before its pre-check."""
    known = packages.find_known(change)
    if known is None:
        return None
    row = comparison_of(change, known) if known.path else None
    state = row.state if row else NOT_COMPARED if known.path else ELSEWHERE
    site = change_plan.environment_in(change.document.encode("utf-8"))
    findings = row.findings if row and row.state == DONE else {}
    return ReleaseCard(
        state=state,
        problem=row.problem if row else "",
        findings=findings,
        warnings=_warnings_in(findings),
        first_seen_at=known.first_seen_at,
        package_size=known.size,
        package_files=known.files,
        wordpress=site["wp"],
        php=site["php"],
    )


def comparison_of(change: Change, known: KnownPackage) -> ReleaseComparison | None:
    """Return the comparison of the versions of a change, if it was requested."""
    return ReleaseComparison.find(change.kind, change.ident, change.from_version, known.sha256)


def warnings(change: Change) -> tuple[ReleaseWarning, ...]:
    """Return what a person has to judge before this release is installed, the worst first."""
    return warnings_by_change([change]).get(change.id, ())


def warnings_by_change(changes: Iterable[Change]) -> dict[int, tuple[ReleaseWarning, ...]]:
    """Return the warnings of those changes that have any, by id, in one query."""
    return {
        change_id: found
        for change_id, row in comparisons_by_change(changes).items()
        if (found := _warnings_in(row.findings))
    }


def comparisons_by_change(changes: Iterable[Change]) -> dict[int, ReleaseComparison]:
    """Return the comparisons of those changes that have one, by id, in one query."""
    keys = {change.id: key for change in changes if (key := _key(change))}
    rows = {
        (row.kind, row.ident, row.from_version, row.to_sha256): row
        for row in ReleaseComparison.find_all(sorted(set(keys.values())))
    }
    return {change_id: rows[key] for change_id, key in keys.items() if key in rows}


def may_be_left_to_rule(change: Change) -> bool:
    """Whether a rule may approve a change: the known package, and a release without warnings.

    One of WordPress.org that Aura has not compared to the end may have some.
    """
    if not packages.may_be_left_to_rule(change):
        return False
    known = packages.find_known(change) if change.kind in COMPARED_KINDS else None
    if known is None or not known.path:
        return True
    row = comparison_of(change, known)
    if row is None or row.state != DONE or not row.findings["is_complete"]:
        return False
    return not _warnings_in(row.findings)


def _key(change: Change) -> tuple[str, str, str, str] | None:
    if change.kind not in COMPARED_KINDS or not change.document:
        return None
    sha256 = change_plan.item_in(change.document.encode("utf-8")).get("package_sha256")
    return (change.kind, change.ident, change.from_version, sha256) if sha256 else None


def _warnings_in(findings: dict[str, Any]) -> tuple[ReleaseWarning, ...]:
    odd: dict[str, dict[str, Any]] = findings.get("odd", {})
    return tuple(
        ReleaseWarning(code, tuple(odd[code]["names"]), odd[code]["count"])
        for code in WARNINGS
        if code in odd
    )
