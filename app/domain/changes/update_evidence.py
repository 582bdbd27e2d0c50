"""What speaks against a release after one site has installed it. Pure.

Rollouts and auto-update rules judge by this before they let other sites follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.domain.changes import outcomes
from app.models.changes import BAD_ENDS, CANCELLED, EXPIRED, REFUSED, SUCCEEDED, UNKNOWN, Change
from app.models.site_pages import RESTORED, UNANSWERED
from app.models.uptime import Outage

BROKE_LATER = "broke_later"
NO_RESULT = "unknown"
UNPROVEN = "unproven"
OUTAGE = "outage"
PAGE_BROKEN = "page_broken"
PAGE_UNCLEAR = "page_unclear"
# Of the pages that must still work: a person is asked, or restored the former version.
PAGES_CHANGED = "pages_changed"
VERSION_RESTORED = "version_restored"

# What a front page shows that speaks against a release.
LOOKS_AGAINST = {outcomes.FATAL: PAGE_BROKEN, outcomes.COULD_NOT_TELL: PAGE_UNCLEAR}
# The same of the other pages, by ChangePages.verdict.
_PAGES_AGAINST = {UNANSWERED: PAGES_CHANGED, RESTORED: VERSION_RESTORED}
# Who accepts one of these knows that the update was not seen working, which comes before them.
_AFTER_UNPROVEN = (UNPROVEN, OUTAGE, *LOOKS_AGAINST.values(), *_PAGES_AGAINST.values())


def reason_against(
    change: Change,
    *,
    look: str,
    pages: str,
    outages: Sequence[Outage],
    wait: timedelta,
    accepted: str = "",
    since: datetime | None = None,
) -> str:
    """Return what speaks against letting other sites follow this change; empty if nothing does.

    `look` is what the front page showed afterwards, `pages` is ChangePages.verdict of the others,
    and `outages` are those of any sites. One that began in the `wait` after the change counts, but
    not before `since`, when a person has judged the site and `accepted` this reason.
    """
    if change.state != SUCCEEDED:
        return _reason_of_end(change)
    if change.is_incident or change.outcome_reason == outcomes.BROKE_LATER:
        return BROKE_LATER
    # What was accepted as not seen working may still break.
    if change.outcome_reason == outcomes.UNPROVEN and accepted not in _AFTER_UNPROVEN:
        return UNPROVEN
    if any(_is_after(outage, change, wait, since) for outage in outages):
        return OUTAGE
    # What was accepted about other pages hides nothing about the front page.
    return LOOKS_AGAINST.get(look) or _PAGES_AGAINST.get(pages, "")


def _reason_of_end(change: Change) -> str:
    if change.state == UNKNOWN:
        # Aura asks the site again for an hour before a person has to.
        return NO_RESULT if change.is_incident or change.next_attempt_at is None else ""
    return change.state if change.state in (*BAD_ENDS, REFUSED, EXPIRED, CANCELLED) else ""


def _is_after(outage: Outage, change: Change, wait: timedelta, since: datetime | None) -> bool:
    """Whether the site went down after the change, before its wait was over."""
    if outage.site_id != change.site_id or change.started_at is None or change.ended_at is None:
        return False
    begins = max(change.started_at, since or change.started_at)
    return bool(begins <= outage.began_at <= change.ended_at + wait)
