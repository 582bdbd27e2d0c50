"""The audit log itself (exports, verifications, erasures), and alerts about contradictions."""

from __future__ import annotations

from app.domain.audit.events.base import Event, Personal


class AuditLogExported(Event):
    """An export was written; `scope` describes it, `digest` is the hash of its file."""

    scope: str
    form: str
    includes_private: bool
    entries: int
    digest: str


class RefusalsCounted(Event):
    """More refusals of one kind from one source than the log has entries for."""

    about: str
    count: int
    since: str


class ExportDownloaded(Event):
    """An export was downloaded; `digest` is the hash of the file."""

    export_id: int
    form: str
    includes_private: bool
    digest: str


class CallLogSummarized(Event):
    """The calls to sites with the numbers `first` to `last` are in the call log.

    `calls` is how many they are, `counts` how many of them had each outcome, and `root` the Merkle
    root of their rows. Calls before `kept_from` were deleted, because they are old.
    """

    first: int
    last: int
    calls: int
    counts: dict[str, int]
    root: str
    kept_from: int


class BackupCreated(Event):
    """A backup of all data and keys was started at the terminal; it contains this entry."""


class BackupRestored(Event):
    """A backup from `made_at` took the place of this database; its log had `entries` entries."""

    made_at: str
    entries: int


class VerificationRequested(Event):
    verification_id: int


class AuditLogVerified(Event):
    """The audit log is intact and matches the checkpoints that sites hold."""

    entries: int
    head: str
    checkpoints: int
    outcome: str = "succeeded"


class VerificationFailed(Event):
    """The audit log was changed; `broken_at` is the first entry that does not match."""

    broken_at: int
    reason: str
    entries: int
    outcome: str = "failed"


class VerificationFailureAcknowledged(Event):
    """A user dismissed the message about a changed log."""

    verification_id: int
    broken_at: int


class PersonalDataErased(Event):
    """The private details of `entries` entries were erased."""

    user_id: int
    entries: int
    reason: Personal


# ---- contradictions between a site's log and the audit log ----


class AlertRaised(Event):
    """A site's log and the audit log contradict each other, or one is incomplete.

    `about` is the kind of contradiction.
    """

    alert_id: int
    about: str
    evidence: dict[str, object]


class AlertClosed(Event):
    """A person resolved an alert with a note."""

    alert_id: int
    about: str
    note: Personal
