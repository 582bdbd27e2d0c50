"""What an auto-update rule covers, as a person enters it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.changes import rest_period, rule_canaries
from app.domain.errors import Invalid
from app.domain.inventory.eligibility import RULE_PERMISSIONS
from app.domain.inventory.versions import RELEASE_TYPES
from app.domain.sites import tag_names
from app.domain.text import MAX_REASON_CHARS
from app.models.clients import Client

MAX_NAME_CHARS = 120
# The longest lifetime of a rule, because people forget what they agreed to.
MAX_LIFETIME = timedelta(days=366)


@dataclass(frozen=True)
class RuleTerms:
    """What an auto-update rule covers.

    `client`, `site_ids` and `tags` (any of them) each narrow it to fewer sites. An empty one
    narrows nothing.
    """

    name: str
    permissions: tuple[str, ...]
    release_types: tuple[str, ...]
    client: Client | None
    site_ids: tuple[int, ...]
    tags: tuple[str, ...]
    weekdays: tuple[int, ...]
    from_hour: int
    to_hour: int
    expires_at: datetime
    reason: str
    # How old a release has to be, in hours: patch and minor releases, and others. None is what the
    # agency has set.
    rest_hours: int | None = None
    rest_hours_major: int | None = None
    # The tag of the sites that get a release first, and how many hours the others wait for them.
    canary_tag: str = ""
    canary_hours: int | None = None


def problems_in(terms: RuleTerms, now: datetime) -> dict[str, str]:
    """Return a message for each invalid field of the terms."""
    problems: dict[str, str] = {}
    if not 0 < len(terms.name.strip()) <= MAX_NAME_CHARS:
        problems["name"] = f"Enter a name of at most {MAX_NAME_CHARS} characters."
    if not terms.permissions or not set(terms.permissions) <= set(RULE_PERMISSIONS):
        problems["permissions"] = "Choose at least one kind of update."
    needs_release_types = set(terms.permissions) != {"translations"}
    if (needs_release_types and not terms.release_types) or not set(terms.release_types) <= set(
        RELEASE_TYPES
    ):
        problems["release_types"] = "Choose at least one size of update."
    if len(terms.tags) > tag_names.MAX_TAGS or not all(_is_tag(tag) for tag in terms.tags):
        problems["tags"] = "Choose tags that sites have."
    if not terms.weekdays or not set(terms.weekdays) <= set(range(7)):
        problems["weekdays"] = "Choose at least one day."
    hours = (terms.from_hour, terms.to_hour)
    if not (0 <= terms.from_hour <= 23 and 1 <= terms.to_hour <= 24) or hours[0] == hours[1]:
        problems["from_hour"] = "Choose two different hours."
    if not now < terms.expires_at <= now + MAX_LIFETIME:
        problems["expires_at"] = "Choose a date within one year."
    problems |= rest_period.problems_in(terms.rest_hours, terms.rest_hours_major)
    if terms.canary_tag and not _is_tag(terms.canary_tag):
        problems["canary_tag"] = "Choose a tag that sites have."
    problems |= rule_canaries.problems_in(terms.canary_tag, terms.canary_hours)
    if not 0 < len(terms.reason.strip()) <= MAX_REASON_CHARS:
        problems["reason"] = "Enter a reason. It is recorded in the audit log."
    return problems


def _is_tag(text: str) -> bool:
    try:
        return list(tag_names.read(text).values()) == [text]
    except Invalid:
        return False
