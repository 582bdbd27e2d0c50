"""A replacement for WordPress.org: the fixture plugins and themes, packed and listed.

tests/php-fixtures/{plugins,themes}/SLUG/VERSION/ holds one folder for each version, and
offers.json beside them says which version a site starts with and which one is offered.
Each further version (one that fails on load, one with a false header) is one more folder.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parents[1] / "php-fixtures"
_DOWNLOADS = "srv/wordpress.org/downloads.wordpress.org"
_PHP = Path(__file__).with_name("php")
_HEADER = re.compile(r"^[ \t/*#@]*(?P<name>[A-Z][A-Za-z ]+):(?P<value>.*)$", re.MULTILINE)
# A compiled translation without a single sentence: magic, version, 0 texts, two tables.
EMPTY_MO = struct.pack("<7I", 0x950412DE, 0, 0, 28, 28, 0, 28)
_LANGUAGE = "de_DE"
_HOSTILE = ("friendly-reviews",)

OFFERS: dict[str, Any] = json.loads((FIXTURES / "offers.json").read_text("utf-8"))


def repository_files() -> Iterator[tuple[str, bytes]]:
    """Return the API, its catalog and every package, as (path, content)."""
    yield "srv/wordpress.org/api.php", (_PHP / "api.php").read_bytes()
    yield "srv/wordpress.org/catalogue.json", json.dumps(_catalogue()).encode()
    for kind in ("plugin", "theme"):
        for folder in sorted((FIXTURES / f"{kind}s").glob("*/*/")):
            slug = folder.parent.name
            files = {f"{slug}/{name}": content for name, content in files_below(folder)}
            yield f"{_DOWNLOADS}/{kind}/{slug}.{folder.name}.zip", _zip(files)
    for one in OFFERS["translations"]:
        name = f"{one['slug']}-{one['language']}"
        path = f"translation/{one['type']}/{one['slug']}/{one['version']}/{one['language']}.zip"
        files = {f"{name}.po": _po(one["updated"]), f"{name}.mo": EMPTY_MO}
        yield f"{_DOWNLOADS}/{path}", _zip(files)


def installed_files(content: str) -> Iterator[tuple[str, bytes]]:
    """Return the initial files of a site's folder `content`: outdated, and with German."""
    for kind in ("plugins", "themes"):
        for slug, about in OFFERS[kind].items():
            for name, text in files_below(FIXTURES / kind / slug / about["installed"]):
                yield f"{content}/{kind}/{slug}/{name}", text
    # WordPress asks for translations into the languages it has files of.
    yield f"{content}/languages/{_LANGUAGE}.mo", EMPTY_MO
    yield f"{content}/languages/{_LANGUAGE}.po", _po("2026-01-01 00:00:00")


def active_plugins() -> list[str]:
    return [_main_file(slug) for slug, about in OFFERS["plugins"].items() if about["active"]]


def hostile_files(content: str) -> Iterator[tuple[str, bytes]]:
    """Return the plugins whose headers attack the pages that show them."""
    for slug in _HOSTILE:
        for name, text in files_below(FIXTURES / "hostile" / slug):
            yield f"{content}/plugins/{slug}/{name}", text


def hostile_plugins() -> list[str]:
    return [_main_file(slug) for slug in _HOSTILE]


def _main_file(slug: str) -> str:
    return f"{slug}/{slug}.php"


def _catalogue() -> dict[str, Any]:
    """Return the offers with their required versions, as WordPress.org lists them."""
    return {
        "plugins": {
            slug: _listed(FIXTURES / "plugins" / slug / about["offered"] / f"{slug}.php")
            for slug, about in OFFERS["plugins"].items()
            if "offered" in about
        },
        "themes": {
            slug: _listed(FIXTURES / "themes" / slug / about["offered"] / "style.css")
            for slug, about in OFFERS["themes"].items()
        },
        "translations": OFFERS["translations"],
    }


def _listed(headers_of: Path) -> dict[str, str]:
    found = _HEADER.finditer(headers_of.read_text("utf-8"))
    headers = {one["name"]: one["value"].strip() for one in found}
    return {
        "version": headers_of.parent.name,
        "requires": headers["Requires at least"],
        "requires_php": headers["Requires PHP"],
        "tested": headers.get("Tested up to", ""),
    }


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def _po(updated: str) -> bytes:
    return f'msgid ""\nmsgstr ""\n"PO-Revision-Date: {updated}+0000\\n"\n'.encode()


def _zip(files: dict[str, bytes]) -> bytes:
    """Pack files so that equal files give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
