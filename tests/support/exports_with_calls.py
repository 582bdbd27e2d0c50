"""Made-up exports with calls, which entries of the audit log summarize."""

from __future__ import annotations

from typing import Any

from app.domain.audit.merkle import Tree
from tests.support import audit_log_exports as made
from tests.support.audit_log_exports import Made

OF_A_SITE = {"site": 2}
# Number 5 was never used: its row was rolled back.
FIRST, SECOND = [1, 2, 3, 4], [6, 7, 8]


def rows_of(numbers: list[int]) -> list[list[Any]]:
    return [made.call_row(number) for number in numbers]


def an_export(*, kept_from: int = 1) -> Made:
    """Return five entries, of which two commit to seven calls."""
    entries = [
        made.entry(1, site=2),
        made.summary(2, rows_of(FIRST), first=1, last=4),
        made.entry(3, site=2),
        made.summary(4, rows_of(SECOND), first=5, last=8, kept_from=kept_from),
        made.entry(5, site=1),
    ]
    calls = [{"row": row} for row in rows_of([*FIRST, *SECOND])]
    return Made(
        made.chained(entries), site_rows=made.site_log(6), site_checkpoints_at=(2, 6), calls=calls
    )


def an_excerpt() -> Made:
    """Return only the calls to site 2, each with its Merkle path."""
    export = an_export()
    export.covers, export.calls = dict(OF_A_SITE), []
    for numbers in (FIRST, SECOND):
        tree = Tree([made.call_leaf(row) for row in rows_of(numbers)])
        for place, row in enumerate(rows_of(numbers)):
            path = [digest.hex() for digest in tree.path(place)]
            if row[2] == OF_A_SITE["site"]:
                export.calls.append({"row": row, "place": place, "path": path})
    return export
