"""Data about where a plugin or theme comes from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.domain import permissions
from app.domain.actor import Actor
from app.domain.vulnerabilities.slugs import slug_of
from app.domain.wordpress_org import Entry
from app.models.changes import Change
from app.models.plugin_facts import PluginFacts
from app.models.provenance import OpenChange, ProvenanceChange
from app.views.page_context import urgent_items

_KINDS = ("plugin", "theme")


@dataclass(frozen=True)
class PluginSource:
    """What WordPress.org says of a plugin or theme, and the changes of its source.

    `entry` is None if no site has it from WordPress.org. `may_accept` says whether this person may
    accept a change, which is about all clients.
    """

    entry: Entry | None
    history: list[ProvenanceChange]
    may_accept: bool

    @property
    def open_changes(self) -> list[ProvenanceChange]:
        return [one for one in self.history if one.is_open]


def plugin_source(actor: Actor, kind: str, facts: PluginFacts) -> PluginSource | None:
    """Return the data; None for what has no source, such as WordPress itself."""
    if kind not in _KINDS:
        return None
    is_allowed = permissions.is_allowed(actor.role, "auto_update_rules")
    return PluginSource(
        entry=facts.entry,
        history=facts.history,
        may_accept=is_allowed and permissions.visibility_of(actor).is_everything,
    )


def open_changes_of_update(change: Change) -> list[ProvenanceChange]:
    """Return the open changes of the source of what an update is about; it was read with them."""
    slug, found = slug_of(change.kind, change.ident), change.source_changes
    listed = (one for one in ProvenanceChange.read_nested(found) if one.kind == change.kind)
    return sorted((one for one in listed if one.slug == slug), key=lambda one: -int(one.id))


def open_changes_of(updates: Iterable[Change], actor: Actor) -> list[ProvenanceChange]:
    """Return the open changes of sources of what these updates are about.

    Each page of the agency has read them for what needs attention already.
    """
    if permissions.is_allowed(actor.role, "audit"):
        rows = (item.row for item in urgent_items())
        found = [row.change for row in rows if isinstance(row, OpenChange)]
    else:
        found = ProvenanceChange.all_open()
    named = {(one.kind, slug_of(one.kind, one.ident)) for one in updates}
    return [one for one in found if (one.kind, one.slug) in named]
