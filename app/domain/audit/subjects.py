"""What entries are about, for the filters of the activity page."""

from __future__ import annotations

from typing import Any

from app.domain.audit.events import REGISTRY
from app.models.audit import AuditEntry

# The filters: what people and Aura decided and did; by people; updates; connections; everything.
HIGHLIGHTS = "highlights"
PEOPLE = "people"
UPDATES = "updates"
CONNECTIONS = "connections"
EVERYTHING = "everything"
SUBJECTS = (HIGHLIGHTS, PEOPLE, UPDATES, CONNECTIONS, EVERYTHING)

# What syncs leave, and the steps between a decision about an update and its result.
_ROUTINE = (
    *("site_called", "report_received", "refusals_counted", "call_log_summarized"),
    *("change_checked", "change_started", "change_waiting"),
)
# Only what a person requested of these is worth showing; the rest is repeated by the schedule.
_ROUTINE_UNLESS_REQUESTED = (
    *("sync_requested", "sync_failed", "site_recovered"),
    *("diagnostics_requested", "diagnostics_completed"),
)


def event_subject(event: str) -> str:
    """Return the name of the module that declares an event; empty for an unknown event."""
    declared = REGISTRY.get(event)
    return declared.__module__.rpartition(".")[2] if declared else ""


def conditions(subject: str) -> list[Any]:
    """Return the conditions on AuditEntry for a filter; none for EVERYTHING."""
    if subject == EVERYTHING:
        return []
    if subject == UPDATES:
        return [AuditEntry.event.in_([*_declared_in("changes"), *_declared_in("rollouts")])]
    if subject == CONNECTIONS:
        events = ["alert_raised", "alert_closed", "sync_failed", "report_refused"]
        return [AuditEntry.event.in_([*_declared_in("connection"), *events])]
    is_person = AuditEntry.actor.startswith("user:")
    found = [
        AuditEntry.event.not_in(_ROUTINE),
        AuditEntry.event.not_in(_ROUTINE_UNLESS_REQUESTED) | is_person,
    ]
    return [*found, is_person] if subject == PEOPLE else found


def _declared_in(module: str) -> list[str]:
    return [event for event in REGISTRY if event_subject(event) == module]
