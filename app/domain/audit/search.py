"""Looking entries up: by what they concern, when, by whom, how it ended, and by words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.domain.audit import subjects
from app.domain.audit.entry_format import KINDS
from app.models import audit_search
from app.models.audit import AuditEntry
from app.models.search_terms import search_words
from app.models.visibility import EVERYTHING, Visibility


@dataclass(frozen=True)
class EntryFilter:
    """The conditions of a search; those left out match any entry.

    `person` is the id of the user who acted. `subject` is one of `subjects.SUBJECTS`. `since` is
    inclusive, `until` is not. Each of `words` has to be in the entry, or begin one of its words.
    """

    client: int | None = None
    site: int | None = None
    kind: str = ""
    component: str = ""
    person: int | None = None
    event: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None
    words: str = ""
    subject: str = subjects.EVERYTHING
    visible: Visibility = EVERYTHING


ANYTHING = EntryFilter()
DATABASE = "database"
_WORDPRESS_DATABASE = "wordpress"
# What `kind` of a search may be.
SEARCHED_KINDS = KINDS | {DATABASE}


def find_entries(
    which: EntryFilter = ANYTHING, limit: int = 50, *, before: int | None = None
) -> list[AuditEntry]:
    """Return the newest matching entries, newest first; `before` is the last number shown."""
    query = AuditEntry.with_details().order_by(AuditEntry.seq.desc()).limit(limit)
    found = [*_columns(which), *_in_time(which), *_with_words(which)]
    found.append(AuditEntry.is_visible(which.visible))
    for condition in [*found, *subjects.conditions(which.subject)]:
        query = query.where(condition)
    if before is not None:
        query = query.where(AuditEntry.seq < before)
    return list(query)


def _columns(which: EntryFilter) -> list[Any]:
    wanted: list[tuple[Any, Any]] = [
        (AuditEntry.client_id, which.client),
        (AuditEntry.site_id, which.site),
        (AuditEntry.component, which.component or None),
        (AuditEntry.actor, None if which.person is None else f"user:{which.person}"),
        (AuditEntry.event, which.event or None),
        (AuditEntry.outcome, which.outcome or None),
    ]
    found = [column == value for column, value in wanted if value is not None]
    return [*found, *_of_kind(which.kind)]


def _of_kind(kind: str) -> list[Any]:
    """Return the conditions of a kind; the column has none for databases.

    The rules of the column are for all time, and older than upgrades of databases. Those are the
    only entries about a component of this name that have no kind there.
    """
    if kind == DATABASE:
        return [AuditEntry.kind == "", AuditEntry.component == _WORDPRESS_DATABASE]
    return [AuditEntry.kind == kind] if kind else []


def _in_time(which: EntryFilter) -> list[Any]:
    """Return the range of entries in which the days lie, so that results keep the chain's order.

    A clock that was set back makes the range of a day wider and hides nothing.
    """
    if which.since is None and which.until is None:
        return []
    conditions: list[Any] = []
    first_day = last_day = None
    if which.since is not None:
        conditions.append(AuditEntry.at >= which.since)
        first_day = _day(which.since)
    if which.until is not None:
        conditions.append(AuditEntry.at < which.until)
        last_day = _day(which.until)
    span = audit_search.span_of_days(first_day, last_day)
    return [audit_search.never()] if span is None else [*conditions, AuditEntry.seq.between(*span)]


def _day(at: datetime) -> str:
    return at.astimezone(UTC).date().isoformat()


def _with_words(which: EntryFilter) -> list[Any]:
    if not which.words:
        return []
    words = search_words(which.words)
    return [audit_search.has_words(words) if words else audit_search.never()]
