"""The sites that a form offers, of which there may be thousands."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from app.models.sites import Site
from app.models.visibility import Visibility
from app.views import page_context
from app.views.authorization import current_visibility

# More would make a page of nothing but names.
MOST_OFFERED = 100


@dataclass(frozen=True)
class SiteChoices:
    """The choices as value and text. `hint` says why they are not all sites; empty if they are."""

    choices: list[tuple[str, str]]
    hint: str


def site_choices(client_id: int | None, chosen: int | None, hint: str) -> SiteChoices:
    """Return all sites if they are few, otherwise those of a client; the chosen one in any case.

    `hint` says how to get at the others.
    """
    names = offered_names([] if chosen is None else [chosen], client_id)
    return SiteChoices(_as_choices(names), "" if are_all_offered() else hint)


def are_all_offered() -> bool:
    """Whether forms offer every site that the user sees, because there are few."""
    return page_context.count_sites() <= MOST_OFFERED


def offered_names(chosen: Collection[int], client_id: int | None = None) -> dict[int, str]:
    """Return the names of the sites to offer by id: all, or those of a client and the chosen."""
    visible = current_visibility()
    if are_all_offered():
        return Site.known_names(visible)
    names: dict[int, str] = {}
    if client_id is not None and visible.has(client_id):
        names = Site.known_names(Visibility.of_clients([client_id]))
    return names | Site.names([one for one in chosen if one not in names], visible)


def _as_choices(names: dict[int, str]) -> list[tuple[str, str]]:
    return [("", "Every site"), *((str(site_id), name) for site_id, name in names.items())]
