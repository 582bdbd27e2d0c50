"""The audit log itself: exports, verifications and erasures."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.audit.events.base import Event, Personal


@dataclass(frozen=True, kw_only=True)
class AuditLogExported(Event):
    """An export was written; `scope` describes it, `digest` is the hash of its file."""

    scope: str
    form: str
    includes_private: bool
    entries: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class RefusalsCounted(Event):
    """More refusals of one kind from one source than the log has entries for."""

    about: str
    count: int
    since: str


@dataclass(frozen=True, kw_only=True)
class ExportDownloaded(Event):
    """An export was downloaded; `digest` is the hash of the file."""

    export_id: int
    form: str
    includes_private: bool
    digest: str


@dataclass(frozen=True, kw_only=True)
class VerificationRequested(Event):
    verification_id: int


@dataclass(frozen=True, kw_only=True)
class AuditLogVerified(Event):
    """The audit log is intact and matches the checkpoints that sites hold."""

    entries: int
    head: str
    checkpoints: int
    outcome: str = "succeeded"


@dataclass(frozen=True, kw_only=True)
class VerificationFailed(Event):
    """The audit log was changed; `broken_at` is the first entry that does not match."""

    broken_at: int
    reason: str
    entries: int
    outcome: str = "failed"


@dataclass(frozen=True, kw_only=True)
class VerificationFailureAcknowledged(Event):
    """A user dismissed the message about a changed log."""

    verification_id: int
    broken_at: int


@dataclass(frozen=True, kw_only=True)
class PersonalDataErased(Event):
    """The private details of `entries` entries were erased."""

    user_id: int
    entries: int
    reason: Personal
