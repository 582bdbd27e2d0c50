"""Auto-update rules: created, confirmed and ended by people, and what they approve.

A rule proposes what it covers and approves it, in its hours and until it expires, and is shown as
the approver. What a person proposed by hand needs the approval of a person.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.config import Config
from app.domain import audit, dashboard_identity, permissions, provenance
from app.domain.actor import SCHEDULE, Actor
from app.domain.audit.events import (
    ApprovalModeChanged,
    AutoUpdateRuleConfirmed,
    AutoUpdateRuleCreated,
    AutoUpdateRuleEnded,
)
from app.domain.changes import (
    approvals,
    candidates,
    change_plan,
    change_times,
    proposals,
    release_findings,
    rest_period,
    rule_canaries,
    rule_coverage,
    rule_hours,
    rule_terms,
)
from app.domain.changes.candidates import Candidate
from app.domain.changes.change_times import Start
from app.domain.changes.rest_period import ReleaseAges
from app.domain.changes.rule_canaries import Canaries
from app.domain.changes.rule_coverage import matches_site
from app.domain.changes.rule_terms import RuleTerms
from app.domain.errors import Conflict, Forbidden, Invalid, NotFound, StaleState
from app.domain.inventory.targets import Target
from app.domain.inventory.versions import release_type_between
from app.models.accounts import User
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import transaction
from app.models.changes import MAY_CANCEL, PROPOSED, Change
from app.models.clients import APPROVALS, CLIENT_APPROVAL, FOUR_EYES, Client
from app.models.sites import Site
from app.models.tags import SiteTag

# How long an update that a rule approved may wait for its start.
BEGINS_WITHIN = timedelta(hours=12)
_MOST_AT_ONCE = 200
# How often a rule proposes the same version of a component, and how long after an attempt that
# did not touch the site. Longer than a night's hours, shorter than a day.
MOST_TRIES = 3
TRIES_AGAIN_AFTER = timedelta(hours=20)


def create_rule(
    terms: RuleTerms, *, by: Actor, confirmed_at: datetime, now: datetime
) -> AutoUpdateRule:
    """Approve in advance what `terms` cover.

    Raises Forbidden, ReauthenticationRequired, or Invalid with a message for each field.
    """
    permissions.require(by, "auto_update_rules")
    permissions.require_recent_authentication(confirmed_at, now)
    Invalid.raise_for(rule_terms.problems_in(terms, now))
    with permissions.user_transaction(by, "auto_update_rules") as (_, present):
        visible = permissions.visibility_of(present)
        client_id = terms.client.id if terms.client else None
        if rule_coverage.reaches_beyond(client_id, terms.site_ids, visible):
            raise Invalid("client", "Choose one of your clients, or some of their sites.")
        rule = AutoUpdateRule.create(
            name=terms.name.strip(),
            permissions=list(terms.permissions),
            release_types=list(terms.release_types),
            client=terms.client,
            site_ids=list(terms.site_ids),
            tags=list(terms.tags),
            weekdays=list(terms.weekdays),
            from_hour=terms.from_hour,
            to_hour=terms.to_hour,
            created_by=present.id,
            maker=present.name,
            created_at=now,
            reason=terms.reason.strip(),
            expires_at=terms.expires_at,
            rest_hours=terms.rest_hours,
            rest_hours_major=terms.rest_hours_major,
            canary_tag=terms.canary_tag,
            canary_hours=terms.canary_hours if terms.canary_tag else None,
        )
        rule_canaries.require_canary(rule)
        audit.record(_creation(rule), present, now=now)
    return rule


def _creation(rule: AutoUpdateRule) -> AutoUpdateRuleCreated:
    return AutoUpdateRuleCreated(
        rule_id=rule.id,
        name=rule.name,
        permissions=", ".join(rule.permissions),
        release_types=", ".join(rule.release_types),
        covers=covers_in_words(rule, Site.names(rule.site_ids)),
        tags=", ".join(rule.tags),
        window=rule_hours.in_words(rule),
        expires_at=rule.expires_at.isoformat(),
        rest_hours=rule.rest_hours,
        rest_hours_major=rule.rest_hours_major,
        canary_tag=rule.canary_tag,
        canary_hours=rule.canary_hours,
        reason=rule.reason,
    )


def confirm_rule(rule: AutoUpdateRule, *, by: Actor, confirmed_at: datetime, now: datetime) -> None:
    """Confirm a rule as the second person.

    Raises: Forbidden for its creator, ReauthenticationRequired, or StaleState.
    """
    permissions.require(by, "approve")
    permissions.require_recent_authentication(confirmed_at, now)
    with permissions.user_transaction(by, "approve") as (_, present):
        _require_reach(rule, present)
        if rule.created_by_id == present.id:
            raise Forbidden(
                "approve", "You created this auto-update rule. A second person has to confirm it."
            )
        if present.id is None or not rule.confirm(present.id, now, confirmer=present.name):
            raise StaleState("This auto-update rule has ended or is already confirmed.")
        event = AutoUpdateRuleConfirmed(rule_id=rule.id, name=rule.name)
        audit.record(event, present, now=now)


def end_rule(rule: AutoUpdateRule, *, by: Actor, now: datetime) -> None:
    """End a rule and cancel its updates that have not started.

    Raises: Forbidden, or StaleState if it has already ended.
    """
    with permissions.user_transaction(by, "approve") as (_, by):
        _require_reach(rule, by)
        if not rule.end(ended_at=now, ended_by=by.name):
            raise StaleState("This auto-update rule has already ended.")
        audit.record(AutoUpdateRuleEnded(rule_id=rule.id, name=rule.name), by, now=now)
        waiting = Change.select().where(Change.rule == rule, Change.state.in_(MAY_CANCEL))
        for change in list(waiting):
            proposals.cancel_in_transaction(change, "auto_update_rule_ended", by, now)


def set_approval_mode(
    client: Client, mode: str, *, by: Actor, confirmed_at: datetime, now: datetime
) -> None:
    """Set who approves updates of a client's sites.

    Raises: Forbidden, ReauthenticationRequired, Invalid, or StaleState if it is already set.
    """
    permissions.require(by, "auto_update_rules")
    permissions.require_recent_authentication(confirmed_at, now)
    if mode not in APPROVALS:
        raise Invalid("approvals", "Choose who approves updates.")
    if mode == CLIENT_APPROVAL and not User.has_client_user(client.id):
        raise Invalid(
            "approvals",
            f"{client.name} has no client user yet who could approve. Invite one here first.",
        )
    with permissions.user_transaction(by, "auto_update_rules", client) as (_, present):
        if not client.set_approval_mode(mode):
            raise StaleState("This is already the approval setting.")
        event = ApprovalModeChanged(client_id=client.id, client=client.name, approvals=mode)
        audit.record(event, present, now=now)


# ---- proposals and approvals of rules ----


@dataclass(frozen=True)
class _Round:
    """What is known at `now` of the releases that rules may propose."""

    now: datetime
    ages: ReleaseAges
    canaries: Canaries

    def holds(self, rule: AutoUpdateRule, target: Target, tagged: Collection[str]) -> bool:
        """Whether a rule must not yet install what is available, on a site with these tags."""
        if self.ages.why_rule_waits(rule, target, self.now):
            return True
        release = (target.kind, target.ident, target.available or "")
        return self.canaries.why_rule_waits(rule, tagged, release) is not None


def propose_due(now: datetime) -> int:
    """Propose what active auto-update rules cover, and return the number of proposals.

    Updates that were decided, or tried too often, are left out.
    """
    rules = [rule for rule in AutoUpdateRule.in_force(now) if rule_hours.opened_at(rule, now)]
    if not rules:
        return 0
    calendar = change_times.read_calendar(now)
    proposed, current = 0, _Round(now, ReleaseAges.read(), Canaries(now))
    for site in Site.select().where(Site.is_connected()):
        if calendar.span_for_rule(site, now, now + BEGINS_WITHIN) is None:
            continue
        tagged = SiteTag.of_site(site)
        covering = [rule for rule in rules if matches_site(rule, site, tagged)]
        for candidate in candidates.candidates_on_site(site, now) if covering else ():
            if proposed >= _MOST_AT_ONCE:
                return proposed
            proposed += _put_forward(covering, site, tagged, candidate, current)
    current.canaries.request_looks()
    return proposed


def _put_forward(
    rules: Iterable[AutoUpdateRule],
    site: Site,
    tagged: Collection[str],
    candidate: Candidate,
    current: _Round,
) -> int:
    target, now = candidate.target, current.now
    is_paused = provenance.is_paused(target.kind, target.ident)
    if not candidate.may_be_proposed or target.available is None or is_paused:
        return 0
    release_type = release_type_between(target.version, target.available)
    rule = next(
        (
            rule
            for rule in rules
            if may_release(rule, site, target.permission, release_type)
            and not current.holds(rule, target, tagged)
        ),
        None,
    )
    if rule is None or not _may_try(
        Change.attempts_at(site.id, target.kind, target.ident, target.available), now
    ):
        return 0
    wanted = [proposals.UpdateRequest(site, target.kind, target.ident, target.available)]
    try:
        proposals.create_proposals(
            wanted,
            by=SCHEDULE,
            reason=rule_canaries.reason_for(rule, tagged),
            window=proposals.Window(now, now + BEGINS_WITHIN),
            now=now,
            requested_at=now,
            rule=rule,
            batch=rule_hours.batch_of(rule, target.kind, now),
        )
    except Conflict:
        return 0  # a person proposed it, or the rule ended, at the same time
    return 1


def _may_try(earlier: list[Change], now: datetime) -> bool:
    """Whether a rule may propose a version again after these changes."""
    if not all(change.left_site_untouched for change in earlier):
        return False
    ends = [change.ended_at for change in earlier if change.ended_at]
    return tries_of_rules(earlier) < MOST_TRIES and (
        not ends or now - max(ends) >= TRIES_AGAIN_AFTER
    )


def tries_of_rules(found: list[Change]) -> int:
    """Return how many of these changes a rule proposed."""
    return sum(change.rule_id is not None for change in found)


def would_release(change: Change, site: Site, now: datetime) -> AutoUpdateRule | None:
    """Return the active rule that covers this change, no matter who proposed it."""
    rules, tagged = AutoUpdateRule.in_force_beside_tags(site, now)
    return next(
        (
            rule
            for rule in rules
            if applies_to(rule, site, tagged, change.permission, change.release_type)
        ),
        None,
    )


def approve_due(config: Config, now: datetime) -> int:
    """Approve what rules proposed and sites can do, within their hours; return the number."""
    waiting = Change.select().where(Change.state == PROPOSED, Change.rule.is_null(False))
    return sum(release(change, config=config, now=now) for change in list(waiting))


def release(change: Change, *, config: Config, now: datetime) -> bool:
    """Approve one change; return False if the rule does not cover it, or not now."""
    dashboard = dashboard_identity.load_dashboard(config)
    with transaction():
        change.refresh()
        rule = change.rule
        site = Site.get_by_id(change.site_id)
        if (
            change.state != PROPOSED
            or rule is None
            or not rule.is_in_force(now)
            or not rule_hours.opened_at(rule, now)
            or not matches_site(rule, site, SiteTag.of_site(site))
            or not may_release(rule, site, change.permission, change.release_type)
            or approvals.obstacle(change, site, now)
            or not release_findings.may_be_left_to_rule(change)
            or rest_period.why_change_waits(change, rule, site, now)
            or not rule_canaries.may_be_approved(change, site, now)
        ):
            return False
        span = change_times.read_calendar(now).span_for_rule(site, now, change.not_after)
        if span is None:
            return False
        return approvals.sign_and_queue(
            change,
            dashboard,
            by=SCHEDULE,
            approval_kind=change_plan.BY_RULE,
            approver=approver_name(rule),
            seen=change.digest,
            may_be_proposer=True,
            start=Start(max(change.not_before, span.begins), span),
            now=now,
        )


def applies_to(
    rule: AutoUpdateRule, site: Site, tagged: Collection[str], permission: str, release_type: str
) -> bool:
    """Whether the rule covers this update of a site with these tags (folded)."""
    return matches_site(rule, site, tagged) and may_release(rule, site, permission, release_type)


def may_release(rule: AutoUpdateRule, site: Site, permission: str, release_type: str) -> bool:
    """Whether a rule that covers the site releases this update there.

    It respects clients that require a second person.
    """
    if permission not in rule.permissions:
        return False
    # A translation has no version, so only its permission counts.
    if permission != "translations" and release_type not in rule.release_types:
        return False
    if site.approvals == CLIENT_APPROVAL:
        return False  # a client that approves updates itself has not agreed to rules
    return site.approvals != FOUR_EYES or rule.confirmed_by_id is not None


def approver_name(rule: AutoUpdateRule) -> str:
    """Return the name of a rule for pages and plans, with the people responsible for it."""
    people = f"{rule.maker} and {rule.confirmer}" if rule.confirmer else rule.maker
    return f"auto-update rule {rule.id} “{rule.name}” of {people}"


def covers_in_words(rule: AutoUpdateRule, site_names: Mapping[int, str]) -> str:
    """Return the permission of a rule, as `every site of Bakery Ltd tagged “shop” or “vip”`.

    `site_names` has at least the sites that the rule names.
    """
    of_client = f" of {rule.client.name}" if rule.client else ""
    quoted = " or ".join(f"“{tag}”" for tag in rule.tags)
    tagged = f" tagged {quoted}" if quoted else ""
    if not rule.site_ids:
        return f"every site{of_client}{tagged}"
    names = sorted(site_names[site_id] for site_id in set(rule.site_ids) if site_id in site_names)
    listed = ", ".join(names) or "no site"
    return f"{listed}, while each is a site{of_client}{tagged}" if of_client or tagged else listed


def _require_reach(rule: AutoUpdateRule, by: Actor) -> None:
    """Check that a user sees every site that the rule can cover.

    Raises: Forbidden.
    """
    visible = permissions.visibility_of(by)
    if rule_coverage.reaches_beyond(rule.client_id, rule.site_ids, visible):
        raise Forbidden("approve", "This rule also covers sites of clients that you do not see.")


def get_rule(rule_id: int, by: Actor) -> AutoUpdateRule:
    """Return the rule with this id. Raises NotFound, also for a user who may not see it."""
    rule = AutoUpdateRule.get_or_none(AutoUpdateRule.id == rule_id)
    if rule is None or not rule_coverage.visible_rules([rule], permissions.visibility_of(by)):
        raise NotFound("This auto-update rule does not exist.")
    return rule
