"""Tags on sites, and what follows: a tag can bring a site under a standing approval, and the
loss of one ends that at once, also for what was released and has not begun."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import TagsChanged
from app.domain.changes import auto_update_rules, proposals
from app.domain.errors import Conflict, TagsJoinRules
from app.domain.sites import tag_names
from app.models.auto_update_rules import Policy
from app.models.changes import MAY_CANCEL, Change
from app.models.sites import Site
from app.models.tags import SiteTag

NOT_COVERED = "not_covered"


def set_tags(
    site: Site,
    text: str,
    *,
    by: Actor,
    confirmed_at: datetime,
    agreed: Collection[int] = (),
    now: datetime,
) -> None:
    """Let the site have the tags of this comma-separated text, and no others.

    Where that brings it under standing approvals, it is an approval: whoever may approve does it,
    with a password typed lately, after seeing each of them (`agreed`). Raises Forbidden, Invalid,
    Conflict, NotConfirmed, or BringsUnderPolicies naming what has to be agreed to.
    """
    permissions.require(by, "pair")
    wanted = tag_names.read(text)
    with permissions.member_transaction(by, "pair") as (_, by):
        site.refresh()
        if site.forgotten_at:
            raise Conflict("This site is not in the list any more.")
        had = SiteTag.of_site(site)
        if had == wanted:
            return
        brings = _brought(site, had, wanted, now)
        actor = require_agreement(by, brings, confirmed_at, agreed, now) if brings else by
        SiteTag.give(site, wanted)
        audit.record(_changed(site, had, wanted, brings), actor, now=now)
        call_off_uncovered(site, wanted, actor, now)


def _brought(
    site: Site, had: Collection[str], wanted: Collection[str], now: datetime
) -> list[Policy]:
    """The standing approvals that reach the site by its new tags and did not before."""
    return [
        policy
        for policy in Policy.in_force(now)
        if auto_update_rules.matches_site(policy, site, wanted)
        and not auto_update_rules.matches_site(policy, site, had)
    ]


def require_agreement(
    by: Actor,
    brings: list[Policy],
    confirmed_at: datetime,
    agreed: Collection[int],
    now: datetime,
) -> Actor:
    """Who agrees to what would cover a site from now on. Raises Forbidden, NotConfirmed, or
    BringsUnderPolicies unless each is among those that were shown (`agreed`)."""
    present = permissions.recheck(by, "approve")
    permissions.require_recent_authentication(confirmed_at, now)
    unseen = [policy for policy in brings if policy.id not in agreed]
    if unseen:
        raise TagsJoinRules(tuple(policy.id for policy in brings))
    return present


def _changed(
    site: Site, had: dict[str, str], wanted: dict[str, str], brings: list[Policy]
) -> TagsChanged:
    return TagsChanged(
        site_id=site.id,
        added=", ".join(text for key, text in wanted.items() if had.get(key) != text),
        removed=", ".join(text for key, text in had.items() if wanted.get(key) != text),
        brings=in_words(brings),
    )


def in_words(brings: Iterable[Policy]) -> str:
    """The standing approvals that somebody agreed to, as the entry names them."""
    return ", ".join(f"{policy.id} “{policy.name}”" for policy in brings)


def call_off_uncovered(site: Site, tagged: Collection[str], by: Actor, now: datetime) -> None:
    """Cancel what standing approvals released that no longer reach the site."""
    waiting = Change.select().where(
        Change.site == site, Change.state.in_(MAY_CANCEL), Change.policy.is_null(False)
    )
    for change in list(waiting):
        if change.policy and not auto_update_rules.matches_site(change.policy, site, tagged):
            proposals.cancel_in_transaction(change, NOT_COVERED, by, now)
