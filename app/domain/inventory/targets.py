"""List what could be updated on a site, from its stored report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from app.domain.inventory import update_limits
from app.domain.inventory.versions import UNCLEAR, branch, release_type_between
from app.models.reports import Component
from app.models.sites import Site

SITEAGENT = "siteagent/siteagent.php"
# The slug of WordPress's own translation is "default".
_CORE_SLUG = "default"
# Target.releases
ALL_RELEASES = "all"
PATCH_ONLY = "patch"
NO_RELEASES = "none"
_LATEST_MOMENT = 253402300799  # the last second of the year 9999
_PLACES = {"plugin": "plugins", "theme": "themes"}


def kind_of(listed: str, ident: str) -> str:
    """Return the kind of a component; SiteAgent, listed as a plugin, is a kind of its own."""
    return "siteagent" if (listed, ident) == ("plugin", SITEAGENT) else listed


@dataclass(frozen=True)
class Target:
    """A component in the last site data.

    `package`: whether a package can be downloaded. `version_controlled`, `writable` and
    `auto_update` are None if the site does not report them. `releases` are those that the site's
    owner lets Aura install: all, patch, or none. `auto_update_disabled`: the source of the release
    asks that nothing installs it automatically. `known_since` is when the site saw the release
    first, by its own clock, and `min_age_hours` for how long its owner requires that.
    """

    kind: str
    ident: str
    name: str
    version: str
    available: str | None
    active: bool = False
    package: bool | None = None
    requires_wp: str = ""
    requires_php: str = ""
    auto_update: bool | None = False
    version_controlled: bool | None = None
    writable: bool | None = None
    releases: str = ALL_RELEASES
    auto_update_disabled: bool = False
    known_since: datetime | None = None
    min_age_hours: int = 0

    @property
    def permission(self) -> str:
        """Return the permission that an update of this component needs."""
        if self.kind in ("siteagent", "database"):
            return self.kind
        if self.kind != "core":
            return f"{self.kind}s"
        is_minor = branch(self.version) == branch(self.available or "")
        return "core_minor" if is_minor else "core_major"

    def release_type_to(self, version: str) -> str:
        """Return the size of an update to `version`. Those of a database are only counted up."""
        return UNCLEAR if self.kind == "database" else release_type_between(self.version, version)


def targets_on_site(site: Site, document: dict[str, Any]) -> list[Target]:
    """Return all components of stored site data, in its order."""
    return targets_in_document(document, Component.for_site(site))


def targets_in_document(document: dict[str, Any], stored: Iterable[Component]) -> list[Target]:
    """Return all components of site data; `stored` are its plugins and themes as rows."""
    folders = {
        (kind, folder["id"]): folder
        for kind, place in _PLACES.items()
        for folder in document.get(place, [])
    }
    updates = document.get("updates") or {}
    offers = {
        (kind, update.get("id")): update
        for kind, place in _PLACES.items()
        for update in updates.get(place, [])
    }
    listed = [
        replace(
            _component(component, folders.get((component.kind, component.ident), {})),
            **_release_facts(offers.get((component.kind, component.ident), {}), document),
        )
        for component in stored
    ]
    translations = [_translation(translation) for translation in updates.get("translations", [])]
    return [*listed, *translations, *_core(document), *_database(document)]


def _component(component: Component, folder: dict[str, Any]) -> Target:
    return Target(
        kind=kind_of(component.kind, component.ident),
        ident=component.ident,
        name=component.name or component.ident,
        version=component.version,
        available=component.update_version,
        active=component.active,
        package=component.update_has_package,
        requires_wp=component.update_requires_wp,
        requires_php=component.update_requires_php,
        auto_update=component.auto_update,
        version_controlled=folder.get("vcs"),
        writable=folder.get("writable"),
        # Older SiteAgents have no such rules.
        releases=folder.get("releases", ALL_RELEASES),
    )


def _release_facts(offer: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Return what a site says about the release that it lists, as fields of its target.

    Older SiteAgents say nothing about it.
    """
    seen: int = offer.get("first_seen") or -1
    is_time = 0 <= seen <= _LATEST_MOMENT
    return {
        "auto_update_disabled": offer.get("disable_autoupdate", False),
        "known_since": datetime.fromtimestamp(seen, UTC) if is_time else None,
        "min_age_hours": update_limits.min_age_hours_in(document),
    }


def translation_ident(translation: dict[str, Any]) -> str:
    """Return the ident of a translation: `plugin:akismet:de_DE`."""
    slug = _CORE_SLUG if translation.get("type") == "core" else translation.get("slug", "")
    return f"{translation.get('type', '')}:{slug}:{translation.get('language', '')}"


def _translation(translation: dict[str, Any]) -> Target:
    """Return a translation as a target; it has no version, so timestamps are compared."""
    name = "WordPress" if translation.get("type") == "core" else translation.get("slug", "")
    return Target(
        kind="translation",
        ident=translation_ident(translation),
        name=f"{name} ({translation.get('language', '')})",
        version=translation.get("installed", ""),
        available=translation.get("updated"),
        active=True,
        package=True,
        auto_update=translation.get("auto_update"),
    )


def _core(document: dict[str, Any]) -> list[Target]:
    """Return each available WordPress version as a target, the nearest first."""
    available_updates = (document.get("updates") or {}).get("core", [])
    version = (document.get("wordpress") or {}).get("version", "")
    by_itself = (document.get("health") or {}).get("auto_updates") or {}
    return [
        Target(
            kind="core",
            ident="core",
            name="WordPress",
            version=version,
            available=update.get("version"),
            active=True,
            package=update.get("package"),
            requires_php=update.get("requires_php", ""),
            auto_update=by_itself.get(_release(version, update)),
            **_release_facts(update, document),
        )
        for update in available_updates
    ]


def _database(document: dict[str, Any]) -> list[Target]:
    """Return WordPress's database as a target while it waits for its own upgrade.

    On a network of sites, it is upgraded in wp-admin, and so are those of plugins.
    """
    if (document.get("wordpress") or {}).get("multisite"):
        return []
    return [
        Target(
            kind="database",
            ident="wordpress",
            name="WordPress database",
            version=upgrade.get("from", ""),
            available=upgrade.get("to"),
            active=True,
            package=True,
        )
        for upgrade in (document.get("health") or {}).get("database_upgrades", [])
        if upgrade.get("id") == "wordpress"
    ]


def _release(version: str, update: dict[str, Any]) -> str:
    """Return what WordPress calls this update when it decides about an automatic update."""
    if "-" in version and update.get("kind") == "minor":
        return "core_dev"
    return f"core_{update.get('kind', '')}"
