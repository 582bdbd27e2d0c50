"""Rules that install a release on few sites first: what holds it on the others.

A rule with a canary tag updates the sites with that tag as soon as it may. Its other sites follow
when the evidence of these holds for some hours, judged as between the waves of a rollout. Each
version has to be proved, and a person may approve an update at any time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app import queue
from app.domain.changes import rule_hours, update_evidence
from app.domain.changes.rule_coverage import is_first, matches_site
from app.domain.errors import Invalid
from app.domain.sites import tag_names
from app.domain.text import MAX_REASON_CHARS, one_line
from app.formats import counted
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import transaction
from app.models.canaries import CanaryLook, ChangeSince, Release, sites_tagged
from app.models.changes import SUCCEEDED, Change
from app.models.sites import Site
from app.models.tags import SiteTag

# How long the others wait, in hours.
HOURS = (1, 4, 12, 24, 48, 72, 168)
USUAL_HOURS = 24

# Why a rule waits, beside what speaks against an update: values of CanaryWait.code.
NO_CANARY = "no_canary"
NOT_UPDATED = "not_updated"
PROVES = "proves"
NOT_SEEN = "not_seen"
WAITS = (NO_CANARY, NOT_UPDATED, PROVES, NOT_SEEN)
# What only takes time: no reason to hold back what a rule has approved.
_PASSING = (PROVES, NOT_SEEN)


@dataclass(frozen=True)
class CanaryWait:
    """Why a rule does not install a release on its other sites now.

    `site` is the one it is about, if it is one. `until` is when the hours are over, and `unseen`
    are the changes whose site has to be looked at.
    """

    code: str
    site: Site | None = None
    until: datetime | None = None
    unseen: tuple[int, ...] = ()


@dataclass(frozen=True)
class Proof:
    """What is known of a release on the sites of a rule.

    `canaries` are the sites that come first, with whether they list it as available. `trials` are
    the changes that have to be judged; see CanaryLook.changes_to.
    """

    canaries: Mapping[int, tuple[Site, bool]]
    trials: Sequence[ChangeSince]


@dataclass
class Canaries:
    """What the first sites of rules prove, each release read once.

    Keep one no longer than a transaction or a run: it is what was known at `now`.
    """

    now: datetime
    _known: dict[tuple[int, Release], CanaryWait | None] = field(default_factory=dict)

    def why_rule_waits(
        self, rule: AutoUpdateRule, tagged: Collection[str], release: Release
    ) -> CanaryWait | None:
        """Return why a rule may not install a release on a site with these tags; None if it may."""
        if not rule.canary_tag or is_first(rule, tagged):
            return None
        key = (rule.id, release)
        if key not in self._known:
            self._known[key] = judge(rule, read_proof(rule, release), self.now)
        return self._known[key]

    def request_looks(self) -> None:
        """Have the sites looked at that were found unseen."""
        unseen = {one for wait in self._known.values() if wait for one in wait.unseen}
        queue.enqueue_rows("look_at_canary", sorted(unseen))


def why_change_waits(change: Change, site: Site, now: datetime) -> CanaryWait | None:
    """Return why the rule that proposed a change may not approve it now; None if it may."""
    rule = change.rule
    if rule is None or not rule.canary_tag:
        return None
    release = (change.kind, change.ident, change.to_version)
    return Canaries(now).why_rule_waits(rule, SiteTag.of_site(site), release)


def may_be_approved(change: Change, site: Site, now: datetime) -> bool:
    """Whether the rule that proposed a change may approve it, in the caller's transaction.

    If only a look is missing, it is requested.
    """
    wait = why_change_waits(change, site, now)
    if wait is None:
        return True
    with transaction() as tx:
        for change_id in wait.unseen:
            tx.after_commit(queue.enqueue, "look_at_canary", change_id)
    return False


def is_disproved(change: Change, site: Site, now: datetime) -> bool:
    """Whether what a rule has approved must not start: its evidence does not hold any more."""
    wait = why_change_waits(change, site, now)
    return wait is not None and wait.code not in _PASSING


def read_proof(rule: AutoUpdateRule, release: Release) -> Proof:
    """Read what is known of a release on the sites of a rule."""
    canaries = {
        one.site.id: (one.site, one.lists_it)
        for one in sites_tagged(tag_names.fold(rule.canary_tag), release)
        if matches_site(rule, one.site, one.tagged)
    }
    return Proof(canaries, CanaryLook.changes_to(release, canaries.keys(), rule.id))


def judge(rule: AutoUpdateRule, proof: Proof, now: datetime) -> CanaryWait | None:
    """Return why the other sites of a rule have to wait for a release; None if they need not. Pure.

    One bad end on any site that the rule has updated holds all others.
    """
    wait = timedelta(hours=rule.canary_hours or USUAL_HOURS)
    for trial in proof.trials:
        reason = update_evidence.reason_against(
            trial.change, look="", pages=trial.pages, outages=trial.outages, wait=wait
        )
        if reason:
            return CanaryWait(reason, trial.change.site)
    on_canaries = [one for one in proof.trials if one.change.site_id in proof.canaries]
    waiting = [site for site, lists_it in proof.canaries.values() if lists_it]
    waiting += [one.change.site for one in on_canaries if one.change.is_open]
    if waiting:
        return CanaryWait(NOT_UPDATED, waiting[0])
    proving = [one for one in on_canaries if one.change.state == SUCCEEDED]
    ends = [one.change.ended_at for one in proving if one.change.ended_at]
    if not ends:
        return CanaryWait(NO_CANARY)
    until = max(ends) + wait
    if now < until:
        return CanaryWait(PROVES, until=until)
    # Once in each night of the rule, so that it never relies on a look of another day.
    seen_from = max(until, rule_hours.opened_at(rule, now) or until)
    return _judge_looks(proving, seen_from)


def _judge_looks(proving: Sequence[ChangeSince], seen_from: datetime) -> CanaryWait | None:
    """Return which home pages have not been seen since then, or which of them is not right."""
    unseen = [one for one in proving if one.look is None or one.look.looked_at < seen_from]
    if unseen:
        return CanaryWait(NOT_SEEN, unseen=tuple(one.change.id for one in unseen))
    for trial in proving:
        look = trial.look.answer if trial.look else ""
        if reason := update_evidence.LOOKS_AGAINST.get(look):
            return CanaryWait(reason, trial.change.site)
    return None


def reason_for(rule: AutoUpdateRule, tagged: Collection[str]) -> str:
    """Return the reason of what a rule proposes for a site with these tags, as its plan has it."""
    if not rule.canary_tag:
        return rule.reason
    if is_first(rule, tagged):
        order = f"First, as one of the sites tagged “{rule.canary_tag}”."
    else:
        order = f"After sites tagged “{rule.canary_tag}” ran it for {hours_in_words(rule)}."
    return f"{one_line(rule.reason, MAX_REASON_CHARS - len(order) - 1)} {order}"


def hours_in_words(rule: AutoUpdateRule) -> str:
    """Return how long the other sites wait: `1 hour`, `24 hours`."""
    return counted(rule.canary_hours or USUAL_HOURS, "hour")


def problems_in(tag: str, hours: int | None) -> dict[str, str]:
    """Return a message for the field that is not valid; without a tag, the hours do not count."""
    if tag and hours not in HOURS:
        return {"canary_hours": "Choose how long the other sites wait."}
    return {}


def require_canary(rule: AutoUpdateRule) -> None:
    """Raise Invalid if no connected site that a rule covers comes first."""
    if rule.canary_tag and not read_proof(rule, ("", "", "")).canaries:
        raise Invalid(
            "canary_tag",
            f"No connected site of this rule is tagged “{rule.canary_tag}”. Give the tag to a site "
            "that the rule covers, or choose another one.",
        )
