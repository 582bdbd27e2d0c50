"""How the changes to one version ended, in a few columns."""

from __future__ import annotations

from app.models.changes import BAD_ENDS, SUCCEEDED, Change
from app.models.sites import Site
from app.models.visibility import Visibility


def results_of(kind: str, ident: str, version: str, visible: Visibility) -> list[Change]:
    """Return the changes to this version that succeeded, failed or were rolled back."""
    columns = (Change.id, Change.state, Change.outcome_reason, Change.ended_at, Change.evidence)
    query = Change.select(*columns).join(Site).where(visible.in_sql(Site.client))
    is_same = (Change.kind == kind) & (Change.ident == ident) & (Change.to_version == version)
    return list(query.where(is_same, Change.state.in_((SUCCEEDED, *BAD_ENDS))))
