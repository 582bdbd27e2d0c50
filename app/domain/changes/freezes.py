"""Freezes: add one, and end one early. What they keep from starting is in change_times.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import FreezeAdded, FreezeEnded
from app.domain.errors import Invalid, NotFound, StaleState
from app.domain.text import has_hidden_characters
from app.domain.time_zones import zone_of
from app.models.agency import Agency
from app.models.clients import Client
from app.models.freezes import Freeze
from app.models.sites import Site

MAX_NAME_CHARS = 120
# The longest freeze, and how far ahead one can begin. Longer ones are typing errors.
MAX_LENGTH = timedelta(days=92)
MAX_AHEAD = timedelta(days=366)


@dataclass(frozen=True)
class FreezeTerms:
    """What a person types: a name, the days (both inclusive), and for whom.

    Without a client and a site it is for all. A day that cannot be read is `date.min`.
    """

    name: str
    first_day: date
    last_day: date
    client: Client | None = None
    site: Site | None = None


def add_freeze(terms: FreezeTerms, *, by: Actor, confirmed_at: datetime, now: datetime) -> Freeze:
    """Add a freeze.

    Raises Forbidden, ReauthenticationRequired, or Invalid with a message for each field.
    """
    permissions.require(by, "halt")
    permissions.require_recent_authentication(confirmed_at, now)
    with permissions.user_transaction(by, "halt") as (_, present):
        Invalid.raise_for(_problems(terms, today(now)) | _reach_problem(terms, present))
        _require_reach(terms.client, terms.site, present)
        freeze = Freeze.create(
            name=terms.name.strip(),
            first_day=terms.first_day,
            last_day=terms.last_day,
            client=terms.client if terms.site is None else None,
            site=terms.site,
            added_by=present.name,
            added_at=now,
        )
        event = FreezeAdded(
            site_id=freeze.site_id,
            client_id=freeze.client_id,
            freeze_id=freeze.id,
            name=freeze.name,
            first_day=terms.first_day.isoformat(),
            last_day=terms.last_day.isoformat(),
            covers=covers_in_words(freeze),
        )
        audit.record(event, present, now=now)
    return freeze


def end_freeze(freeze_id: int, *, by: Actor, confirmed_at: datetime, now: datetime) -> Freeze:
    """End a freeze now; it is kept in the list.

    Raises Forbidden, ReauthenticationRequired, NotFound, or StaleState if it is over.
    """
    permissions.require(by, "lift")
    permissions.require_recent_authentication(confirmed_at, now)
    with permissions.user_transaction(by, "lift") as (_, present):
        freeze = Freeze.get_or_none(Freeze.id == freeze_id)
        if freeze is None:
            raise NotFound("This freeze does not exist.")
        _require_reach(freeze.client, freeze.site, present)
        if freeze.last_day < today(now) or not freeze.end(by=present.name, now=now):
            raise StaleState("This freeze is already over.")
        event = FreezeEnded(
            site_id=freeze.site_id,
            client_id=freeze.client_id,
            freeze_id=freeze.id,
            name=freeze.name,
            last_day=freeze.last_day.isoformat(),
        )
        audit.record(event, present, now=now)
    return freeze


def _reach_problem(terms: FreezeTerms, by: Actor) -> dict[str, str]:
    """Return what a user who sees only some clients has to choose."""
    if terms.client or terms.site or permissions.visibility_of(by).is_everything:
        return {}
    return {"covers": "Choose one of your clients, or one of their sites."}


def _require_reach(client: Client | None, site: Site | None, by: Actor) -> None:
    """Check that a user sees every site that a freeze is for.

    Raises: Forbidden for all sites, or NotFound.
    """
    owner = site or client
    if owner is None:
        permissions.require_everything(by, "halt")
    else:
        permissions.require_visible(by, owner)


def today(now: datetime) -> date:
    """Return the day that it is in the agency's zone."""
    return now.astimezone(zone_of(Agency.read().time_zone)).date()


def covers_in_words(freeze: Freeze) -> str:
    """Return for whom a freeze is: `all sites`, a client, or a site."""
    if freeze.site is not None:
        return str(freeze.site.name)
    return "all sites" if freeze.client is None else f"all sites of {freeze.client.name}"


def _problems(terms: FreezeTerms, day: date) -> dict[str, str]:
    problems: dict[str, str] = {}
    first, last, name = terms.first_day, terms.last_day, terms.name.strip()
    if not 0 < len(name) <= MAX_NAME_CHARS or has_hidden_characters(name):
        problems["name"] = f"Enter a name of at most {MAX_NAME_CHARS} characters."
    if not day - MAX_LENGTH < first <= day + MAX_AHEAD:
        problems["first_day"] = "Choose a first day within the next year."
    if last < max(first, day):
        problems["last_day"] = "Choose a last day that is not before the first day or today."
    elif last - first >= MAX_LENGTH:
        problems["last_day"] = f"A freeze has at most {MAX_LENGTH.days} days."
    return problems
