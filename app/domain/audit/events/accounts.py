"""Accounts, sessions and what people were refused."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.audit.events.base import Event, Personal


@dataclass(frozen=True, kw_only=True)
class OwnerCreated(Event):
    member_id: int
    name: Personal


@dataclass(frozen=True, kw_only=True)
class MemberCreated(Event):
    member_id: int
    name: Personal
    role: str


@dataclass(frozen=True, kw_only=True)
class SignedIn(Event):
    member_id: int
    session_id: int


@dataclass(frozen=True, kw_only=True)
class SignInFailed(Event):
    """A sign-in failed.

    `subject_hash` is salted, so the log is no list of the addresses that people typed.
    """

    subject_hash: str
    reason: str
    outcome: str = "refused"


@dataclass(frozen=True, kw_only=True)
class SignedOut(Event):
    member_id: int
    session_id: int


@dataclass(frozen=True, kw_only=True)
class SessionEnded(Event):
    """`name` is whose session it was; the actor may be an owner who shut them out."""

    member_id: int
    session_id: int
    name: Personal


@dataclass(frozen=True, kw_only=True)
class InvitationIssued(Event):
    """A member got a new link to choose a password by; what they held before ended."""

    member_id: int
    name: Personal


@dataclass(frozen=True, kw_only=True)
class PasswordChosen(Event):
    member_id: int


@dataclass(frozen=True, kw_only=True)
class PasswordChanged(Event):
    member_id: int


@dataclass(frozen=True, kw_only=True)
class IdentityConfirmed(Event):
    """A signed-in user re-entered their password."""

    session_id: int


@dataclass(frozen=True, kw_only=True)
class PasswordRefused(Event):
    """A wrong password was entered in an open session, perhaps by another person."""

    session_id: int
    reason: str
    outcome: str = "refused"


@dataclass(frozen=True, kw_only=True)
class MemberDisabled(Event):
    member_id: int
    name: Personal


@dataclass(frozen=True, kw_only=True)
class MemberEnabled(Event):
    member_id: int
    name: Personal


@dataclass(frozen=True, kw_only=True)
class RoleChanged(Event):
    """`client` names whose sites alone they see from now on, if so."""

    member_id: int
    name: Personal
    role: str
    was: str
    client: str


@dataclass(frozen=True, kw_only=True)
class AccessRefused(Event):
    """A signed-in user requested what their role does not allow."""

    verb: str
    outcome: str = "refused"


@dataclass(frozen=True, kw_only=True)
class FormRefused(Event):
    """A form came without proof that a page of Aura had served it."""

    endpoint: str
    outcome: str = "refused"
