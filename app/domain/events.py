"""Everything the audit trail can say, declared one by one.

An event is a frozen dataclass of plain JSON values; its name in the trail is its
class name in snake_case. Facts never hold a secret, nor a stranger's address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

REGISTRY: dict[str, type[Event]] = {}


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened. `site_id` is set when it concerns one site."""

    site_id: int | None = None

    def __init_subclass__(cls) -> None:
        REGISTRY[cls.event_name()] = cls

    @classmethod
    def event_name(cls) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def facts(self) -> dict[str, object]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "site_id"}


# ---- people ----


@dataclass(frozen=True, kw_only=True)
class OwnerCreated(Event):
    member_id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class MemberCreated(Event):
    member_id: int
    name: str
    role: str


@dataclass(frozen=True, kw_only=True)
class SignedIn(Event):
    member_id: int
    session_id: int


@dataclass(frozen=True, kw_only=True)
class SignInFailed(Event):
    """`subject_hash` is salted: the trail must not become a list of addresses people typed."""

    subject_hash: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class SignedOut(Event):
    member_id: int
    session_id: int


@dataclass(frozen=True, kw_only=True)
class SessionEnded(Event):
    """`name` is whose session it was; the actor may be an owner who shut them out."""

    member_id: int
    session_id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class InvitationIssued(Event):
    """A member got a new link to choose a password by; what they held before ended."""

    member_id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class PasswordChosen(Event):
    member_id: int


@dataclass(frozen=True, kw_only=True)
class PasswordChanged(Event):
    member_id: int


@dataclass(frozen=True, kw_only=True)
class IdentityConfirmed(Event):
    """Somebody signed in typed their password again."""

    session_id: int


@dataclass(frozen=True, kw_only=True)
class MemberDisabled(Event):
    member_id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class MemberEnabled(Event):
    member_id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class RoleChanged(Event):
    """`client` names whose sites alone they see from now on, if so."""

    member_id: int
    name: str
    role: str
    was: str
    client: str


@dataclass(frozen=True, kw_only=True)
class AccessRefused(Event):
    """Somebody signed in asked for what their role does not allow."""

    verb: str


@dataclass(frozen=True, kw_only=True)
class FormRefused(Event):
    """A form came without proof that a page of Aura had served it."""

    endpoint: str


# ---- sites ----


@dataclass(frozen=True, kw_only=True)
class SiteAdded(Event):
    name: str
    url: str
    client: str


@dataclass(frozen=True, kw_only=True)
class SiteForgotten(Event):
    name: str
    url: str


@dataclass(frozen=True, kw_only=True)
class SiteCalled(Event):
    """One call left for a site. `outcome` is 'ok' or the name of the fault."""

    op: str
    outcome: str
    elapsed_ms: int


@dataclass(frozen=True, kw_only=True)
class TagsChanged(Event):
    """`brings` names the standing approvals that cover the site from now on, by number and name:
    whoever set the tags approved that as well."""

    added: str
    removed: str
    brings: str


# ---- pairing ----


@dataclass(frozen=True, kw_only=True)
class PairingTokenIssued(Event):
    pairing_id: int
    expires_at: str


@dataclass(frozen=True, kw_only=True)
class PairingCancelled(Event):
    pairing_id: int


@dataclass(frozen=True, kw_only=True)
class PairingExpired(Event):
    pairing_id: int


@dataclass(frozen=True, kw_only=True)
class PairingAttemptFailed(Event):
    pairing_id: int
    fault: str
    evidence: dict[str, str | int]


@dataclass(frozen=True, kw_only=True)
class PairingFailed(Event):
    """The token is closed for good: what was seen cannot become right by waiting."""

    pairing_id: int
    fault: str
    evidence: dict[str, str | int]


@dataclass(frozen=True, kw_only=True)
class PairingCompleted(Event):
    pairing_id: int
    fingerprint: str
    endpoint: str
    kid: str


# ---- reports ----


@dataclass(frozen=True, kw_only=True)
class SyncAsked(Event):
    sync_id: int


@dataclass(frozen=True, kw_only=True)
class SyncFailed(Event):
    sync_id: int
    fault: str


@dataclass(frozen=True, kw_only=True)
class ReportReceived(Event):
    digest: str
    components: int
    offers: int
    dropped_fields: int


@dataclass(frozen=True, kw_only=True)
class ReportRefused(Event):
    field: str
    why: str


# ---- keys, addresses and copies ----


@dataclass(frozen=True, kw_only=True)
class RotationAsked(Event):
    """New keys are to be agreed on; with `home`, at the site's new address."""

    rotation_id: int
    home: str


@dataclass(frozen=True, kw_only=True)
class KeysRotated(Event):
    rotation_id: int
    kid: str
    generation: int


@dataclass(frozen=True, kw_only=True)
class RotationFailed(Event):
    rotation_id: int
    fault: str


