"""Releases of a plugin: random ordinary ones, and some that need a person's attention."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.release_contents import Release, compare_releases
from tests.support.packages import packed

SLUG = "desk"
MAIN = "desk.php"

# Typical content of plugins, with parts that look suspicious and are harmless.
_ORDINARY: dict[str, bytes] = {
    "index.php": b"<?php\n// Silence is golden.\n",
    "assets/index.php": b"<?php // Silence is golden.",
    "assets/css/index.php": b"<?php\n/* Silence is golden. */\n?>\n",
    "assets/js/app.asset.php": b"<?php return array('dependencies' => array('wp-element'),"
    b" 'version' => 'd3f1');\n",
    "assets/js/app.min.js": b'!function(){fetch("https://api.desk.example/v1")}();',
    "build/blocks/form/render.php": b"<?php echo get_block_wrapper_attributes();",
    "languages/desk-de_DE.l10n.php": b"<?php return ['messages'=>['Send'=>'Ab']];",
    "languages/desk.pot": b'msgid "Send"\n',
    "languages/index.php": b"<?php if ( ! defined( 'ABSPATH' ) ) { exit; }\n",
    "assets/img/logo.svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    "assets/img/logo.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4 + b"<?=",
    "assets/fonts/desk.woff2": b"wOF2" + bytes(range(255, 0, -1)) * 8,
    "includes/class-desk.php": b"<?php // https://docs.desk.example\nclass Desk {}\n",
    "includes/Fonts/Loader.php": b"<?php class Loader { function load() { $this->exec(); } }",
    "src/Assets/Images.php": b"<?php class Images { const AT = 'assets'; }",
    "includes/class-desk-wp-cli.php": b"<?php class Desk_WP_CLI {}",
    "vendor/autoload.php": b"<?php require __DIR__ . '/composer/autoload_real.php';",
    "vendor/composer/installed.php": b"<?php return array('root' => array('dev' => false));",
    "templates/form.php": b"<form><?php wp_nonce_field( 'desk' ); ?></form>",
    "uninstall.php": b"<?php if ( ! defined( 'WP_UNINSTALL_PLUGIN' ) ) { exit; }",
    "license.txt": b"GPL",
}
_WORDS = ("form", "mail", "list", "view", "user", "log", "cache", "queue", "import", "post")


def files_of(version: str, more: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """Return the files of a version, with a header and a readme as on WordPress.org."""
    header = f"<?php\n/*\n * Plugin Name: Desk\n * Version: {version}\n * Requires PHP: 7.4\n */\n"
    readme = b"=== Desk ===\nRequires at least: 6.4\nTested up to: 7.1\nStable tag: trunk\n"
    return {MAIN: header.encode(), "readme.txt": readme, **_ORDINARY, **(more or {})}


def package(files: Mapping[str, bytes], slug: str = SLUG) -> bytes:
    """Return the package of these files."""
    return packed({f"{slug}/{path}": content for path, content in files.items()}, level=6)


def compared(
    folder: Path, old: Mapping[str, bytes], new: Mapping[str, bytes], **more: Any
) -> dict[str, Any]:
    """Compare two sets of files."""
    releases = []
    for name, files in (("old", old), ("new", new)):
        path = folder / f"{name}.zip"
        path.write_bytes(package(files))
        releases.append(Release(path, SLUG, MAIN))
    return compare_releases(*releases, **more)


def ordinary_release(dice: random.Random) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return the files of two versions of an ordinary plugin."""
    old = {path: body for path, body in files_of("2.3.9").items() if dice.random() < 0.7}
    new = {path: body for path, body in files_of("2.4.0").items() if dice.random() < 0.9}
    for _ in range(dice.randrange(12)):
        folder = dice.choice(["includes", "src/Admin", "inc/rest", "vendor/acme/lib/src", "lib"])
        name = f"class-{SLUG}-{dice.choice(_WORDS)}-{dice.choice(_WORDS)}.php"
        code = f"<?php\nclass X{dice.randrange(999)} {{ /* wp_{dice.choice(_WORDS)}() */ }}\n"
        new[f"{folder}/{name}"] = code.encode()
    for path in list(new):
        if path in old and path.endswith((".php", ".js")) and dice.random() < 0.3:
            new[path] += b"\n"
    return old, new
