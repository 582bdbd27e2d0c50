"""How old a release is, and whether auto-update rules still wait for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain import permissions
from app.domain.actor import Actor
from app.domain.changes import auto_update_rules, rest_period, rule_canaries
from app.domain.changes.candidates import Candidate
from app.domain.changes.rest_period import ReleaseAge, ReleaseAges, RuleWait
from app.domain.changes.rule_canaries import Canaries
from app.domain.changes.vulnerability_updates import UpdateEffect, fixes
from app.domain.inventory import update_limits
from app.domain.inventory.release_sightings import KINDS
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import utcnow
from app.models.canaries import Release
from app.models.changes import Change
from app.models.site_vulnerabilities import SiteVulnerability
from app.models.sites import Site
from app.models.tags import SiteTag


@dataclass(frozen=True)
class HeldRelease:
    """Why a rule does not install a release on a site that is not among its first ones.

    `code` is that of a CanaryWait, and `site` the one it is about, if the person may see it.
    """

    rule: AutoUpdateRule
    code: str
    site: Site | None
    until: datetime | None

    @property
    def is_bad(self) -> bool:
        """Whether something speaks against the release, so that time alone changes nothing."""
        return self.code not in rule_canaries.WAITS


@dataclass(frozen=True)
class ReleaseCard:
    """The age of one release as a person decides about it.

    `hours` is for how long it rests: for `rule` if one covers it, otherwise as the agency says.
    `wait` is why that rule does not install it, and `held` what its first sites have to do with
    that. `owner_hours` is what the site's owner requires.
    """

    kind: str
    ident: str
    version: str
    age: ReleaseAge
    hours: int
    now: datetime
    rule: AutoUpdateRule | None
    wait: RuleWait | None
    held: HeldRelease | None
    owner_hours: int
    may_lift: bool

    @property
    def rests_until(self) -> datetime | None:
        """Return until when it rests; None if it has rested, or need not."""
        until = self.age.rests_until(self.hours)
        return until if until and self.now < until and self.age.lift is None else None


def card_of_change(
    change: Change, site: Site, rule: AutoUpdateRule | None, actor: Actor, security: UpdateEffect
) -> ReleaseCard | None:
    """Return the card of an open update; None if its release has no age."""
    if change.kind not in KINDS or not change.is_open:
        return None
    now = utcnow()
    release = (change.kind, change.ident, change.to_version)
    ages = ReleaseAges.read_with(*release)
    hours = rest_period.rule_hours_of(rule, ages.agency) if rule else ages.agency
    return ReleaseCard(
        kind=change.kind,
        ident=change.ident,
        version=change.to_version,
        age=ages.age_of(*release),
        hours=hours.for_size(change.release_type),
        now=now,
        rule=rule,
        wait=None,
        held=_held(rule, SiteTag.of_site(site) if rule and rule.canary_tag else (), release, actor),
        owner_hours=update_limits.min_age_hours_of(site),
        may_lift=bool(security.fixed) and _may_lift(actor),
    )


def cards_of_candidates(
    site: Site,
    found: Sequence[Candidate],
    vulnerabilities: Sequence[SiteVulnerability],
    actor: Actor,
    now: datetime,
) -> list[ReleaseCard]:
    """Return the card of each release that a site lists of one component.

    `vulnerabilities` are the known ones of its installed version.
    """
    listed = [one.target for one in found if one.target.available and one.target.kind in KINDS]
    if not listed:
        return []
    first = listed[0]
    ages = ReleaseAges.read_with(first.kind, first.ident, first.available or "")
    rules, tagged = AutoUpdateRule.in_force_beside_tags(site, now)
    cards = []
    for target in listed:
        version = target.available or ""
        size = target.release_type_to(version)
        rule = next(
            (
                rule
                for rule in rules
                if auto_update_rules.applies_to(rule, site, tagged, target.permission, size)
            ),
            None,
        )
        hours = rest_period.rule_hours_of(rule, ages.agency) if rule else ages.agency
        does_fix = any(one.fixed_in and fixes(version, one.fixed_in) for one in vulnerabilities)
        cards.append(
            ReleaseCard(
                kind=target.kind,
                ident=target.ident,
                version=version,
                age=ages.age_of(target.kind, target.ident, version),
                hours=hours.for_size(size),
                now=now,
                rule=rule,
                wait=ages.why_rule_waits(rule, target, now) if rule else None,
                held=_held(rule, tagged, (target.kind, target.ident, version), actor),
                owner_hours=target.min_age_hours,
                may_lift=does_fix and _may_lift(actor),
            )
        )
    return cards


def _held(
    rule: AutoUpdateRule | None, tagged: Collection[str], release: Release, actor: Actor
) -> HeldRelease | None:
    """Return why a rule has not let a release follow to a site with these tags; None if it has."""
    wait = Canaries(utcnow()).why_rule_waits(rule, tagged, release) if rule else None
    if rule is None or wait is None:
        return None
    site = wait.site
    if site is not None and not permissions.visibility_of(actor).has(site.client_id):
        site = None
    return HeldRelease(rule, wait.code, site, wait.until)


def _may_lift(actor: Actor) -> bool:
    return (
        permissions.is_allowed(actor.role, "lift")
        and permissions.visibility_of(actor).is_everything
    )
