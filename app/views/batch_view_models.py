"""Data of the page of a batch: its review, its progress and its result."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.domain import permissions
from app.domain.accounts.sessions import AuthenticatedSession
from app.domain.actor import Actor
from app.domain.changes import approvals, fleet_updates, proposals, release_findings
from app.domain.changes.change_times import Calendar, FreezeTime
from app.domain.changes.fleet_experience import FleetExperience, fleet_experience
from app.domain.changes.fleet_updates import BlockedUpdate
from app.domain.inventory import update_limits
from app.domain.time_zones import zone_of
from app.models.auto_update_rules import UpdateHold
from app.models.available_updates import BLOCKED, AvailableUpdate, UpdateKey
from app.models.changes import (
    APPROVED,
    BAD_ENDS,
    CHECKING,
    MAY_CANCEL,
    PROPOSED,
    REFUSED,
    RUNNING,
    STATES,
    SUCCEEDED,
    UNKNOWN,
    WAITING,
    Change,
)
from app.models.clients import CLIENT_APPROVAL, FOUR_EYES, SELF_APPROVAL
from app.models.sites import Site
from app.views.change_view_models import IN_SUMMARY, risks_of
from app.views.release_view_models import ReleaseLine, release_lines
from app.views.rollout_view_models import RolloutPage, WaveOptions, rollout_page, wave_options
from app.views.vulnerability_view_models import SecurityFix, fixes_of
from app.views.window_view_models import Opening, opening_of, page_calendar

# Risks that are normal for an update: they need no attention of their own.
_USUAL_RISKS = ("active",)
_MOST_BLOCKED = 20
# The groups that the waves of a rollout list.
_LISTED_IN_WAVES = ("running", "queued", "succeeded")
# The hour, in the zone of the person who approves, of a start that is put off until the night.
NIGHT_HOUR = 2


@dataclass(frozen=True)
class BatchLine:
    """One change of a batch; `risks` are the unusual ones.

    `opens` is the maintenance window in which it starts if it is approved now.
    """

    change: Change
    site: Site
    group: str
    risks: tuple[str, ...]
    hold: UpdateHold | None
    freeze: FreezeTime | None
    opens: Opening | None
    can_approve: bool


@dataclass(frozen=True)
class Step:
    """The changes of a group that bring the same component from one version to another."""

    change: Change
    lines: list[BatchLine]


@dataclass(frozen=True)
class BatchPage:
    """The data of a batch's page; `blocked` are the same updates on sites that cannot take them.

    `wave_options` are there where it can be approved in waves, and `experience` if all of it is one
    update.
    """

    batch: str
    lines: list[BatchLine]
    blocked: list[BlockedUpdate]
    requestable: list[Change]
    can_ask: bool
    tonight: datetime
    asks_for_password: bool
    security: dict[UpdateKey, SecurityFix]
    releases: list[ReleaseLine]
    rollout: RolloutPage | None
    wave_options: WaveOptions | None
    experience: FleetExperience | None
    now: datetime

    @property
    def first(self) -> Change:
        return self.lines[0].change

    @property
    def security_fixes(self) -> list[tuple[str, SecurityFix]]:
        """Return the updates whose installed version has a known vulnerability, by name."""
        names = {_key(line.change): line.change.name for line in self.lines}
        return sorted(((names[key], fix) for key, fix in self.security.items()), key=str)

    @property
    def sites(self) -> list[str]:
        return sorted({line.site.name for line in self.lines})

    @property
    def updates(self) -> int:
        """Return the number of different updates."""
        return len({(line.change.kind, line.change.ident, line.change.to_version)
                    for line in self.lines})  # fmt: skip

    @property
    def approvable(self) -> list[BatchLine]:
        return [line for line in self.lines if line.can_approve]

    @property
    def opening_later(self) -> list[BatchLine]:
        """Return what can be approved now and starts only in its maintenance window."""
        return [line for line in self.approvable if line.opens]

    @property
    def is_review(self) -> bool:
        """Whether some of it is not approved yet."""
        return any(line.change.state in (CHECKING, PROPOSED) for line in self.lines)

    @property
    def is_started(self) -> bool:
        return any(line.change.how for line in self.lines)

    @property
    def has_ended(self) -> bool:
        return not any(line.change.is_open for line in self.lines)

    @property
    def checked(self) -> int:
        """Return the number of pre-checks that are answered."""
        return sum(line.change.state != CHECKING for line in self.lines)

    @property
    def ended(self) -> int:
        """Return the number of updates that have ended, with any result."""
        return sum(not line.change.is_open for line in self.lines)

    @property
    def unconfirmed(self) -> int:
        """Return the number of updates that succeeded and were not seen working, or broke later."""
        ended = [line.change for line in self.lines if line.change.state == SUCCEEDED]
        return sum(change.outcome_reason != "" for change in ended)

    @property
    def stoppable(self) -> int:
        return sum(line.change.state in MAY_CANCEL for line in self.lines)

    @property
    def poll_seconds(self) -> int:
        """Return how often the page is read again: 0 once everything has ended."""
        if self.has_ended:
            return 0
        return 3 if any(line.change.is_live for line in self.lines) else 30

    def count(self, *states: str) -> int:
        return sum(line.change.state in states for line in self.lines)

    def in_group(self, name: str) -> list[BatchLine]:
        return [line for line in self.lines if line.group == name]

    @property
    def rolls_out(self) -> bool:
        """Whether it is rolled out in waves that are not over."""
        return self.rollout is not None and self.rollout.rollout.is_open

    @property
    def has_groups(self) -> bool:
        """Whether anything is listed beside the waves of a rollout, which list its sites."""
        return self.rollout is None or any(
            line.group not in _LISTED_IN_WAVES for line in self.lines
        )

    def steps(self, name: str) -> list[Step]:
        """Return the lines of a group by what they update."""
        found: dict[UpdateKey, Step] = {}
        for line in self.in_group(name):
            found.setdefault(_key(line.change), Step(line.change, [])).lines.append(line)
        return list(found.values())

    @property
    def signature(self) -> str:
        """Return a text of what the page shows, so that it is rendered only after a change."""
        shown = "|".join(
            f"{line.change.id}:{line.change.state}:{line.change.digest}:{line.group}:{line.can_approve}"
            f":{line.change.requested_at is None}"
            for line in self.lines
        )
        shown += "|".join(f"{line.change.id}:{line.state}" for line in self.releases)
        shown += self.rollout.signature if self.rollout else ""
        return hashlib.sha256(shown.encode()).hexdigest()[:16]

    @property
    def summary(self) -> str:
        """Return the number of changes in each state: `3 succeeded, 2 waiting for approval`."""
        counts = Counter(line.change.state for line in self.lines)
        return ", ".join(
            f"{counts[state]} {IN_SUMMARY[state]}" for state in STATES if counts[state]
        )


def next_night(now: datetime, zone: ZoneInfo) -> datetime:
    """Return the next time at which it is NIGHT_HOUR in this zone, at least an hour ahead."""
    tonight = now.astimezone(zone).replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    return tonight if tonight >= now + timedelta(hours=1) else tonight + timedelta(days=1)


def batch_page(
    batch: str,
    changes: Sequence[Change],
    session: AuthenticatedSession,
    actor: Actor,
    now: datetime,
) -> BatchPage:
    """Return the data of a batch's page, in the same queries for any number of changes."""
    is_review = any(change.state in (CHECKING, PROPOSED) for change in changes)
    proposes = permissions.is_allowed(actor.role, "propose")
    blocked = _blocked(changes, actor, now) if is_review and proposes else []
    site_ids = [change.site_id for change in changes] + [update.site_id for update in blocked]
    holds = UpdateHold.by_component(site_ids)
    calendar = page_calendar(now)
    releases = release_findings.comparisons_by_change(changes)
    warned = {key for key, row in releases.items() if release_findings.warnings_in(row)}
    facts = _Facts(holds, calendar, warned, now)
    lines = [_line(change, facts, actor) for change in changes]
    rollout = rollout_page(batch, {change.id for change in changes}, actor)
    approvable = [line.change for line in lines if line.can_approve]
    recent = now - session.session.confirmed_at < permissions.REAUTH_MAX_AGE - timedelta(seconds=30)
    return BatchPage(
        batch=batch,
        lines=lines,
        blocked=fleet_updates.with_reasons(blocked, holds, now),
        requestable=[change for change in changes if proposes and proposals.needs_request(change)],
        can_ask=proposes and any(map(proposals.may_request, changes)),
        tonight=next_night(now, zone_of(session.user.time_zone)),
        asks_for_password=not recent,
        security=fixes_of(sorted({_key(change) for change in changes})),
        releases=release_lines(changes, releases),
        rollout=rollout,
        wave_options=wave_options(approvable) if rollout is None else None,
        experience=_experience(changes, actor),
        now=now,
    )


