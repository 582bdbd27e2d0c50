"""The life of a change, of update holds and of auto-update rules.

The audit log alone shows what was done, by whom, and how it ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from app.domain.audit.events.base import Event, Personal

if TYPE_CHECKING:
    from app.models.changes import Change


class ChangeEvent(Event, is_declared=False):
    """The facts that all entries about a change have; they never change."""

    change_id: int
    op_id: str
    kind: str
    ident: str
    name: str
    from_version: str
    to_version: str

    @classmethod
    def of(cls, change: Change, **more: Any) -> Self:
        """Return this event about `change` with the additional facts `more`."""
        return cls(
            site_id=change.site_id,
            change_id=change.id,
            op_id=change.op_id,
            kind=change.kind,
            ident=change.ident,
            name=change.name,
            from_version=change.from_version,
            to_version=change.to_version,
            **more,
        )


class ChangeProposed(ChangeEvent):
    """A change is checked by the site and then needs approval.

    A change that an auto-update rule proposes has the reason of that rule.
    """

    reason: Personal
    rule_id: int | None = None


class ChangeChecked(ChangeEvent):
    """The pre-check passed; `digest` is the hash of the exact plan.

    `home` is the site's address, `reported` its state, `report` the digest of the last site data
    before it.
    """

    digest: str
    home: str
    reported: dict[str, str | bool]
    report: str


class ApprovalRequested(ChangeEvent):
    """The proposer asked another person to approve it, after a review."""

    reason: Personal


class ChangeApproved(ChangeEvent):
    """Approved by the actor, or by the auto-update rule `rule_id`, named in `approver`.

    `reason` is what the approver added, and `starts_at` the time it was postponed to, if any.
    """

    digest: str
    how: str
    approver: Personal
    rule_id: int | None = None
    reason: Personal = ""
    starts_at: str = ""


class ChangeRejected(ChangeEvent):
    reason: Personal
    outcome: str = "rejected"


class ChangeCancelled(ChangeEvent):
    reason: str
    outcome: str = "cancelled"


class ChangeExpired(ChangeEvent):
    outcome: str = "expired"


class ChangeStarted(ChangeEvent):
    attempt: int


class ChangeOutcomeUnknown(ChangeEvent):
    """The result is unknown: the answer was lost or is not valid."""

    error_code: str
    outcome: str = "unknown"


class ChangeWaiting(ChangeEvent):
    """The site waits for its own administrator."""


class ChangePostponed(ChangeEvent):
    """It was not sent, because all changes were stopped, or in a freeze or outside its window."""

    reason: str


class FreezeOverridden(ChangeEvent):
    """An owner or manager approved it in spite of a freeze and of the site's maintenance window."""

    reason: Personal


class ChangePagesJudged(ChangeEvent):
    """A person found the pages right that were not as before the update, or unclear."""

    paths: list[str]
    note: Personal = ""


class ChangeEnded(ChangeEvent):
    """The result of a change, by the site's signed evidence.

    `how` is 'answer', 'status', 'dry_run', or 'here' if Aura itself refused before it sent
    anything. `evidence` holds the main facts, `evidence_digest` covers the whole evidence as it is
    stored.
    """

    outcome: str
    reason: str
    how: str
    evidence: dict[str, str | int | bool]
    evidence_digest: str


class ChangeBrokeLater(ChangeEvent):
    """The update succeeded, and the site was found broken within a day.

    `why` is what was seen at its home page, `status` the HTTP status or 0.
    """

    why: str
    status: int


class IncidentClosed(ChangeEvent):
    """A person checked a failed change, so other updates continue."""

    note: Personal


class ChangeAcknowledged(ChangeEvent):
    """A person checked a failure or rollback that pauses nothing."""

    note: Personal


class UpdateHoldCreated(Event):
    kind: str
    ident: str
    reason: Personal
    until: str


class UpdateHoldEnded(Event):
    kind: str
    ident: str


# ---- when updates may start ----


class UpdatesStopped(Event):
    """All changes were stopped. `running` is how many had been sent and cannot be recalled."""

    reason: Personal
    running: int


class UpdatesStarted(Event):
    """Changes may start again. `waiting` is how many are approved and not sent."""

    stopped_at: str
    waiting: int


class FreezeAdded(Event):
    """No update starts from the first to the last day, in `covers`."""

    freeze_id: int
    name: str
    first_day: str
    last_day: str
    covers: str


class FreezeEnded(Event):
    """A freeze was ended before its last day."""

    freeze_id: int
    name: str
    last_day: str


class MaintenanceWindowSet(Event):
    """Updates of `covers` start only in this window."""

    covers: str
    window: str
    before: str


class MaintenanceWindowRemoved(Event):
    covers: str
    before: str


# ---- auto-update rules, and each client's approval setting ----


class AutoUpdateRuleCreated(Event):
    """An auto-update rule was created; the event contains all that it covers."""

    rule_id: int
    name: str
    permissions: str
    release_types: str
    covers: str
    tags: str
    window: str
    expires_at: str
    reason: Personal
    # Missing in older entries, and None for what the agency has set.
    rest_hours: int | None = None
    rest_hours_major: int | None = None
    # The tag of the sites that are first, and how long the others wait; missing in older entries.
    canary_tag: str = ""
    canary_hours: int | None = None


class AutoUpdateRuleConfirmed(Event):
    rule_id: int
    name: str


class AutoUpdateRuleEnded(Event):
    rule_id: int
    name: str


class RestPeriodChanged(Event):
    """How long releases rest before rules install them: patch and minor ones, and others."""

    hours: int
    hours_major: int
    hours_before: int
    hours_major_before: int


class RestLifted(Event):
    """Rules need not wait for a release, which fixes these vulnerabilities of the site."""

    kind: str
    ident: str
    to_version: str
    vulnerabilities: str
    reason: Personal


class ApprovalModeChanged(Event):
    """The approval setting of a client changed."""

    client: str
    approvals: str
