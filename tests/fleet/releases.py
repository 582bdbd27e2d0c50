"""Made-up packages of the fleet's plugins, as WordPress.org would serve them."""

from __future__ import annotations

import random
import tempfile
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from app.http.errors import CallError, ErrorCode
from app.http.package_download import Download
from app.package_tree import inspect_archive
from tests.fleet.catalog import PLUGINS, Plugin
from tests.support.packages import packed

_BY_SLUG = {plugin.ident.partition("/")[0]: plugin for plugin in PLUGINS}
_PARTS = (
    "admin",
    "block",
    "cache",
    "export",
    "form",
    "import",
    "mail",
    "queue",
    "settings",
    "view",
)


def path_of(ident: str, version: str) -> str | None:
    """Return the path of this version on WordPress.org; None if it is not there."""
    slug = ident.partition("/")[0]
    return f"/plugin/{slug}.{version}.zip" if slug in _BY_SLUG else None


@lru_cache(maxsize=512)
def pins_of(path: str) -> tuple[str, str]:
    """Return the hash of a package, and the digest of its files."""
    package = package_at(path)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "package.zip"
        file.write_bytes(package)
        return sha256(package).hexdigest(), inspect_archive(file).tree_sha256


def fetch(path: str, target: Path) -> Download:
    """Serve a package, as `package_download.download` gets one."""
    package = package_at(path)
    target.write_bytes(package)
    return Download(target, sha256(package).hexdigest(), len(package))


@lru_cache(maxsize=64)
def package_at(path: str) -> bytes:
    """Return the package with this path. Raises: CallError if there is none."""
    name = path.removeprefix("/plugin/").removesuffix(".zip")
    for slug, plugin in _BY_SLUG.items():
        version = name.removeprefix(f"{slug}.")
        if version in plugin.releases and name == f"{slug}.{version}":
            return packed(_files(plugin, slug, version), level=6)
    raise CallError(ErrorCode.not_found)


def _files(plugin: Plugin, slug: str, version: str) -> dict[str, bytes]:
    """Return the files: each release changes some, adds one, and sometimes names a new server."""
    number = plugin.releases.index(version)
    main = plugin.ident.partition("/")[2]
    header = f"<?php\n/*\n * Plugin Name: {plugin.name}\n * Version: {version}\n */\n"
    readme = f"=== {plugin.name} ===\nRequires at least: 6.4\nRequires PHP: {plugin.requires_php}\n"
    files = {
        main: f"{header}require __DIR__ . '/includes/load.php';\n".encode(),
        "readme.txt": f"{readme}Tested up to: 7.1\nStable tag: {version}\n".encode(),
        "languages/index.php": b"<?php // Silence is golden.\n",
        "assets/app.min.js": f'!function(){{window.v="{version}"}}();\n'.encode(),
        "assets/app.asset.php": f"<?php return array( 'version' => '{number}' );\n".encode(),
    }
    for at, part in enumerate(_PARTS[: 5 + number]):
        dice = random.Random(f"{slug}:{part}:{number if at % 3 == 0 else at}")
        lines = (f"\t$this->set( '{part}', {dice.randrange(99)} );" for _ in range(12))
        body = "\n".join(lines)
        code = (
            f"<?php\nfunction {slug.replace('-', '_')}_{part}() {{\n{body}\n}}\n{_news(slug, at)}"
        )
        files[f"includes/class-{slug}-{part}.php"] = code.encode()
    return {f"{slug}/{file}": content for file, content in files.items()}


def _news(slug: str, at: int) -> str:
    """Return what a file of this position in the plugin connects to or schedules, if anything."""
    news = {
        5: f"wp_schedule_event( time(), 'daily', '{slug.replace('-', '_')}_refresh' );\n",
        6: f"register_rest_route( '{slug}/v1', '/status', array() );\n",
        7: f"wp_remote_get( 'https://api.{slug}.example/v2/' );\n",
    }
    return news.get(at, "")
