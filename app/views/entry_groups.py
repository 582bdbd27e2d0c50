"""Runs of entries that say the same, as one line: a night of updates is one result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from app.domain.audit.documents import entry_document
from app.models.audit import AuditEntry

# Events that one decision or one night records once for each update, with the outcome that is
# usual. Anything unusual keeps its own line.
_FOLDED = {
    "change_proposed": "",
    "approval_requested": "",
    "change_approved": "",
    "change_cancelled": "",
    "change_expired": "",
    "change_ended": "succeeded",
}
_FOLDED_FROM = 3


@dataclass(frozen=True)
class EntryGroup:
    """One entry, or at least three of one event and one actor in a row."""

    entries: tuple[AuditEntry, ...]

    @property
    def first(self) -> AuditEntry:
        return self.entries[0]

    @property
    def is_folded(self) -> bool:
        return len(self.entries) > 1

    @property
    def site_ids(self) -> list[int]:
        """Return the sites that the entries are about, each once."""
        found = (one.site_id for one in self.entries if one.site_id is not None)
        return list(dict.fromkeys(found))


def entry_groups(entries: Iterable[AuditEntry]) -> list[EntryGroup]:
    """Return the entries in their order, with runs of the same event folded into one group."""
    found = []
    for _, members in groupby(entries, _likeness):
        run = tuple(members)
        is_folded = len(run) >= _FOLDED_FROM
        found += [EntryGroup(run)] if is_folded else [EntryGroup((one,)) for one in run]
    return found


def _likeness(entry: AuditEntry) -> tuple[object, ...]:
    """Return what entries of one group have in common; the number of the entry if it is alone."""
    if _FOLDED.get(entry.event) != entry.outcome:
        return (entry.seq,)
    # Who approved, which may be a rule, is not the actor of the entry.
    return entry.event, entry.actor, entry_document(entry)["facts"].get("approver")
