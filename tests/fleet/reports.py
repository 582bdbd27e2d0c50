"""The site report of each simulated WordPress at the start of the fleet's history."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

from tests.fleet import catalog
from tests.fleet.catalog import Plugin
from tests.fleet.market import Market
from tests.support.factories import plugin as installed_plugin
from tests.support.factories import report as usual_report
from tests.support.factories import theme as installed_theme

PLUGINS_PER_SITE = 13
SITEAGENT = "siteagent/siteagent.php"
SITEAGENT_VERSION = "0.1.0"

_HEALTH = (
    ("https_status", "good", "Your website uses an active HTTPS connection"),
    ("background_updates", "good", "Background updates are working"),
    ("php_version", "recommended", "Your site is running an older version of PHP"),
    ("persistent_object_cache", "recommended", "You should use a persistent object cache"),
    ("scheduled_events", "critical", "Some scheduled events have failed"),
)
_GIGABYTE = 1_000_000_000


def make_report(
    home: str, dice: random.Random, market: Market, now: datetime, *, is_shop: bool
) -> dict[str, Any]:
    """Return the random site report of a WordPress at `home` at `now`."""
    site_report = usual_report()
    locale = dice.choice(catalog.LOCALES)
    php = _weighted(catalog.PHP, dice)
    site_report["wordpress"] |= {
        "version": _weighted(catalog.WORDPRESS, dice),
        "locale": locale,
        "home": home,
        "site_url": home,
    }
    site_report["php"] |= {"version": php, "extensions_missing": []}
    site_report["server"] = {"software": dice.choice(catalog.SERVERS)}
    site_report["plugins"] = [*_plugins(dice, market, now, is_shop=is_shop), _siteagent()]
    site_report["themes"], theme_updates = _themes(dice)
    site_report["mu_plugins"], site_report["dropins"] = [], []
    site_report["updates"] |= {"plugins": [], "themes": theme_updates, "core": _core(site_report)}
    is_old = php.startswith(("7.", "8.0", "8.1"))
    site_report["health"] |= {
        "tests": [_test(*one) for one in _HEALTH if is_old or one[0] != "php_version"],
        "disk_free": dice.randrange(2, 90) * _GIGABYTE,
        "cron_overdue": dice.choice((0, 0, 0, 2)),
    }
    site_report["health"]["database_upgrades"] = _database_upgrades(site_report, home)
    site_report["agent"]["permissions"] = _permissions(dice)
    return site_report


def _database_upgrades(site_report: dict[str, Any], home: str) -> list[dict[str, str]]:
    """Give some shops a WooCommerce with a pending database upgrade."""
    shops = [one for one in site_report["plugins"] if one["id"] == "woocommerce/woocommerce.php"]
    is_waiting = len(home) % 4 == 0
    return [
        {"id": "woocommerce", "from": "10.2.0", "to": one["version"]} for one in shops if is_waiting
    ]


def _plugins(
    dice: random.Random, market: Market, now: datetime, *, is_shop: bool
) -> list[dict[str, Any]]:
    chosen = [one for one in catalog.COMMON if dice.random() < 0.85]
    chosen += catalog.SHOP if is_shop else ()
    rest = dice.sample(catalog.OTHERS, len(catalog.OTHERS))
    chosen += rest[: PLUGINS_PER_SITE - len(chosen)]
    return [_installed(one, dice, market, now) for one in sorted(chosen, key=lambda one: one.name)]


def _installed(
    plugin: Plugin, dice: random.Random, market: Market, now: datetime
) -> dict[str, Any]:
    is_behind = dice.random() < 0.05
    version = market.older(plugin, now) if is_behind else market.newest(plugin, now)
    return installed_plugin(
        plugin.ident,
        name=plugin.name,
        author=plugin.author,
        version=version,
        active=dice.random() < 0.94,
        requires_wp="6.4",
        requires_php=plugin.requires_php,
    )


def _siteagent() -> dict[str, Any]:
    return installed_plugin(
        SITEAGENT, name="SiteAgent", author="Aura", version=SITEAGENT_VERSION, requires_php="7.4"
    )


def _themes(dice: random.Random) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the active theme, sometimes outdated, and WordPress's default theme."""
    default, *others = catalog.THEMES
    active = dice.choice(others)
    is_behind = dice.random() < 0.2
    rows = []
    for one, version in ((active, active.releases[-2 if is_behind else -1]),
                         (default, default.releases[-1])):  # fmt: skip
        row = installed_theme(
            one.ident, name=one.name, author=one.author, version=version, active=one is active
        )
        row.pop("network_active")
        rows.append(row)
    newest = {
        "id": active.ident,
        "version": active.releases[-1],
        "requires_wp": "6.4",
        "requires_php": "7.4",
        "package": True,
    }
    return rows, [newest] if is_behind else []


def _core(site_report: dict[str, Any]) -> list[dict[str, Any]]:
    present, newest = site_report["wordpress"]["version"], catalog.WORDPRESS[0][0]
    if present == newest:
        return []
    is_minor = present.rpartition(".")[0] == newest.rpartition(".")[0]
    return [
        {
            "version": newest,
            "kind": "minor" if is_minor else "major",
            "requires_php": "7.4",
            "requires_mysql": "5.5.5",
            "package": True,
        }
    ]


def _permissions(dice: random.Random) -> dict[str, bool]:
    """Return permissions: most owners allow ordinary updates, some only plugins, a few none."""
    names = (
        *("translations", "plugins", "themes", "core_minor", "core_major"),
        *("database", "siteagent"),
    )
    kind = dice.choices(("usual", "plugins", "none"), (80, 14, 6))[0]
    allowed = {
        "usual": {"translations", "plugins", "themes", "core_minor", "siteagent"},
        "plugins": {"plugins"},
        "none": set(),
    }[kind]
    return {name: name in allowed for name in names}


def _test(test: str, status: str, label: str) -> dict[str, str]:
    return {"test": test, "status": status, "label": label}


def _weighted(choices: tuple[tuple[str, int], ...], dice: random.Random) -> str:
    return dice.choices([one for one, _ in choices], [weight for _, weight in choices])[0]
