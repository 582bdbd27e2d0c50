"""Write many available updates on many sites to the database, without syncs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from peewee import chunked

from app.domain.actor import Actor
from app.models.available_updates import RELEASE_TYPES, AvailableUpdate
from app.models.reports import Report
from app.models.sites import ACTIVE, Site

OFF = [["permission_off", {"permission": "plugins"}]]
# Names for which sorting differs from byte order, and some occur twice.
_NAMES = ("shop {}", "Shop {}", "Élan {}", "forms {}")


def add_updates(
    by: Actor, now: datetime, *, sites: int, plugins: int, is_blocked: bool = False
) -> None:
    """Add connected sites, each with an update of so many plugins.

    The plugins are on fewer and fewer of them, and every second site has the name of another.
    """
    for number in range(sites):
        row = {"name": f"Site {number // 2:03}", "url": f"https://site{number}.example"}
        Site.create(**row, state=ACTIVE, added_at=now, added_by=by.id, paired_at=now)
    places = list(Site.select().order_by(Site.id))
    reports = [
        {"site": site, "digest": "", "body": "{}", "taken_at": now, "received_at": now}
        for site in places
    ]
    updates = [
        _update(site, plugin, is_blocked=is_blocked)
        for plugin in range(plugins)
        for site in places[plugin % min(sites, 5) :]
    ]
    for model, rows in ((Report, reports), (AvailableUpdate, updates)):
        for some in chunked(rows, 50):
            model.insert_many(some).execute()


def _update(site: Site, plugin: int, *, is_blocked: bool) -> dict[str, Any]:
    return {
        "site": site,
        "kind": "plugin",
        "ident": f"plugin-{plugin}/main.php",
        "name": _NAMES[plugin % len(_NAMES)].format(plugin // 8),
        "from_version": "1.0",
        "to_version": "2.0",
        "release_type": RELEASE_TYPES[plugin % len(RELEASE_TYPES)],
        "permission": "plugins",
        "is_fit": not is_blocked,
        "reasons": OFF if is_blocked else [],
    }
