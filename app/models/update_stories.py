"""What the audit log says about each update of some sites, grouped in SQL."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, NamedTuple

from peewee import SQL, Case, fn

from app.models.audit import AuditEntry
from app.models.base import is_postgres, json_rows

# An update leaves at least these, and no others if it is approved and succeeds.
_USUAL = (
    "change_proposed",
    "approval_requested",
    "change_checked",
    "change_approved",
    "change_started",
)


class UpdateStory(NamedTuple):
    """An update: its number and component, and the numbers of all its entries, oldest first.

    `success` is the entry of its success, unless anything else than that happened to it or it was
    before the period. Of many updates, those with a `success` have no other entries.
    """

    change_id: int
    site_id: int
    kind: str
    component: str
    success: int | None
    seqs: tuple[int, ...]


def stories_column(
    is_about: Any, since: Any, until: Any, events: Collection[str], *, most_whole: int
) -> Any:
    """Return the updates as one column of another query; `read_stories` reads it.

    They are those with entries from `since` until `until`. `is_about` is the condition that an
    entry is about one of the sites, and `events` are those of updates. More than `most_whole` are
    many.
    """
    entry = AuditEntry
    is_success = (entry.event == "change_ended") & (entry.outcome == "succeeded")
    success = fn.MAX(Case(None, ((is_success & (entry.at >= since), entry.seq),)))
    unusual = fn.SUM(Case(None, ((entry.event.in_(_USUAL) | is_success, 0),), 1))
    if is_postgres():
        change_id = fn.json_extract_path_text(entry.body.cast("json"), "facts", "change_id")
        seqs = fn.STRING_AGG(entry.seq.cast("text"), ",")
    else:
        change_id = fn.json_extract(entry.body, "$.facts.change_id")
        seqs = fn.GROUP_CONCAT(entry.seq)
    story = (
        entry.select(
            change_id.alias("change_id"),
            fn.MAX(entry.site_id).alias("site_id"),
            fn.MAX(entry.kind).alias("kind"),
            fn.MAX(entry.component).alias("component"),
            Case(None, ((unusual == 0, success),)).alias("success"),
            seqs.alias("seqs"),
            fn.COUNT(SQL("*")).over().alias("stories"),
        )
        .where(is_about, entry.event.in_(events), entry.at < until)
        # By position: PostgreSQL does not see that an expression with parameters is the same.
        .group_by(SQL("1"))
        .having(fn.MAX(entry.at) >= since)
        .alias("story")
    )
    *columns, seqs = (getattr(story.c, name) for name in UpdateStory._fields)
    is_whole = story.c.success.is_null() | (story.c.stories <= most_whole)
    columns.append(Case(None, ((is_whole, seqs),), ""))
    return entry.select(json_rows(columns)).from_(story)


def read_stories(column: str | None) -> list[UpdateStory]:
    """Return the updates in a column of `stories_column`, the newest proposal first."""
    found = []
    for change_id, site_id, kind, component, success, seqs in json.loads(column or "[]"):
        numbers = tuple(sorted(map(int, str(seqs).split(",") if seqs else ())))
        story = UpdateStory(int(change_id), site_id, kind, component, success, numbers)
        found.append(story)
    return sorted(found, key=lambda story: story.change_id, reverse=True)
