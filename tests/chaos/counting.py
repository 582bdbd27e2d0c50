"""Compare the results of changes in Aura with the logs and files of the sites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain import audit
from app.domain.audit.documents import entry_document
from app.models.audit import AuditEntry
from app.models.changes import ENDED, Change
from tests.chaos.fleet import NEW
from tests.support.fakes import FakeSite

_ONCE = ("change_proposed", "change_checked", "change_approved", "change_ended")


@dataclass
class Counts:
    """The results of the changes, and counts that must be zero."""

    broken: Counter[str]
    chain_is_whole: bool
    changes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    sent_twice: int = 0
    double_executions: int = 0
    wrong_outcomes: int = 0
    missing_entries: int = 0
    not_ended: int = 0

    @property
    def is_clean(self) -> bool:
        wrong = (self.sent_twice, self.double_executions, self.wrong_outcomes)
        return self.chain_is_whole and not any((*wrong, self.missing_entries, self.not_ended))

    def __str__(self) -> str:
        return (
            f"{self.changes} changes\n"
            f"  broken: {_listed(self.broken)}\n"
            f"  outcomes: {_listed(self.outcomes)}\n"
            f"  sent twice {self.sent_twice}, double executions {self.double_executions},"
            f" wrong outcomes {self.wrong_outcomes}, missing entries {self.missing_entries},"
            f" not ended {self.not_ended}, chain whole: {'yes' if self.chain_is_whole else 'NO'}"
        )


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{what} {times}" for what, times in sorted(counter.items()))


def count(sites: Mapping[int, FakeSite], broken: Counter[str]) -> Counts:
    """Count every change in the bound database; `sites` maps ids to sites."""
    counts = Counts(broken, audit.verify_chain().is_whole)
    audit_log = _audit_log()
    for change in Change.select():
        fake = sites[change.site_id]
        counts.changes += 1
        counts.outcomes[change.state] += 1
        counts.not_ended += change.state not in ENDED
        counts.sent_twice += fake.changes.asked[change.op_id] > 1
        counts.double_executions += fake.changes.installs[change.op_id] > 1
        counts.wrong_outcomes += (change.state, change.outcome_reason) != _truth(change, fake)
        counts.missing_entries += not _is_recorded(change, audit_log.get(change.id, Counter()))
    return counts


def _audit_log() -> dict[int, Counter[str]]:
    """Return how often each event was recorded, by the id of the change."""
    found: dict[int, Counter[str]] = {}
    for entry in AuditEntry.select():
        facts: dict[str, Any] = entry_document(entry)["facts"]
        if "change_id" in facts:
            found.setdefault(facts["change_id"], Counter())[entry.event] += 1
    return found


def _truth(change: Change, fake: FakeSite) -> tuple[str, str]:
    """Return what really happened, by the log and files of the site."""
    if change.op_id not in fake.changes.ledger:
        return ("failed", "never_arrived") if change.digest else ("expired", "")
    result = fake.changes.ledger[change.op_id][1]
    on_disk = fake.changes.version_of(fake, "plugin", change.ident)
    if result["outcome"] == "succeeded" and on_disk != NEW:
        return "a lie", ""
    return result["outcome"], result["reason"] or ""


def _is_recorded(change: Change, events: Counter[str]) -> bool:
    """Return whether each event of the change was recorded once."""
    if not change.digest:
        return events["change_proposed"] == 1
    return events["change_started"] >= 1 and all(events[name] == 1 for name in _ONCE)
