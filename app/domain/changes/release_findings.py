"""What a person reads about a release before they approve it, and what a rule stops at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from app.domain.changes import change_plan, packages
from app.domain.changes.release_comparisons import COMPARED_KINDS
from app.models.changes import Change
from app.models.file_checks import NOT_COMPARED as FILES_NOT_COMPARED
from app.models.file_checks import ComparedComponent
from app.models.release_comparisons import DONE, WAITING, ReleaseComparison
from app.package_oddities import WARNINGS

# ReleaseFindings.state beside those of a comparison: only the site has the package.
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
class ReleaseFindings:
    """What is known about the release that a change installs.

    `found` is what app/release_contents.py returns; empty unless the state is *done*.
    `package_check` is who has seen the package, as KnownPackage.state. `wordpress` and `php` are
    the versions on the site. `edits` are files of the installed version that were edited there and
    that the update overwrites: their number and the names that the site sent, or None if unknown.
    """

    state: str
    problem: str
    found: dict[str, Any]
    warnings: tuple[ReleaseWarning, ...]
    package_check: str
    wordpress: str
    php: str
    edits: tuple[int, list[str]] | None

    @property
    def is_compared(self) -> bool:
        """Whether both packages were read to the end."""
        return self.state == DONE and self.found.get("is_complete") is True

    @property
    def needs_person(self) -> bool:
        """Whether a rule will not approve it: there are warnings, or Aura cannot tell."""
        is_open = self.state in (WAITING, ELSEWHERE)
        return not is_open and (not self.is_compared or bool(self.warnings))

    @property
    def is_shown(self) -> bool:
        """Whether there is a list of files to show."""
        return self.state == DONE and "files" in self.found


def findings_of(change: Change) -> ReleaseFindings | None:
    """Return the card of a change; None for kinds without one, and before its pre-check."""
    key = _key(change)
    if key is None:
        return None
    document = change.document.encode("utf-8")
    host = change_plan.item_in(document)["package_host"]
    found = ReleaseComparison.beside_package(
        *key, version=change.to_version, host=host, site_id=change.site_id
    )
    if found is None:
        return None
    (package, row, files), site = found, change_plan.environment_in(document)
    return ReleaseFindings(
        state=row.state if row else NOT_COMPARED if package.path else ELSEWHERE,
        problem=row.problem if row else "",
        found=row.findings if row else {},
        warnings=warnings_in(row) if row else (),
        package_check=package.state,
        wordpress=site["wp"],
        php=site["php"],
        edits=_edits(files, change.from_version),
    )


def _edits(files: ComparedComponent | None, installed: str) -> tuple[int, list[str]] | None:
    if files is None or files.version != installed or files.state == FILES_NOT_COMPARED:
        return None
    return files.changed, list(files.changed_files)


def comparison_of(change: Change) -> ReleaseComparison | None:
    """Return the comparison of the installed version with the package that a plan names."""
    key = _key(change)
    return ReleaseComparison.find(*key) if key else None


def warnings(change: Change) -> tuple[ReleaseWarning, ...]:
    """Return what a person has to judge before this release is installed, the worst first."""
    return warnings_by_change([change]).get(change.id, ())


def warnings_by_change(changes: Iterable[Change]) -> dict[int, tuple[ReleaseWarning, ...]]:
    """Return the warnings of those changes that have any, by id."""
    return {
        change_id: found
        for change_id, row in comparisons_by_change(changes).items()
        if (found := warnings_in(row))
    }


def comparisons_by_change(changes: Iterable[Change]) -> dict[int, ReleaseComparison]:
    """Return the comparisons of those changes that have one, by id.

    One query reads those of fifty releases.
    """
    keys = {change.id: key for change in changes if (key := _key(change))}
    rows = {
        (row.kind, row.ident, row.from_version, row.to_sha256): row
        for row in ReleaseComparison.find_all(keys.values())
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
    row = comparison_of(change)
    if row is None or row.state != DONE or not row.findings["is_complete"]:
        return False
    return not warnings_in(row)


def _key(change: Change) -> tuple[str, str, str, str] | None:
    if change.kind not in COMPARED_KINDS or not change.document:
        return None
    sha256 = change_plan.item_in(change.document.encode("utf-8")).get("package_sha256")
    return (change.kind, change.ident, change.from_version, sha256) if sha256 else None


def warnings_in(row: ReleaseComparison) -> tuple[ReleaseWarning, ...]:
    """Return the warnings of a comparison, the worst first; none until it is done."""
    odd: dict[str, dict[str, Any]] = row.findings.get("odd", {})
    return tuple(
        ReleaseWarning(code, tuple(odd[code]["names"]), odd[code]["count"])
        for code in WARNINGS
        if code in odd
    )
