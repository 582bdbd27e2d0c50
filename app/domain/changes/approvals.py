"""Approve exactly the change that a person was shown, and sign it.

What they approve is frozen (change_plan.py). Anything that differs afterwards is another change,
which needs its own approval. Nothing else in Aura signs a change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app import queue
from app.config import Config
from app.domain import audit, dashboard_identity, permissions
from app.domain.actor import Actor
from app.domain.audit.events import ChangeApproved, ChangeRejected, FreezeOverridden
from app.domain.changes import change_plan, change_times, owner_exclusions, packages, waves
from app.domain.changes.change_times import Calendar, Span, Start
from app.domain.changes.waves import Place, Places
from app.domain.dashboard_identity import DashboardIdentity
from app.domain.errors import AuraError, Conflict, Forbidden, Invalid, StaleChange
from app.domain.inventory import update_limits
from app.domain.text import MAX_REASON_CHARS, check_reason
from app.keys import sign_plan
from app.models.accounts import CLIENT
from app.models.auto_update_rules import UpdateHold
from app.models.base import transaction
from app.models.changes import PROPOSED, REJECTED, Change
from app.models.clients import CLIENT_APPROVAL, FOUR_EYES, SELF_APPROVAL
from app.models.reports import Component, report_list
from app.models.sites import Site
from app.protocol import b64u


@dataclass(frozen=True)
class Terms:
    """What an approver adds: when it starts, if not at once, and a reason for the log.

    With `after_freeze`, it starts when the freeze of its site has ended. `override` is the reason
    of an owner or manager for an update in spite of a freeze and of the site's maintenance window.
    """

    starts_at: datetime | None = None
    reason: str = ""
    after_freeze: bool = False
    override: str = ""


_AT_ONCE = Terms()
# The columns of a change that a worker has not taken yet.
_NOT_TRIED = {"attempts": 0, "leased_until": None}


@dataclass(frozen=True)
class _Approval:
    """What the changes that are approved together have in common."""

    by: Actor
    dashboard: DashboardIdentity
    terms: Terms
    calendar: Calendar
    places: Places
    now: datetime


def approve_changes(
    batch: Sequence[Change],
    *,
    by: Actor,
    seen: dict[int, str],
    confirmed_at: datetime,
    config: Config,
    now: datetime,
    terms: Terms = _AT_ONCE,
) -> int:
    """Approve the changes of `batch` that are in `seen`, all or none; returns how many.

    `seen` holds the digest of each change that the page showed. Raises Forbidden, Invalid,
    ReauthenticationRequired, StaleChange if a change is no longer what was shown, ChangesStopped,
    or Conflict during a freeze of its site.
    """
    permissions.require(by, "decide")
    permissions.require_recent_authentication(confirmed_at, now)
    chosen = [change for change in batch if change.id in seen]
    if not chosen:
        raise StaleChange("None of these updates is waiting for approval.")
    check_reason(terms.reason)
    dashboard = dashboard_identity.load_dashboard(config)
    sites = [change.site for change in chosen]
    with permissions.user_transaction(by, "decide", *sites) as (_, present):
        calendar = change_times.read_calendar(now)
        calendar.require_running()
        places = waves.read_places(chosen[0].batch)
        approval = _Approval(present, dashboard, terms, calendar, places, now)
        for change in chosen:
            _release(change, seen[change.id], approval)
    return len(chosen)


def approve_in_spite(
    change: Change,
    *,
    by: Actor,
    seen: str,
    reason: str,
    confirmed_at: datetime,
    config: Config,
    now: datetime,
) -> None:
    """Approve one change in spite of a freeze and of its site's maintenance window.

    Raises as `approve_changes` does, and Invalid without a reason.
    """
    permissions.require(by, "lift")
    reason = reason.strip()
    if not 0 < len(reason) <= MAX_REASON_CHARS:
        raise Invalid(
            "override", f"Enter a reason of at most {MAX_REASON_CHARS} characters for the log."
        )
    with permissions.user_transaction(by, "lift", change.site) as (_, present):
        approve_changes(
            [change],
            by=present,
            seen={change.id: seen},
            confirmed_at=confirmed_at,
            config=config,
            now=now,
            terms=Terms(override=reason),
        )
        audit.record(FreezeOverridden.of(change, reason=reason), present, now=now)


def can_decide(by: Actor, site: Site) -> bool:
    """Whether this person may decide: a client user where the client decides, else the agency."""
    if not permissions.can_see_site(by, site):
        return False
    return (by.role == CLIENT) == (site.approvals == CLIENT_APPROVAL)


def may_approve(change: Change, by: Actor) -> bool:
    """Whether this person may approve the change; `_release` checks again under the lock."""
    site = change.site
    if change.state != PROPOSED or not permissions.is_allowed(by.role, "decide"):
        return False
    if not can_decide(by, site):
        return False
    if site.approvals == SELF_APPROVAL:
        return True
    is_own = change.proposed_by_id is not None and change.proposed_by_id == by.id
    return change.requested_at is not None and not (site.approvals == FOUR_EYES and is_own)


def _release(change: Change, seen: str, approval: _Approval) -> None:
    by, terms, now = approval.by, approval.terms, approval.now
    change.refresh()
    site = Site.get_by_id(change.site_id)
    if terms.starts_at is not None and terms.starts_at > change.not_after:
        raise Invalid("starts_at", f"Start it before {change.not_after:%d %b %Y, %H:%M} UTC.")
    problem = obstacle(change, site, now)
    if problem and change.state == PROPOSED:
        raise StaleChange(problem)
    _require_decider(by, site)
    if site.approvals != SELF_APPROVAL and change.requested_at is None and change.state == PROPOSED:
        raise StaleChange("Its proposer has not requested approval yet.")
    if change.state != PROPOSED:
        raise _refusal(change, seen)
    place = approval.places.place_of(change, max(now, terms.starts_at or now))
    won = sign_and_queue(
        change,
        approval.dashboard,
        by=by,
        approval_kind=_approval_kind(change, by),
        approver=by.name,
        seen=seen,
        may_be_proposer=site.approvals == SELF_APPROVAL,
        start=_held_start(change, site, approval, place)
        if place is not None and place.is_held
        else _start(change, site, approval),
        terms=terms,
        now=now,
    )
    if not won:
        raise _refusal(change, seen)
    if place is not None:
        approval.places.add(change, place)


def _held_start(change: Change, site: Site, approval: _Approval, place: Place) -> Start:
    """Return when a change of a later wave may start: from its wave until its approval expires.

    Windows and freezes hold when it is sent, because the hour of its wave is not known yet. Raises
    Conflict if it could never start in time.
    """
    _require_not_paused(site)
    if place.earliest >= change.not_after:
        raise Conflict(
            f"Wave {place.wave} would start after its approvals expire, on "
            f"{change.not_after:%d %b %Y, %H:%M} UTC. Choose a shorter wait, or review the updates "
            "again."
        )
    if approval.calendar.next_span(site, place.earliest, change.not_after) is None:
        raise Conflict(
            f"{site.name} has {_missing_time(site, False)} between the start of wave {place.wave} "
            f"and {change.not_after:%d %b %Y, %H:%M} UTC, when this approval expires. Choose a "
            "shorter wait, or leave this site out."
        )
    return Start(place.earliest, Span(begins=place.earliest), is_held=True)


def _require_not_paused(site: Site) -> None:
    if update_limits.pause_of(site):
        raise Conflict(
            f"The owner of {site.name} has paused updates. Ask them to resume updates in wp-admin, "
            "under Settings → SiteAgent → Pause and limits."
        )


def _start(change: Change, site: Site, approval: _Approval) -> Start:
    """Return when the change may start. Raises Conflict, or Invalid for the chosen time."""
    calendar, terms, now = approval.calendar, approval.terms, approval.now
    _require_not_paused(site)
    chosen = max(change.not_before, terms.starts_at or change.not_before)
    in_spite = bool(terms.override)
    earliest = max(now, chosen)
    freeze = None if in_spite else calendar.freeze_at(site, earliest)
    if freeze and not terms.after_freeze:
        refusal = f"{freeze.in_words}: no update of {site.name} starts in that time."
        raise Invalid("start", refusal) if terms.starts_at else Conflict(refusal)
    if freeze:
        earliest = chosen = freeze.span.ends
    span = calendar.next_span(site, earliest, change.not_after, in_spite=in_spite)
    if span is None:
        raise Conflict(
            f"{site.name} has {_missing_time(site, in_spite)} before this update expires, on "
            f"{change.not_after:%d %b %Y, %H:%M} UTC. Cancel the update and review it again later."
        )
    return Start(max(chosen, span.begins), span)


def _missing_time(site: Site, in_spite: bool) -> str:
    """Return what a site has none of, where no time is left for an update."""
    if in_spite or change_times.window_of(site) is None:
        return "no hours that its owner allows"
    if change_times.owner_hours_of(site):
        return "no maintenance window in the hours that its owner allows"
    return "no maintenance window"


def _require_decider(by: Actor, site: Site) -> None:
    """Raise Forbidden if another party decides about changes to this site."""
    if not can_decide(by, site):
        decider = "client" if site.approvals == CLIENT_APPROVAL else "agency"
        raise Forbidden("decide", f"The {decider} approves updates of this site.")


def _approval_kind(change: Change, by: Actor) -> str:
    if by.role == CLIENT:
        return change_plan.BY_CLIENT
    return (
        change_plan.SELF_CONFIRMED if change.proposed_by_id == by.id else change_plan.SECOND_PERSON
    )


def sign_and_queue(
    change: Change,
    dashboard: DashboardIdentity,
    *,
    by: Actor,
    approval_kind: str,
    approver: str,
    seen: str,
    may_be_proposer: bool,
    start: Start,
    now: datetime,
    terms: Terms = _AT_ONCE,
) -> bool:
    """Add the approval to the plan, sign it and queue the change, in the caller's transaction.

    Changes are signed only here. Return False if the change is no longer what was seen.
    """
    if not change.document:
        return False
    reason = change.reason or terms.reason.strip()
    plan = change_plan.plan_of(
        change.document.encode("utf-8"),
        by=approver,
        approval_kind=approval_kind,
        at=now,
        reason=reason,
        times=start.times_in(change),
    )
    with transaction() as tx:
        won = change.approve(
            seen=seen,
            may_be_proposer=may_be_proposer,
            by=by.id if by.kind == "user" else None,
            decided_by=approver[:160],
            decided_at=now,
            how=approval_kind,
            plan=b64u(plan),
            signature=b64u(sign_plan(dashboard.key_for(change.site.sign_d), plan)),
            reason=reason,
            override=terms.override,
            not_before=start.at,
            not_after=min(change.not_after, start.span.ends),
            next_attempt_at=None if start.is_held else max(now, start.at),
            **_NOT_TRIED,
        )
        if won:
            audit.record(_approved(change, approval_kind, approver, terms, now), by, now=now)
            if change.not_before <= now and not start.is_held:
                tx.after_commit(queue.enqueue, "run_change", change.id)
    return won


def _approved(
    change: Change, approval_kind: str, approver: str, terms: Terms, now: datetime
) -> ChangeApproved:
    """Return the event; a rule is named without its people, who are in its own entry."""
    rule = change.rule if approval_kind == change_plan.BY_RULE else None
    named = f"auto-update rule {rule.id} “{rule.name}”" if rule else approver
    return ChangeApproved.of(
        change,
        digest=change.digest,
        how=approval_kind,
        approver=named[:160],
        rule_id=rule.id if rule else None,
        reason=terms.reason.strip(),
        starts_at=change.not_before.isoformat() if change.not_before > now else "",
    )


def obstacle(change: Change, site: Site, now: datetime) -> str:
    """Return why this proposal must not be approved, and the next step; empty if it may be."""
    if problem := stale_reason(change, site, now):
        return f"{problem} Cancel this update and propose it again."
    held = UpdateHold.in_force(change.site_id, change.kind, change.ident, now)
    if held:
        return (
            f"Updates for {change.name} on this site are ignored: “{held.reason}” "
            f"({held.created_by}). Stop ignoring them first, or cancel this update."
        )
    return owner_exclusions.why_excluded(change, site)


def stale_reason(change: Change, site: Site, now: datetime) -> str:
    """Why this change would not be what was approved; empty while it still is."""
    if not site.is_paired or site.forgotten_at:
        return "The connection to the site has ended."
    if site.quarantine:
        return "The connection to the site is paused."
    if site.key_id != change.kid:
        return "The site's keys changed after the proposal."
    if now > change.not_after:
        return "The time to start this update has passed."
    stopped = packages.why_stopped(change)
    if stopped == packages.DISPUTED:
        return "Two different packages of this version were seen. Resolve the alert first."
    if stopped == packages.UNPINNED:
        return "Its plan does not name the package."
    if stopped:
        return "Aura refuses the package of this version."
    listed = report_list(change.kind)
    known = Component.get_or_none(
        Component.site == site, Component.kind == listed, Component.ident == change.ident
    )
    if listed in ("plugin", "theme") and (known is None or known.version != change.from_version):
        return "The installed version changed after the proposal."
    return ""


def _refusal(change: Change, seen: str) -> AuraError:
    if change.state != PROPOSED:
        return StaleChange("This update was already decided or has expired.")
    if change.digest != seen:
        return StaleChange("The plan changed after you opened the page. Reload the page.")
    return Forbidden("approve", "You proposed this update. This client requires a second person.")


def reject_change(change: Change, *, by: Actor, reason: str, now: datetime) -> None:
    """Reject a change with a reason. Raises Forbidden, Invalid, or StaleChange."""
    permissions.require(by, "decide")
    check_reason(reason)
    if not reason.strip():
        raise Invalid("reason", "Enter a reason. The person who proposed the update sees it.")
    with permissions.user_transaction(by, "decide", change.site) as (_, by):
        site = Site.get_by_id(change.site_id)
        _require_decider(by, site)
        decided = {"decided_by": by.name, "decided_at": now, "decision": reason.strip()}
        if not change.move(REJECTED, ended_at=now, next_attempt_at=None, **decided):
            raise StaleChange("This update was already decided or has expired.")
        audit.record(ChangeRejected.of(change, reason=reason.strip()), by, now=now)
