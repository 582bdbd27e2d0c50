"""Data of what is shown about releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.changes import release_findings
from app.domain.changes.release_findings import ReleaseWarning
from app.models.changes import Change
from app.models.release_comparisons import ReleaseComparison

# The lists of files, in the order of the page.
PARTS = ("added", "changed", "gone")


@dataclass(frozen=True)
class ReleaseLine:
    """One of the releases in a batch; `change` is one of those that install it."""

    change: Change
    state: str
    findings: dict[str, Any]
    warnings: tuple[ReleaseWarning, ...]


def release_lines(
    changes: Sequence[Change], comparisons: Mapping[int, ReleaseComparison]
) -> list[ReleaseLine]:
    """Return each compared release once, those with warnings first, then by name."""
    found: dict[int, ReleaseLine] = {}
    for change in changes:
        if (row := comparisons.get(change.id)) is not None:
            warnings = release_findings.warnings_in(row)
            found.setdefault(row.id, ReleaseLine(change, row.state, row.findings, warnings))
    return sorted(found.values(), key=lambda line: (not line.warnings, line.change.name.lower()))
