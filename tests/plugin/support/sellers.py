"""Install paid plugins whose updaters register as those of real sellers do."""

from __future__ import annotations

import io
import zipfile
from base64 import b64encode
from typing import Any

from tests.plugin.support.changing import php_text
from tests.wordpress.repository import FIXTURES

_FOLDER = FIXTURES / "sellers"
_TEMPLATE = (_FOLDER / "seller.php.template").read_text("utf-8")
SHOP = _FOLDER / "shop.php"
INSTALLED, AVAILABLE = "1.0", "2.0"

# By slug: the name of a seller's updater, and the PHP code that registers it.
# `when_stored` filters the list as WordPress stores it, `when_read` as WordPress reads it.
_ON_INIT_FOR_MANAGERS = """add_action('init', function () {
    if (!current_user_can('manage_options') && !is_cron()) { return; }
    when_stored();
});"""
PATTERNS = {
    "p01": (
        "Update URI",
        "add_filter('update_plugins_shop.example', function ($update, $headers, $file) {"
        " return '%slug%/%slug%.php' === $file ? (array) update() : $update; }, 10, 3);",
    ),
    "p02": ("WP Rocket", "when_stored();"),
    "p03": ("ACF Pro", "add_action('init', __NAMESPACE__ . '\\when_stored');"),
    "p04": ("the EDD sample of today", _ON_INIT_FOR_MANAGERS),
    "p05": (
        "the former EDD sample",
        "add_action('admin_init', __NAMESPACE__ . '\\when_stored', 0);",
    ),
    "p06": ("an updater for wp-admin", "if (is_admin()) { when_stored(); }"),
    "p07": ("plugin-update-checker", "when_read();"),
    "p08": ("a reader in wp-admin", "if (is_admin()) { when_read(); }"),
    "p09": (
        "a late reader in wp-admin",
        "add_action('admin_init', __NAMESPACE__ . '\\when_read');",
    ),
    "p10": ("a late updater", "add_action('wp_loaded', __NAMESPACE__ . '\\when_stored');"),
    "p11": ("an updater for cron", "if (is_admin() || is_cron()) { when_stored(); }"),
    "p12": (
        "an updater for people",
        "add_action('init', function () { if (is_user_logged_in()) { when_stored(); } });",
    ),
}
# The sellers that add to the stored list, from which an update can be lost.
STORED = tuple(name for name in PATTERNS if name not in ("p07", "p08", "p09"))


def file_of(slug: str) -> str:
    return f"{slug}/{slug}.php"


def source(slug: str, version: str, pattern: str, register: str, package: str = "") -> str:
    """Return the source of the plugin's only file."""
    values = {
        "register": register,
        "pattern": pattern,
        "version": version,
        "update_uri": f"https://shop.example/{slug}" if slug == "p01" else "",
        "package": package or f"'https://shop.example/{slug}.2.0.zip'",
        "slug": slug,
    }
    text = _TEMPLATE
    for name, value in values.items():
        text = text.replace(f"%{name}%", value)
    return text if values["update_uri"] else text.replace(" * Update URI: \n", "")


def install(wp: Any, slug: str, pattern: str, register: str, package: str = "") -> None:
    """Install and activate version 1.0, and publish version 2.0 in the seller's shop."""
    old, new = (
        source(slug, v, pattern, register, package).encode() for v in (INSTALLED, AVAILABLE)
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(file_of(slug), new)
    wp.evaluate(
        f"$put = function ($path, $content) {{ wp_mkdir_p(dirname($path));"
        " file_put_contents($path, base64_decode($content)); };"
        f"$put(WP_PLUGIN_DIR . '/{file_of(slug)}', '{b64encode(old).decode()}');"
        f"$put('/srv/wordpress.org/shop.example/{slug}.2.0.zip',"
        f" '{b64encode(archive.getvalue()).decode()}');"
        f"$active = (array) get_option('active_plugins');"
        f"update_option('active_plugins', array_unique(array_merge($active, array("
        f"{php_text(file_of(slug))}))));"
        "wp_cache_delete('plugins', 'plugins');"
    )
