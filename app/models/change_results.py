"""Some of the changes: to the same version, of the same batch, or only reviewed by the agency."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from app.models.changes import Change
from app.models.clients import Client
from app.models.sites import Site
from app.models.visibility import Visibility

# What lists show, and what tells how a change ended.
_COLUMNS = (
    *(Change.id, Change.site, Change.batch, Change.kind, Change.ident, Change.name),
    *(Change.from_version, Change.to_version, Change.rule, Change.state, Change.outcome_reason),
    *(Change.requested_at, Change.how, Change.ended_at, Change.evidence),
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
            and visible.has_update(one)
        ],
    )


def only_reviewed(client: Client, change_ids: Collection[int]) -> set[int]:
    """Return which of these changes of a client its users do not see."""
    if not change_ids:
        return set()
    # A range, because databases limit the parameters of a statement.
    query = Change.select(Change.id).join(Site).where(Site.client == client)
    query = query.where(Change.id.between(min(change_ids), max(change_ids)))
    theirs = Visibility(frozenset({client.id}), only_requested=True)
    rows: Any = query.where(~theirs.has_update_in_sql(Change)).tuples()
    return {change_id for (change_id,) in rows}
