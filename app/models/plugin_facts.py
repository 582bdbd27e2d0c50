"""What is known of one plugin or theme beside its installations, in one query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from peewee import Select

from app.models.auto_update_rules import UpdateHold
from app.models.base import db
from app.models.provenance import ProvenanceChange
from app.models.wordpress_org import DirectoryEntry


@dataclass(frozen=True)
class PluginFacts:
    """What pages show of a plugin or theme.

    `ignored_on` are the sites that ignore its updates. `history` are changes of its source, the
    newest first. `entry` is None if no site has it from WordPress.org.
    """

    ignored_on: frozenset[int]
    entry: DirectoryEntry | None
    history: list[ProvenanceChange]

    @classmethod
    def read(cls, kind: str, ident: str, listed: str, slug: str, now: datetime) -> PluginFacts:
        """Read all of it; the directory and the history know the kind in the report, `listed`."""
        is_hold = (UpdateHold.kind == kind) & (UpdateHold.ident == ident)
        is_entry = (DirectoryEntry.kind == listed) & (DirectoryEntry.slug == slug)
        is_change = (ProvenanceChange.kind == listed) & (ProvenanceChange.slug == slug)
        columns = (
            UpdateHold.nested(is_hold),
            DirectoryEntry.nested(is_entry),
            ProvenanceChange.nested(is_change),
        )
        holds, entries, changes = next(iter(Select(columns=columns).bind(db).tuples()))
        held = (one.site_id for one in UpdateHold.read_nested(holds) if one.is_in_force(now))
        history = ProvenanceChange.read_nested(changes)
        return cls(
            ignored_on=frozenset(held),
            entry=next(iter(DirectoryEntry.read_nested(entries)), None),
            history=sorted(history, key=lambda one: -int(one.id)),
        )
