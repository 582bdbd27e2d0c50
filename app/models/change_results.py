"""The changes around one: those to the same version, and those of the same batch."""

from __future__ import annotations

from app.models.changes import Change
from app.models.sites import Site
from app.models.visibility import Visibility

# What lists show, and what tells how a change ended.
_COLUMNS = (
    *(Change.id, Change.site, Change.batch, Change.kind, Change.ident, Change.name),
    *(Change.from_version, Change.to_version, Change.rule, Change.state, Change.outcome_reason),
    *(Change.requested_at, Change.ended_at, Change.evidence),
    *(Site.id, Site.name, Site.forgotten_at),
)


def changes_to(kind: str, ident: str, version: str, visible: Visibility) -> list[Change]:
    """Return all changes to this version on visible sites, oldest first."""
    is_same = (Change.kind == kind) & (Change.ident == ident) & (Change.to_version == version)
    query = Change.select(*_COLUMNS).join(Site).where(visible.in_sql(Site.client), is_same)
    return list(query.order_by(Change.id))


def changes_around(change: Change, visible: Visibility) -> tuple[list[Change], list[Change]]:
    """Return the visible changes to the same version, and the others of its batch: one query.

    Both are in the order in which they were proposed.
    """
    kind, ident, version = change.kind, change.ident, change.to_version
    is_same = (Change.kind == kind) & (Change.ident == ident) & (Change.to_version == version)
    query = Change.select(*_COLUMNS).join(Site).where(visible.in_sql(Site.client))
    query = query.where(is_same | (Change.batch == change.batch)).order_by(Change.id)
    found = list(query)
    return (
        [one for one in found if (one.kind, one.ident, one.to_version) == (kind, ident, version)],
        [
            one
            for one in found
            if one.batch == change.batch
            and one.id != change.id
            and one.site.forgotten_at is None
            and (one.requested_at is not None or not visible.only_requested)
        ],
    )
