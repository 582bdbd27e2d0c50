"""Events about the audit log itself: exports, verifications and erasures."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.audit.events.base import Event, Personal


@dataclass(frozen=True, kw_only=True)
class TrailExported(Event):
    """The audit log was exported.

    `scope` describes in words what it covered, `digest` is that of the file.
    """

    scope: str
    form: str
    has_private: bool
    entries: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class RefusalsCounted(Event):
    """More refusals of one kind from one source, beyond those that are entries of their own."""

    about: str
    count: int
    since: str


@dataclass(frozen=True, kw_only=True)
class ExportDownloaded(Event):
    """An export left Aura; `digest` is of the file."""

    export_id: int
    form: str
    has_private: bool
    digest: str


@dataclass(frozen=True, kw_only=True)
class VerificationAsked(Event):
    verification_id: int


@dataclass(frozen=True, kw_only=True)
class TrailVerified(Event):
    """Every entry and every checkpoint that a site holds was verified."""

    entries: int
    head: str
    marks: int
    outcome: str = "succeeded"


@dataclass(frozen=True, kw_only=True)
class TrailBroken(Event):
    """A verification failed.

    `broken_at` is the first entry that fits neither the previous one nor its own details.
    """

    broken_at: int
    reason: str
    entries: int
    outcome: str = "failed"


@dataclass(frozen=True, kw_only=True)
class TrailBreakSeen(Event):
    """A person acknowledged the result of a failed verification."""

    verification_id: int
    broken_at: int


@dataclass(frozen=True, kw_only=True)
class PersonErased(Event):
    """The private details of `entries` entries were erased.

    `older` entries name this person in the chain itself, as all did before details were stored
    separately. They stay.
    """

    member_id: int
    entries: int
    older: int
    reason: Personal
