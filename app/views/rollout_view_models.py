"""Data of a rollout in waves: its waves as steps, what stopped it, and the choices of the form."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain import permissions
from app.domain.actor import Actor
from app.domain.rollouts import control, evidence, wave_choice
from app.domain.rollouts.evidence import Finding
from app.formats import counted
from app.models.changes import BAD_ENDS, EXPIRED, REFUSED, SUCCEEDED, Change
from app.models.rollouts import DONE, ENDED, HALTED, RUNNING, Rollout, RolloutUpdate
from app.models.sites import Site
from app.models.tags import SiteTag

# The tag that names the sites that are first; where there is one, the form suggests it.
CANARY = "tag:canary"
# So many of the first sites are named in the form.
_NAMED = 3


@dataclass(frozen=True)
class Wave:
    """One wave, with its visible updates.

    `state` is 'done', 'now', 'checking' once all of them have a result, 'paused', 'stopped',
    'ended' or 'todo'.
    """

    number: int
    state: str
    updates: list[RolloutUpdate]
    total: int
    starts_at: datetime | None

    def count(self, *states: str) -> int:
        return sum(one.change.state in states for one in self.updates)

    @property
    def succeeded(self) -> int:
        return self.count(SUCCEEDED)

    @property
    def bad(self) -> int:
        return self.count(*BAD_ENDS, REFUSED, EXPIRED)

    @property
    def left_out(self) -> int:
        return sum(one.is_left_out for one in self.updates)

    @property
    def sites(self) -> list[tuple[Site, Change]]:
        """Return its sites by name, each with its first change."""
        found: dict[int, tuple[Site, Change]] = {}
        for one in self.updates:
            found.setdefault(one.change.site_id, (one.change.site, one.change))
        return list(found.values())


@dataclass(frozen=True)
class Halt:
    """A finding on the page: its reason, and the site and change if the person may see them.

    `key` is what the form to resume names it by.
    """

    key: str
    reason: str
    site: Site | None
    change: Change | None


@dataclass(frozen=True)
class RolloutPage:
    """A rollout on the page of its batch.

    `expires_at` is when the first approval of what waits expires. `decides`: this person sees all
    of its sites and may decide about them.
    """

    rollout: Rollout
    waves: list[Wave]
    halts: list[Halt]
    expires_at: datetime | None
    decides: bool
    stops: bool

    @property
    def is_halted(self) -> bool:
        return self.rollout.state in HALTED

    @property
    def sites(self) -> int:
        return sum(len(wave.sites) for wave in self.waves)

    @property
    def signature(self) -> str:
        """Return a text that changes with what the page shows of the rollout."""
        halts = ",".join(f"{one.reason}:{one.change.id if one.change else 0}" for one in self.halts)
        left_out = sum(wave.left_out for wave in self.waves)
        return f"{self.rollout.state}:{self.rollout.wave}:{halts}:{left_out}"


@dataclass(frozen=True)
class WaveOptions:
    """What the form offers: first sites as value and words, percents, and waits in hours."""

    first: list[tuple[str, str]]
    percents: tuple[int, ...] = wave_choice.PERCENTS
    waits: tuple[int, ...] = wave_choice.WAIT_HOURS
    usual_percent: int = wave_choice.USUAL_PERCENT
    usual_wait: int = wave_choice.USUAL_WAIT_HOURS


def rollout_page(batch: str, visible: Collection[int], actor: Actor) -> RolloutPage | None:
    """Return the rollout of a batch; None if it has none.

    `visible` are the ids of the changes of the batch that this person sees.
    """
    updates = RolloutUpdate.of_batch(batch)
    if not updates:
        return None
    rollout = updates[0].rollout
    # While it runs, only the time of the next wave is shown, which needs no further query.
    is_halted = rollout.state in HALTED
    found = (
        evidence.read_evidence_of(rollout, updates)
        if is_halted
        else evidence.judge(rollout, evidence.counted(updates), [], set())
    )
    shown = [one for one in updates if one.change_id in visible]
    sees_all = len(shown) == len(updates)
    waiting = [one.change for one in updates if one.change.is_open and not one.is_left_out]
    return RolloutPage(
        rollout=rollout,
        waves=[
            _wave(rollout, number, updates, shown, found.due_at)
            for number in range(1, rollout.waves + 1)
        ],
        halts=[_halt(one, visible) for one in found.findings] if is_halted else [],
        expires_at=min((change.not_after for change in waiting), default=None),
        decides=sees_all and control.may_resume(actor, (one.change.site for one in updates)),
        stops=sees_all and permissions.is_allowed(actor.role, "propose"),
    )


def _wave(
    rollout: Rollout,
    number: int,
    updates: Iterable[RolloutUpdate],
    shown: Iterable[RolloutUpdate],
    due_at: datetime | None,
) -> Wave:
    is_next = number == rollout.wave + 1 and rollout.state == RUNNING
    return Wave(
        number=number,
        state=_state_of_wave(rollout, number, is_complete=due_at is not None),
        updates=[one for one in shown if one.wave == number],
        total=sum(one.wave == number for one in updates),
        starts_at=due_at if is_next else None,
    )


def _state_of_wave(rollout: Rollout, number: int, *, is_complete: bool) -> str:
    if number < rollout.wave or (number == rollout.wave and rollout.state == DONE):
        return "done"
    if number > rollout.wave:
        return "ended" if rollout.state in (ENDED, DONE) else "todo"
    if rollout.state == RUNNING:
        return "checking" if is_complete else "now"
    state: str = rollout.state
    return state


def _halt(finding: Finding, visible: Collection[int]) -> Halt:
    change = finding.update.change if finding.update else None
    if change is None or change.id not in visible:
        return Halt(finding.key, finding.reason, None, None)
    return Halt(finding.key, finding.reason, change.site, change)


def wave_options(changes: Sequence[Change]) -> WaveOptions | None:
    """Return the choices for these changes; None if waves make no sense for so few sites."""
    sites = {change.site_id: change.site for change in changes}
    if len(sites) < wave_choice.FEWEST_SITES:
        return None
    names = sorted((site.name for site in sites.values()), key=str.casefold)
    counts = [count for count in wave_choice.FIRST_COUNTS if count < len(names)]
    first = [(str(count), _words(names[:count])) for count in counts]
    tags = _tags(sites)
    canary = [one for one in tags if one[0] == CANARY]
    return WaveOptions([*canary, *first, *(one for one in tags if one[0] != CANARY)])


def _words(names: Sequence[str]) -> str:
    more = ", …" if len(names) > _NAMED else ""
    return f"{counted(len(names), 'site')}: {', '.join(names[:_NAMED])}{more}"


def _tags(sites: Collection[int]) -> list[tuple[str, str]]:
    """Return the tags that some of these sites have and others have not."""
    counts: dict[str, tuple[str, int]] = {}
    for tags in SiteTag.folded_by_site(sites).values():
        for folded, text in tags.items():
            counts[folded] = (text, counts.get(folded, ("", 0))[1] + 1)
    usable = [one for one in counts.items() if one[1][1] < len(sites)]
    usable.sort()
    return [
        (f"tag:{folded}", f"Tag “{text}”: {counted(count, 'site')}")
        for folded, (text, count) in usable
    ]