@dataclass(frozen=True, kw_only=True)
class SiteMoved(Event):
    from_url: str
    to_url: str


@dataclass(frozen=True, kw_only=True)
class SiteQuarantined(Event):
    kind: str
    evidence: dict[str, str | int]


@dataclass(frozen=True, kw_only=True)
class QuarantineEnded(Event):
    kind: str
    how: str


@dataclass(frozen=True, kw_only=True)
class EndpointChanged(Event):
    endpoint: str


@dataclass(frozen=True, kw_only=True)
class ServerLoginChanged(Event):
    """The name and password for the server in front of a site were kept or removed."""

    is_kept: bool


# ---- the connection doctor ----


@dataclass(frozen=True, kw_only=True)
class ExaminationAsked(Event):
    examination_id: int


@dataclass(frozen=True, kw_only=True)
class ConnectionExamined(Event):
    """`blocker` names what is in the way, if anything is; `requests` is how many were sent."""

    verdict: str
    blocker: str
    requests: int


# ---- changes ----


@dataclass(frozen=True, kw_only=True)
class ChangeProposed(Event):
    """A change is to be checked by the site and then approved; what it is of never changes."""

    change_id: int
    name: str
    ident: str
    from_version: str
    to_version: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ChangeChecked(Event):
    """The site said in a dry run that it could do this; the digest is of the exact document."""

    change_id: int
    name: str
    to_version: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class ChangeApproved(Event):
    change_id: int
    name: str
    to_version: str
    digest: str
    how: str
    approver: str


@dataclass(frozen=True, kw_only=True)
class ChangeRejected(Event):
    change_id: int
    name: str
    to_version: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ChangeCancelled(Event):
    change_id: int
    name: str
    to_version: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ChangeExpired(Event):
    change_id: int
    name: str
    to_version: str


@dataclass(frozen=True, kw_only=True)
class ChangeStarted(Event):
    change_id: int
    name: str
    to_version: str
    attempt: int


@dataclass(frozen=True, kw_only=True)
class ChangeUnsettled(Event):
    """What came of it is not known: the answer was lost, or is not one that could be believed."""

    change_id: int
    name: str
    to_version: str
    fault: str


@dataclass(frozen=True, kw_only=True)
class ChangeWaiting(Event):
    """The site asks its own administrator first."""

    change_id: int
    name: str
    to_version: str


@dataclass(frozen=True, kw_only=True)
class ChangeEnded(Event):
    """What came of it, by the site's signed evidence. `how` is 'answer', 'status', 'dry_run', or
    'here' where Aura itself refused before anything was sent."""

    change_id: int
    name: str
    to_version: str
    outcome: str
    reason: str
    how: str


@dataclass(frozen=True, kw_only=True)
class IncidentClosed(Event):
    """Somebody looked after a change that did not end well, and lets others go on."""

    change_id: int
    name: str
    note: str


@dataclass(frozen=True, kw_only=True)
class ComponentHeld(Event):
    ident: str
    reason: str
    until: str


@dataclass(frozen=True, kw_only=True)
class ComponentReleased(Event):
    ident: str


@dataclass(frozen=True, kw_only=True)
class PolicyMade(Event):
    """A standing approval: what it covers stands here whole, so that the trail needs no table."""

    policy_id: int
    name: str
    scopes: str
    steps: str
    covers: str
    tags: str
    window: str
    expires_at: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class PolicyConfirmed(Event):
    policy_id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class PolicyEnded(Event):
    policy_id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class ApprovalsChanged(Event):
    """How changes to a client's sites are approved from now on."""

    client: str
    approvals: str


# ---- parting ----


@dataclass(frozen=True, kw_only=True)
class RevocationStarted(Event):
    kid: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class RevocationConfirmed(Event):
    kid: str
    acknowledged_at: str
    refused_at: str


@dataclass(frozen=True, kw_only=True)
class RevocationUnproven(Event):
    kid: str
    acknowledged: bool
    probe: str


@dataclass(frozen=True, kw_only=True)
class RevocationUnreached(Event):
    kid: str
    fault: str
    next_try_at: str


@dataclass(frozen=True, kw_only=True)
class RevocationAbandoned(Event):
    """Ninety days of trying are over; the site was never reached."""

    kid: str


@dataclass(frozen=True, kw_only=True)
class SiteDisconnected(Event):
    kid: str
    confirmed: bool
    how: str


@dataclass(frozen=True, kw_only=True)
class GoodbyeForged(Event):
    """A goodbye was proven, and the site had never said it: somebody holds a copy of it."""

    kid: str


@dataclass(frozen=True, kw_only=True)
class SiteReconnected(Event):
    kid: str


@dataclass(frozen=True, kw_only=True)
class NoticeRefused(Event):
    op: str
    reason: str
