"""How a person divides the sites of a batch into waves. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.domain.errors import Invalid
from app.domain.text import one_line
from app.models.changes import Change

# From how many sites on the review offers waves.
FEWEST_SITES = 3
WAIT_HOURS = (1, 4, 12, 24, 48, 72)
USUAL_WAIT_HOURS = 24
FIRST_COUNTS = (1, 3, 5, 10, 20)
PERCENTS = (0, 10, 25, 50)
USUAL_PERCENT = 25
MAX_NAME_CHARS = 120


@dataclass(frozen=True)
class WaveChoice:
    """Which sites are first, then how many percent of the others, and the wait between waves.

    `tag` is the folded tag of the first sites; without it they are the first `count` by name. With
    0 percent there are two waves.
    """

    tag: str = ""
    count: int = 0
    percent: int = USUAL_PERCENT
    wait_hours: int = USUAL_WAIT_HOURS

    @property
    def wait(self) -> timedelta:
        return timedelta(hours=self.wait_hours)


def check_choice(choice: WaveChoice) -> None:
    """Raise Invalid for numbers that the form does not offer."""
    if choice.wait_hours not in WAIT_HOURS:
        raise Invalid("wait", f"Wait between {WAIT_HOURS[0]} and {WAIT_HOURS[-1]} hours.")
    if choice.percent not in PERCENTS:
        raise Invalid("percent", "Choose the size of the second wave from the list.")
    if not choice.tag and choice.count < 1:
        raise Invalid("first", "Choose the sites of the first wave.")


def divide(
    changes: Sequence[Change], choice: WaveChoice, tags: Mapping[int, Mapping[str, str]]
) -> list[list[Change]]:
    """Return the changes by wave, at least two waves; all changes of a site are in the same one.

    `tags` are the tags of each site by their key. Raises Invalid if the first wave would have no
    site, or all of them.
    """
    check_choice(choice)
    by_site: dict[int, list[Change]] = {}
    for change in sorted(changes, key=lambda one: (one.site.name.casefold(), one.site_id, one.id)):
        by_site.setdefault(change.site_id, []).append(change)
    sites = list(by_site)
    if choice.tag:
        first = [site_id for site_id in sites if choice.tag in tags.get(site_id, {})]
    else:
        first = sites[: choice.count]
    others = [site_id for site_id in sites if site_id not in first]
    if not first:
        raise Invalid("first", "None of these sites has this tag. Choose other sites to be first.")
    if not others:
        raise Invalid("first", "All sites would be in the first wave. Choose fewer of them.")
    # Rounded up, so that a percent of a few sites is at least one.
    second = -(-len(others) * choice.percent // 100)
    waves = [first, others[:second], others[second:]]
    return [[one for site_id in wave for one in by_site[site_id]] for wave in waves if wave]


def name_of(changes: Sequence[Change]) -> str:
    """Return what a rollout of these changes is called: `Akismet 5.3.1`, or `12 updates`."""
    updates = {(one.kind, one.ident, one.to_version) for one in changes}
    if len(updates) > 1:
        return f"{len(changes)} updates"
    version = f" {changes[0].to_version}"
    return one_line(changes[0].name, MAX_NAME_CHARS - len(version)) + version
