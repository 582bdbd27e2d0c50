"""What the pages about auto-update rules show, read from the models and handed to the templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.changes import auto_update_rules
from app.domain.inventory.versions import RELEASE_TYPES
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import utcnow
from app.models.clients import SECOND, Client
from app.models.sites import ACTIVE, Site
from app.models.tags import SiteTag


@dataclass(frozen=True)
class RuleRow:
    """An auto-update rule in the list."""

    rule: AutoUpdateRule
    covers: str
    window: str
    reached: int
    is_in_force: bool
    needs_second: bool


def rule_choices() -> dict[str, list[tuple[str, str]]]:
    """Return the choices of the form for an auto-update rule, as value and text."""
    clients = [(str(client.id), client.name) for client in Client.select().order_by(Client.name)]
    return {
        "clients": [("", "Every client"), *clients],
        "sites": [(str(site.id), site.name) for site in _paired_sites()],
        "tags": [(text, text) for text in SiteTag.in_use().values()],
        "steps": [(step, step.capitalize()) for step in RELEASE_TYPES],
        "weekdays": [(str(day), name) for day, name in enumerate(auto_update_rules.WEEKDAYS)],
        "from_hours": [(str(hour), f"{hour:02}:00") for hour in range(24)],
        "to_hours": [(str(hour), f"{hour:02}:00") for hour in range(1, 25)],
    }


def rule_rows(only: Sequence[int] | None = None) -> list[RuleRow]:
    """Each auto-update rule as its table shows it; those of these numbers alone if asked."""
    now = utcnow()
    asking = Client.select().where(Client.approvals == SECOND).exists()
    return [
        RuleRow(
            rule=rule,
            covers=auto_update_rules.covers_in_words(rule),
            window=auto_update_rules.window_in_words(rule),
            reached=auto_update_rules.count_sites(rule),
            is_in_force=rule.is_in_force(now),
            needs_second=asking and rule.confirmed_by_id is None,
        )
        for rule in AutoUpdateRule.listing()
        if only is None or rule.id in only
    ]


def _paired_sites() -> list[Site]:
    """Return the sites that a rule can cover."""
    return [site for site in Site.listing() if site.state == ACTIVE]
