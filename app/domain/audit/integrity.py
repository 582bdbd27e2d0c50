"""Check index columns and personal data against the hashed entries.

SQLite computes the columns from the text, so they cannot differ if the table definition is
unchanged. Elsewhere each entry is checked with the rules in entry_format.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.domain.audit import entry_format
from app.models import audit_chain
from app.models.base import is_postgres

# How the text of an entry with private details tells that it has some. Exact: within a JSON text
# no quotation mark stands without a backslash before it.
NAMES_PRIVATE = b'"private":"'
CONTRADICTS = "its index columns contradict its text"
CHANGED = "its personal data was changed"


@dataclass
class SideTableCheck:
    """The first mismatch, and the entries without their personal data.

    `erased_at` is the last entry that records an erasure.
    """

    mismatch: tuple[int, str] | None = None
    absent: list[int] = field(default_factory=list)
    erased_at: int = 0

    def note(self, seq: int, reason: str) -> None:
        if self.mismatch is None or seq < self.mismatch[0]:
            self.mismatch = (seq, reason)


def check_side_tables(last: int, private: list[int], found: SideTableCheck) -> None:
    """Check columns and details of the entries up to `last`; `private` are those with details."""
    if not _are_columns_computed():
        for row in audit_chain.indexed_rows(last):
            _judge(row, found)
    _judge_details(last, private, found)
    found.erased_at = audit_chain.last_erasure()


def _are_columns_computed() -> bool:
    """Whether SQLite computes the columns of this table, by its exact definition."""
    return not is_postgres() and audit_chain.table_definition() == f"{entry_format.COMPUTED})"


def _judge(row: tuple[Any, ...], found: SideTableCheck) -> None:
    seq, body, at, event, actor, site, client, kind, component, outcome = row
    try:
        document = json.loads(body)
        fits = (
            document["event"] == event
            and document["site"] == site
            and document["client"] == client
            and _moment(document["at"]) == at
            and entry_format.of_actor(document["actor"]) == actor
            and entry_format.of_facts(document["facts"]) == (kind, component, outcome)
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        fits = False
    if not fits:
        found.note(seq, CONTRADICTS)


def _judge_details(last: int, private: list[int], found: SideTableCheck) -> None:
    """Check that details match the hash in their entry, and that no details are missing."""
    present = set()
    for seq, salt, detail, entry_body in audit_chain.detail_rows(last):
        present.add(seq)
        if not _are_of_entry(salt, detail, entry_body):
            found.note(seq, CHANGED)
    found.absent = [seq for seq in private if seq not in present]


def _are_of_entry(salt: Any, detail: Any, entry_body: str | None) -> bool:
    """Whether the hash in the body of an entry is that of these details."""
    try:
        digest = entry_format.private_details_hash(bytes.fromhex(salt), detail)
    except (ValueError, TypeError, AttributeError):
        # Who changed the row may have put anything there: no hex, no text, or nothing.
        return False
    return f'"private":"{digest}"' in (entry_body or "")


def _moment(at: str) -> str | datetime:
    """Return a time of a body in the form in which the database driver returns the column."""
    if is_postgres():
        return datetime.fromisoformat(at).astimezone(UTC)
    return at.replace("T", " ", 1)
