"""Whether the evidence of a rollout's waves holds: what speaks against it, and since when it holds.

All updates of a wave must have succeeded: an unknown result is no success. Afterwards no site may
break, no outage may begin, and no other package of the version may be seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.changes import outcomes, packages, update_evidence
from app.domain.changes.update_evidence import (
    BROKE_LATER,
    NO_RESULT,
    OUTAGE,
    PAGE_BROKEN,
    PAGE_UNCLEAR,
    PAGES_CHANGED,
    UNPROVEN,
    VERSION_RESTORED,
)
from app.models.changes import (
    CANCELLED,
    EXPIRED,
    FAILED,
    REFUSED,
    ROLLED_BACK,
    SUCCEEDED,
    Change,
)
from app.models.rollouts import Rollout, RolloutUpdate
from app.models.uptime import Outage

# Why a rollout stops, beside what speaks against one update: values of Rollout.reason.
PACKAGE = "package_differs"
NOTHING_SUCCEEDED = "nothing_succeeded"
REASONS = (
    *(PACKAGE, FAILED, ROLLED_BACK, BROKE_LATER, NO_RESULT, REFUSED, EXPIRED, CANCELLED),
    *(VERSION_RESTORED, UNPROVEN, OUTAGE, PAGE_BROKEN, PAGE_UNCLEAR, PAGES_CHANGED),
    NOTHING_SUCCEEDED,
)
# What a person cannot accept: first the alert about the two packages has to be resolved.
NEVER_ACCEPTED = (PACKAGE,)


@dataclass(frozen=True)
class Finding:
    """What speaks against a rollout: a reason, and the update that it is about.

    Without an update it is about the whole wave.
    """

    reason: str
    update: RolloutUpdate | None = None

    @property
    def key(self) -> str:
        """Return what a form names it by."""
        return f"{self.update.change_id if self.update else 0}:{self.reason}"


@dataclass(frozen=True)
class Evidence:
    """What is known of a rollout at one moment.

    `holds_since` is when the last update of the current wave succeeded; None while one of them has
    no result. `unseen` are the updates whose site has not been looked at since `due_at`. With
    `is_last`, no later wave has anything left to start.
    """

    findings: list[Finding]
    holds_since: datetime | None
    due_at: datetime | None
    unseen: list[RolloutUpdate]
    is_last: bool


def read_evidence(rollout: Rollout) -> Evidence:
    """Read what is known of a rollout."""
    return read_evidence_of(rollout, RolloutUpdate.of_rollout(rollout.id))


def read_evidence_of(rollout: Rollout, found: Sequence[RolloutUpdate]) -> Evidence:
    """Read what else is known of a rollout, with its updates that were read before."""
    updates = counted(found)
    outages = _outages_of(updates, rollout)
    return judge(rollout, updates, outages, _disputed(updates))


def counted(found: Iterable[RolloutUpdate]) -> list[RolloutUpdate]:
    """Return the updates that are not left out."""
    return [one for one in found if not one.is_left_out]


def judge(
    rollout: Rollout,
    updates: Sequence[RolloutUpdate],
    outages: Sequence[Outage],
    disputed: set[int],
) -> Evidence:
    """Return what speaks against a rollout, and since when its current wave holds. Pure.

    `updates` are those that are not left out; `disputed` are the ids of the changes whose version
    was seen with other bytes.
    """
    started = [one for one in updates if one.wave <= rollout.wave and not _is_left_out(one.change)]
    current = [one for one in started if one.wave == rollout.wave]
    later = [one for one in updates if one.wave > rollout.wave]
    is_last = not any(one.change.is_open for one in later)
    # What expired in a wave that never starts was approved, and has not been done.
    expired = [one for one in later if is_last and one.change.state == EXPIRED]
    findings = [Finding(PACKAGE, one) for one in updates if one.change_id in disputed]
    findings += [
        Finding(reason, one)
        for one in (*started, *expired)
        if (reason := _reason_against(one, outages, rollout)) and reason != one.accepted
    ]
    ended = [one for one in current if _has_result(one)]
    holds_since = _holds_since(rollout, ended) if len(ended) == len(current) else None
    is_empty = not ended and not is_last and rollout.passed_wave != rollout.wave
    if holds_since is not None and is_empty:
        findings.append(Finding(NOTHING_SUCCEEDED))
    due_at = holds_since + rollout.wait if holds_since else None
    # What was seen before a pause is out of date after it.
    seen_from = max(due_at, rollout.changed_at) if due_at else None
    unseen = [one for one in ended if seen_from and not _was_looked_at(one, seen_from)]
    return Evidence(_first_of_each(findings), holds_since, due_at, unseen, is_last)


def _reason_against(update: RolloutUpdate, outages: Sequence[Outage], rollout: Rollout) -> str:
    """Return what speaks against going on after this update; empty if nothing does."""
    return update_evidence.reason_against(
        update.change,
        look=update.look,
        pages=update.pages,
        outages=outages,
        wait=rollout.wait,
        accepted=update.accepted,
        since=update.accepted_at,
    )


def _is_left_out(change: Change) -> bool:
    """Whether a person cancelled it before it started; Aura itself always gives a reason."""
    return change.state == CANCELLED and not change.outcome_reason


def _has_result(update: RolloutUpdate) -> bool:
    """Whether it succeeded, or a person accepted how it ended."""
    return update.change.state == SUCCEEDED or bool(update.accepted)


def _holds_since(rollout: Rollout, ended: Iterable[RolloutUpdate]) -> datetime:
    """Return when the last of these ended, or when the wave began."""
    times: list[datetime] = [one.change.ended_at for one in ended if one.change.ended_at]
    return max(times, default=rollout.wave_started_at)


def _was_looked_at(update: RolloutUpdate, since: datetime) -> bool:
    """Whether Aura has seen the front page since then, or a person has judged the site."""
    return bool(update.accepted) or (update.looked_at is not None and update.looked_at >= since)


def _first_of_each(findings: Iterable[Finding]) -> list[Finding]:
    """Return one finding for each update, by the order of REASONS."""
    found: dict[int, Finding] = {}
    for one in sorted(findings, key=lambda finding: REASONS.index(finding.reason)):
        found.setdefault(one.update.change_id if one.update else 0, one)
    return list(found.values())


def _outages_of(updates: Sequence[RolloutUpdate], rollout: Rollout) -> list[Outage]:
    site_ids = {one.change.site_id for one in updates if one.wave <= rollout.wave}
    return Outage.begun_since(site_ids, rollout.started_at)


def _disputed(updates: Sequence[RolloutUpdate]) -> set[int]:
    """Return a change of each version that was seen with other bytes anywhere.

    It is the one whose site was offered the other bytes, if that site is in the rollout.
    """
    by_version: dict[tuple[str, str, str], list[Change]] = {}
    for one in updates:
        key = (one.change.kind, one.change.ident, one.change.to_version)
        by_version.setdefault(key, []).append(one.change)
    found = set()
    for changes in by_version.values():
        if packages.why_stopped(changes[0]) in (packages.DISPUTED, packages.DIFFERS):
            refused = [one for one in changes if one.outcome_reason == outcomes.PACKAGE_CHANGED]
            found.add((refused or changes)[0].id)
    return found
