"""The call log in an export, so that anyone can hold it to the audit log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from app.domain.audit import call_log
from app.domain.audit.export_scope import ExportScope
from app.domain.audit.merkle import Tree
from app.models.call_log import SiteCall
from app.models.sites import Site


def exported_calls(
    covered: ExportScope, last: int, seen: Callable[[], object]
) -> Iterator[dict[str, Any]]:
    """Yield the kept calls in scope that entries up to `last` summarize.

    In an excerpt each has its place in its summary, and the path from it to the summary's root.
    `seen` is called before each summary.
    """
    site_ids = _site_ids(covered)
    for summary in call_log.kept_summaries(last):
        seen()
        calls = SiteCall.stream(summary.first, summary.last)
        if covered.is_whole:
            yield from ({"row": call_log.row_of(call)} for call in calls)
            continue
        tree, wanted = _tree_and_calls(calls, covered, site_ids)
        for place, call in wanted:
            path = [digest.hex() for digest in tree.path(place)]
            yield {"row": call_log.row_of(call), "place": place, "path": path}


def _tree_and_calls(
    calls: Iterable[SiteCall], covered: ExportScope, site_ids: set[int] | None
) -> tuple[Tree, list[tuple[int, SiteCall]]]:
    """Return the tree over the calls of a summary, and those in scope with their places."""
    leaves, wanted = [], []
    for place, call in enumerate(calls):
        leaves.append(call_log.leaf_hash(call))
        is_of_site = site_ids is None or call.site_id in site_ids
        is_after = covered.since is None or call.at >= covered.since
        is_before = covered.until is None or call.at < covered.until
        if is_of_site and is_after and is_before:
            wanted.append((place, call))
    return Tree(leaves), wanted


def _site_ids(covered: ExportScope) -> set[int] | None:
    """Return the sites in scope; None for all."""
    if covered.site is not None:
        return {covered.site}
    if covered.client is not None:
        return {site.id for site in Site.select(Site.id).where(Site.client == covered.client)}
    return None
