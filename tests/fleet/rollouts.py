"""A running rollout in waves: the first wave succeeded, the second is in progress."""

from __future__ import annotations

from collections import defaultdict

from app.domain.changes import proposals
from app.domain.changes.approvals import Terms
from app.domain.changes.proposals import UpdateRequest
from app.domain.rollouts import starting, upkeep
from app.domain.rollouts.wave_choice import FEWEST_SITES, WaveChoice
from app.models.changes import PROPOSED, Change
from app.models.clients import SELF_APPROVAL
from app.models.sites import Site
from tests.fleet.fleet import Fleet, Website

_BEGAN_HOURS_AGO = 29
_MOST_SITES = 12
_CHOICE = WaveChoice(count=1, percent=50, wait_hours=24)


def plan_rollout(fleet: Fleet, websites: list[Website]) -> None:
    """Put the rollout on the timeline; the owners of `websites` make no updates themselves."""
    fleet.timeline.at(fleet.ago(hours=_BEGAN_HOURS_AGO), _begin, fleet, websites)
    for hour in range(_BEGAN_HOURS_AGO):
        fleet.timeline.at(fleet.ago(hours=hour, minutes=30), _advance, fleet)


def _advance(fleet: Fleet) -> None:
    upkeep.advance_due(fleet.clock())


def _begin(fleet: Fleet, websites: list[Website]) -> None:
    """Review the update that most of these sites have, unless too few sites have it."""
    sites = list(Site.select().where(Site.url.in_([one.home for one in websites])))
    for site in sites:
        fleet.sync(site)
    fleet.timeline.at(fleet.ago(hours=_BEGAN_HOURS_AGO - 0.1), _review, fleet, sites)


def _review(fleet: Fleet, sites: list[Site]) -> None:
    groups: dict[tuple[str, str], list[UpdateRequest]] = defaultdict(list)
    for site in sites:
        if site.approvals != SELF_APPROVAL:
            continue
        for one in fleet.possible(site):
            target = one.target
            request = UpdateRequest(site, target.kind, target.ident, str(target.available))
            groups[target.ident, request.to_version].append(request)
    largest_group = max(groups.values(), key=len, default=[])[:_MOST_SITES]
    if len(largest_group) < FEWEST_SITES:
        return
    batch = proposals.review_changes(largest_group, by=fleet.operator, now=fleet.clock())
    fleet.timeline.at(fleet.ago(hours=_BEGAN_HOURS_AGO - 0.2), _approve, fleet, batch[0].batch)


def _approve(fleet: Fleet, batch: str) -> None:
    found = list(Change.select().where(Change.batch == batch, Change.state == PROPOSED))
    if len(found) < FEWEST_SITES:
        return
    starting.approve_in_waves(
        found,
        _CHOICE,
        by=fleet.operator,
        seen={change.id: change.digest for change in found},
        confirmed_at=fleet.clock(),
        config=fleet.config,
        now=fleet.clock(),
        terms=Terms(reason="One site first, as always"),
    )
