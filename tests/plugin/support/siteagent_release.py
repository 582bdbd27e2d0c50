"""Build another release of SiteAgent, and publish it on the dashboard of a test site."""

from __future__ import annotations

import shutil
import tempfile
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.domain.plugin_package import SOURCE, build_plugin_zip
from tests.plugin.support.releases import PUBLIC, installed_package, publish_release

AGENT = "siteagent/siteagent.php"
HERE, NEXT = "0.1.0", "0.2.0"


# Replacements that break a version: by file, the text and its replacement.
Broken = Mapping[str, tuple[str, str]]


def package(version: str = NEXT, broken: Broken | None = None, *, header: str = "") -> bytes:
    """Build SiteAgent with another version; `header` is a different version for its header."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "siteagent"
        shutil.copytree(SOURCE, source)
        replace(source / "siteagent.php", f"VERSION = '{HERE}'", f"VERSION = '{version}'")
        replace(
            source / "siteagent.php", f"Version:           {HERE}", f"Version: {header or version}"
        )
        for file in (source / "includes").rglob("class-siteagent-*.php"):
            # A process that runs the old version must not load a file of the new one.
            replace(
                file,
                "defined( 'ABSPATH' ) || exit;",
                "defined( 'ABSPATH' ) || exit;\n"
                f"if ( '{HERE}' === SITEAGENT_VERSION ) {{"
                " file_put_contents( '/tmp/mixed', $_SERVER['REQUEST_METHOD'] . ' '"
                " . $_SERVER['REQUEST_URI'] . ' loads ' . __FILE__ ); }",
            )
        for name, (text, instead) in (broken or {}).items():
            replace(source / name, text, instead)
        return build_plugin_zip(source, release_key=PUBLIC)


def replace(file: Path, text: str, instead: str) -> None:
    source = file.read_text("utf-8")
    assert text in source, (file.name, text)
    file.write_text(source.replace(text, instead, 1), "utf-8")


def available(wp, version: str = NEXT, broken: Broken | None = None, **changed: Any) -> None:
    publish_release(wp, version, package(version, broken, **changed))


# Run without WordPress, which may not load.
_PUT_BACK = """<?php
$there = '/var/www/wordpress/wp-content/plugins';
foreach (array_merge(glob("$there/../siteagent-probation"), array("$there/siteagent")) as $folder) {
    is_dir($folder) && exec('rm -rf ' . escapeshellarg($folder));
}
array_map('unlink', glob("$there/../mu-plugins/siteagent-watchdog-*.php"));
file_put_contents('/tmp/agent.zip', base64_decode('%s'));
$zip = new ZipArchive();
$zip->open('/tmp/agent.zip');
$zip->extractTo($there);
$zip->close();
unlink('/tmp/agent.zip');
"""

# Apache would run the former version until it checks the files for changes again.
_FORGET_CODE = """
$others = array(SITEAGENT_FILE, dirname(SITEAGENT_FILE) . '/hooks.php');
foreach (siteagent_classes() + $others as $file) {
    opcache_invalidate($file, true);
}
@unlink('/tmp/mixed');
"""


def put_back(wp) -> None:
    wp.run_php(_PUT_BACK % b64encode(installed_package()).decode())
    wp.evaluate(_FORGET_CODE)


def mixed(wp) -> str | bool:
    """Return the request in which the old version loaded a file of the new one, or False."""
    found: str | bool = wp.evaluate("return @file_get_contents('/tmp/mixed');")
    return found
