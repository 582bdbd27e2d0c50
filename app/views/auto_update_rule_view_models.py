"""What the pages about auto-update rules show, read from the models and handed to the templates."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from app.domain.changes import (
    auto_update_rules,
    rest_period,
    rule_canaries,
    rule_coverage,
    rule_hours,
)
from app.domain.changes.rest_period import RestHours
from app.domain.inventory.versions import RELEASE_TYPES
from app.models import site_outlines
from app.models.agency import Agency
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import utcnow
from app.models.clients import FOUR_EYES, Client
from app.models.site_outlines import SiteOutline
from app.models.sites import ACTIVE, Site
from app.models.tags import SiteTag
from app.models.visibility import Visibility
from app.views.authorization import current_visibility
from app.views.filters import rest_time, user_zone
from app.views.pagination import Page, page_of
from app.views.site_choices import MOST_OFFERED

# Each has two buttons, and is on a page with a long form.
_CLIENTS_SHOWN = 20


@dataclass(frozen=True)
class RuleRow:
    """An auto-update rule in the list.

    `is_within`: it covers no site that the person cannot see. `first` is how many of its sites get
    a release first; None if all get it at once.
    """

    rule: AutoUpdateRule
    covers: str
    window: str
    reached: int
    is_in_force: bool
    needs_second: bool
    is_within: bool
    rest: RestHours
    first: int | None


@dataclass(frozen=True)
class RulePage:
    """The data of the page. `choices` are those of the form for a new rule.

    `must_find` says that there are too many sites to offer all of them.
    """

    rows: list[RuleRow]
    clients: Page[Client]
    choices: dict[str, list[tuple[str, str]]]
    must_find: bool
    agency_rest: RestHours


@dataclass(frozen=True)
class _Fleet:
    """What rules are compared with. `tags` are those of each site, by their folded text."""

    sites: list[SiteOutline]
    tags: dict[int, dict[str, str]]
    clients: list[Client]

    @classmethod
    def read(cls, visible: Visibility) -> _Fleet:
        """Read what the person sees of it."""
        return cls(
            site_outlines.outlines(visible), SiteTag.folded_by_site(), Client.listing(visible)
        )


def rule_page(find: str, chosen: Collection[int]) -> RulePage:
    """Return the data of the page of all rules.

    Of many sites, its form offers those with `find` in their names, and those chosen before.
    """
    visible = current_visibility()
    known = _Fleet.read(visible)
    # Only connected sites can be updated.
    sites = [site for site in known.sites if site.state == ACTIVE]
    must_find = len(sites) > MOST_OFFERED
    if must_find:
        sites = _found(sites, find, chosen)
    rules = rule_coverage.visible_rules(AutoUpdateRule.listing(), visible)
    rows, choices = _rows(rules, known), _choices(known, sites)
    agency = rest_period.agency_hours(Agency.read())
    clients = page_of(known.clients, _CLIENTS_SHOWN)
    return RulePage(rows, clients, choices, must_find, agency)


def rule_rows(only: Sequence[int]) -> list[RuleRow]:
    """Return the auto-update rules with these numbers as their table shows them."""
    rules = [rule for rule in AutoUpdateRule.listing() if rule.id in only]
    return _rows(rules, _Fleet.read(current_visibility()))


def _rows(rules: Sequence[AutoUpdateRule], known: _Fleet) -> list[RuleRow]:
    now = utcnow()
    asking = any(client.approvals == FOUR_EYES for client in known.clients)
    names = {site.id: site.name for site in known.sites}
    # A rule may still name a site that was removed.
    named = {site_id for rule in rules for site_id in rule.site_ids}
    visible = current_visibility()
    agency = rest_period.agency_hours(Agency.read())
    names |= Site.names(named - names.keys(), visible)
    return [
        RuleRow(
            rule=rule,
            covers=auto_update_rules.covers_in_words(rule, names),
            window=rule_hours.in_words(rule),
            reached=rule_coverage.count_sites(rule, known.sites, known.tags),
            is_in_force=rule.is_in_force(now),
            needs_second=asking and rule.confirmed_by_id is None,
            is_within=not rule_coverage.reaches_beyond(rule.client_id, rule.site_ids, visible),
            rest=rest_period.rule_hours_of(rule, agency),
            first=rule_coverage.count_first(rule, known.sites, known.tags),
        )
        for rule in rules
    ]


def _found(sites: Sequence[SiteOutline], find: str, chosen: Collection[int]) -> list[SiteOutline]:
    """Return the chosen sites, and as many of those with `find` in their names as are offered."""
    text = find.strip().casefold()
    before = [site for site in sites if site.id in chosen]
    found = [
        site for site in sites if text and text in site.name.casefold() and site.id not in chosen
    ]
    return before + found[:MOST_OFFERED]


def _choices(known: _Fleet, offered: Sequence[SiteOutline]) -> dict[str, list[tuple[str, str]]]:
    """Return the choices of the form for an auto-update rule, as value and text."""
    every_client = "Every client" if current_visibility().is_everything else "Choose a client"
    clients = [(str(client.id), client.name) for client in known.clients]
    in_use: dict[str, str] = {}
    for site in known.sites:
        in_use |= known.tags.get(site.id, {})
    return {
        "clients": [("", every_client), *clients],
        "sites": [(str(site.id), site.name) for site in offered],
        "tags": [(text, text) for _, text in sorted(in_use.items())],
        "canary_tags": [("", "All sites at once"), *_first_choices(in_use)],
        "canary_hours": [(str(hours), rest_time(hours)) for hours in rule_canaries.HOURS],
        "release_types": [(kind, kind.capitalize()) for kind in RELEASE_TYPES],
        "weekdays": [(str(day), name) for day, name in enumerate(rule_hours.WEEKDAYS)],
        "from_hours": [(str(hour), f"{hour:02}:00{_in_own_zone(hour)}") for hour in range(24)],
        "to_hours": [(str(hour), f"{hour:02}:00{_in_own_zone(hour)}") for hour in range(1, 25)],
    }


def _first_choices(tags: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the tags (by their key) whose sites can be first, as value and text."""
    return [(text, f"First on sites tagged “{text}”") for _, text in sorted(tags.items())]


def _in_own_zone(hour: int) -> str:
    """Return ` (03:00 CET)` for an hour of UTC: what it is today for a user of another zone."""
    today = utcnow().replace(hour=hour % 24, minute=0)
    own = today.astimezone(user_zone())
    return f" ({own:%H:%M %Z})" if own.utcoffset() else ""
