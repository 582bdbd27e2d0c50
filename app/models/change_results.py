"""The changes to one version on many sites, with the columns that tell how they ended."""

from __future__ import annotations

from app.models.changes import Change
from app.models.sites import Site
from app.models.visibility import Visibility


def changes_to(kind: str, ident: str, version: str, visible: Visibility) -> list[Change]:
    """Return all changes to this version on visible sites, oldest first."""
    columns = (
        *(Change.id, Change.site, Change.rule, Change.state, Change.outcome_reason),
        *(Change.ended_at, Change.evidence),
    )
    query = Change.select(*columns).join(Site).where(visible.in_sql(Site.client))
    is_same = (Change.kind == kind) & (Change.ident == ident) & (Change.to_version == version)
    return list(query.where(is_same).order_by(Change.id))