@dataclass(frozen=True)
class _Facts:
    """What was read for all changes of a batch; `warned` are those whose release has warnings."""

    holds: dict[tuple[int, str, str], UpdateHold]
    calendar: Calendar
    warned: Collection[int]
    now: datetime


def _experience(changes: Sequence[Change], actor: Actor) -> FleetExperience | None:
    """Return what the fleet has seen of the one version that a batch brings; None for several."""
    versions = {(change.kind, change.ident, change.to_version) for change in changes}
    if len(versions) > 1:
        return None
    return fleet_experience(*versions.pop(), permissions.visibility_of(actor))


def _line(change: Change, facts: _Facts, actor: Actor) -> BatchLine:
    calendar, now = facts.calendar, facts.now
    hold = facts.holds.get((change.site_id, change.kind, change.ident))
    if hold is not None and hold.until is not None and hold.until <= now:
        hold = None
    freeze = calendar.freeze_at(change.site, now) if change.state == PROPOSED else None
    pause = update_limits.pause_of(change.site)
    is_open = calendar.stop is None and hold is None and freeze is None and pause is None
    can_approve = is_open and approvals.may_approve(change, actor)
    risks = tuple(
        name
        for name in risks_of(change, has_warnings=change.id in facts.warned)
        if name not in _USUAL_RISKS
    )
    opens = opening_of(change, calendar, now) if can_approve else None
    can_approve = can_approve and (opens is None or opens.at is not None)
    group = _group(change, hold, risks, can_approve)
    if change.state == PROPOSED and hold is None and not is_open:
        group = "stopped" if calendar.stop else "paused" if pause else "frozen"
    elif opens is not None and not can_approve:
        group = "no_window"
    return BatchLine(change, change.site, group, risks, hold, freeze, opens, can_approve)


