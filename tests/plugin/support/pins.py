"""Pin the package of an update in a plan, and change it afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.package_layout import ONE_FOLDER, Layout
from app.package_tree import inspect_archive
from tests.plugin.support.changing import ask, php_text
from tests.plugin.support.dashboard import Paired

# The site caches what it knows of a package for an hour.
FORGET_ANSWERS = (
    'global $wpdb; $wpdb->query("DELETE FROM $wpdb->options WHERE option_name LIKE'
    " '%siteagent_package_%'\"); wp_cache_flush();"
)


def tree_of(archive: bytes, folder: Path, layout: Layout = ONE_FOLDER) -> str:
    """Return the digest of the files that a package installs, as Aura computes it."""
    path = folder / "package.zip"
    path.write_bytes(archive)
    return inspect_archive(path, layout).tree_sha256


def precheck(paired: Paired, item: dict[str, Any]) -> dict[str, Any]:
    """Run the pre-check of an update and its package; return the site's response."""
    return ask(paired, "change.check", item={**item, "package": True})


def pinned(facts: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    """Return a plan's item with the package of this pre-check."""
    names = ("package_host", "package_sha256", "tree_sha256")
    return {**item, **{name: facts[name] for name in names}}


@contextmanager
def must_use_code(wp: Any, code: str) -> Iterator[None]:
    """Run this code in each request for a while."""
    file = "WPMU_PLUGIN_DIR . '/pinned.php'"
    folder = "is_dir(WPMU_PLUGIN_DIR) || mkdir(WPMU_PLUGIN_DIR);"
    wp.evaluate(f"{folder} return file_put_contents({file}, {php_text('<?php ' + code)});")
    try:
        yield
    finally:
        wp.evaluate(f"return unlink({file});")
