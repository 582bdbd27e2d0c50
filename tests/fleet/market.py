"""Which release of each plugin is the newest at a time of the fleet's history."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.fleet.catalog import PLUGINS, Plugin

# How many days ago the newest release of a plugin came out, if during the history. All are older
# than what is dated by the hours before its end, so the time of day changes nothing.
_RECENT_DAYS = (3, 27)
_LONG_AGO_DAYS = 200


@dataclass(frozen=True)
class Release:
    """A version and when WordPress.org offered it first."""

    version: str
    at: datetime


class Market:
    """The releases of all plugins at random dates: about half of the plugins get a new one."""

    def __init__(self, seed: str, end: datetime) -> None:
        self._by_ident: dict[str, list[Release]] = {
            plugin.ident: _dated(plugin.releases, random.Random(f"{seed}:{plugin.ident}"), end)
            for plugin in PLUGINS
        }

    def newest(self, plugin: Plugin, now: datetime) -> str:
        """Return the version that is offered at `now`."""
        return self.release(plugin, now).version

    def release(self, plugin: Plugin, now: datetime) -> Release:
        """Return the newest release at `now`."""
        return [one for one in self._by_ident[plugin.ident] if one.at <= now][-1]

    def older(self, plugin: Plugin, now: datetime) -> str:
        """Return the release before the newest one."""
        released = [one.version for one in self._by_ident[plugin.ident] if one.at <= now]
        return released[-2] if len(released) > 1 else released[-1]


def _dated(versions: tuple[str, ...], dice: random.Random, end: datetime) -> list[Release]:
    """Date the releases: the first is old, the last is recent for every other plugin."""
    ages = [_LONG_AGO_DAYS - 9 * number for number in range(len(versions))]
    if dice.random() < 0.55:
        ages[-1] = dice.randrange(*_RECENT_DAYS)
        if len(versions) > 2 and dice.random() < 0.4:
            ages[-2] = ages[-1] + dice.randrange(3, 9)
    hour = timedelta(hours=dice.randrange(7, 16))
    day = end.replace(hour=0, minute=0, second=0, microsecond=0)
    return [
        Release(version, day - timedelta(days=age) + hour)
        for version, age in zip(versions, ages, strict=True)
    ]