def _group(change: Change, hold: UpdateHold | None, risks: Sequence[str], can_approve: bool) -> str:
    """Return the group that a change is listed in."""
    if change.needs_checking:
        return "to_check"
    if change.state == PROPOSED and hold is None:
        if can_approve or proposals.needs_request(change):
            return "risky" if risks else "ready"
        return {SELF_APPROVAL: "agency", FOUR_EYES: "second_person", CLIENT_APPROVAL: "client"}[
            change.site.approvals
        ]
    if change.state == PROPOSED or change.state == REFUSED:
        return "excluded"
    if change.state == UNKNOWN:
        return "running" if change.is_open else "checked"
    if change.state == CHECKING and change.error_code:
        return "unanswered"
    by_state = {CHECKING: "checking", APPROVED: "queued", RUNNING: "running", WAITING: "running",
                SUCCEEDED: "succeeded"}  # fmt: skip
    return by_state.get(change.state, "checked" if change.state in BAD_ENDS else "not_done")


def _key(change: Change) -> UpdateKey:
    return UpdateKey(change.kind, change.ident, change.from_version, change.to_version)


def _blocked(changes: Sequence[Change], actor: Actor, now: datetime) -> list[AvailableUpdate]:
    """Return what this batch brings, of the sites that cannot take it."""
    visible = fleet_updates.updates_visible_to(actor, now)
    rows = AvailableUpdate.about(visible, BLOCKED, {_key(change) for change in changes})
    return rows[:_MOST_BLOCKED]
