"""The trail's own life: exported, verified, found broken, and emptied of a person."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.audit.events.base import Event, Personal


@dataclass(frozen=True, kw_only=True)
class TrailExported(Event):
    """`scope` says in words what it was of, `digest` is of the file that was handed out."""

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
    """Every entry fits, and so does every mark that a site holds."""

    entries: int
    head: str
    marks: int
    outcome: str = "succeeded"


@dataclass(frozen=True, kw_only=True)
class TrailBroken(Event):
    """`broken_at` is the first entry that does not fit what stands before it, or beside it."""

    broken_at: int
    reason: str
    entries: int
    outcome: str = "failed"


@dataclass(frozen=True, kw_only=True)
class TrailBreakSeen(Event):
    """Somebody looked at what a verification had found."""

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
