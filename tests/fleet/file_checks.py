"""Add the last comparison of files on each site: three sites have changed files."""

from __future__ import annotations

from typing import Any

from app.domain.integrity import acceptance
from app.domain.inventory import site_sync
from app.models.file_checks import ComparedComponent
from app.models.reports import Sync
from app.models.sites import Site
from tests.fleet.fleet import Fleet
from tests.fleet.reports import SITEAGENT
from tests.support.file_checks import compared, differing, uncompared

# More sites would take too long.
_MOST_SITES = 100
_STRANGE = {"unknown": ["includes/class-wp-cache-loader.php"]}
_EDITED = {"changed": ["includes/checkout-fields.php", "assets/css/style.css"]}
_OWN = {"changed": ["templates/order-email.php"]}
_STORIES = (_STRANGE, _EDITED, _OWN)
_BECAUSE = "The wording of this e-mail is ours. Put it back after an update."


def add_file_checks(fleet: Fleet) -> None:
    """Let each healthy site compare its files, an hour before the end of the fleet's month."""
    sites = [site for site in fleet.paired() if site.connection == "healthy"]
    for number, site in enumerate(sites[:_MOST_SITES]):
        story = number - len(sites) // 2
        found: dict[str, Any] = _STORIES[story] if story in range(len(_STORIES)) else {}
        _compare(fleet, site, found)
        if found is _OWN:
            _accept(fleet, site)


def _compare(fleet: Fleet, site: Site, found: dict[str, Any]) -> None:
    there = fleet.sites[site.id]
    site_report = there.report
    plugins = [one for one in site_report["plugins"] if one["id"] != SITEAGENT]
    results = [
        compared("core", "wordpress", site_report["wordpress"]["version"]),
        *(compared("plugin", one["id"], one["version"]) for one in plugins[1:]),
        *(_without_list("theme", one) for one in site_report["themes"]),
    ]
    if plugins and found:
        results.append(differing(plugins[0]["id"], plugins[0]["version"], digit="a", **found))
    elif plugins:
        results.append(_without_list("plugin", plugins[0]))
    site_report["integrity"] = {"components": results}
    there.files_checked_at = int(fleet.clock().timestamp()) - 3600
    sync = Sync.ask(site, requested_by=fleet.owner.name, now=fleet.clock())
    site_sync.run_sync(sync.id, config=fleet.config, call=fleet.wire.call, now=fleet.clock)


def _without_list(kind: str, one: dict[str, Any]) -> dict[str, Any]:
    reason = "no_list" if kind == "theme" else "not_published"
    return uncompared(one["id"], one["version"], reason, kind=kind)


def _accept(fleet: Fleet, site: Site) -> None:
    row = next(one for one in ComparedComponent.of_site(site.id) if one.differences)
    acceptance.accept_differences(
        site,
        row.id,
        row.fingerprint,
        because=_BECAUSE,
        confirmed_at=fleet.clock(),
        by=fleet.operator,
        now=fleet.clock(),
    )
