"""Hostile and harmless packages, with the same bytes on every machine."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable, Mapping

# The content of a WordPress package: core, bundled plugins and themes, and translations.
CORE = {
    "wordpress/wp-includes/version.php": b"<?php\n$wp_version = '7.2';\n$wp_db_version = 1;\n",
    "wordpress/index.php": b"<?php // WordPress\n",
    "wordpress/readme.html": b"<h1>WordPress</h1>",
    "wordpress/wp-content/languages/de_DE.mo": b"mo",
}
BUNDLED = {
    "wordpress/wp-content/index.php": b"<?php // Silence\n",
    "wordpress/wp-content/plugins/hello.php": b"<?php // Hello\n",
}
# The content of the German translation of the plugin `desk`.
GERMAN = {
    "desk-de_DE.po": b'msgid ""\nmsgstr ""\n"PO-Revision-Date: 2026-09-14 08:30:00+0000\\n"\n',
    "desk-de_DE.mo": b"mo",
    "desk-de_DE.l10n.php": b"<?php return [];\n",
    "desk-de_DE-0123456789abcdef0123456789abcdef.json": b"{}",
}
# The content of a package of the plugin `desk`.
FILES = {
    "desk/desk.php": b"<?php\n/* Plugin Name: Desk\n * Version: 2.0\n */\n",
    "desk/inc/a-b.php": b"<?php // b\n",
    "desk/inc/a.php": b"<?php // a\n",
    "desk/empty.txt": b"",
    "desk/sprache/\u00e4.po": "ä".encode(),
}
BOMB_BYTES = 600 * 1024 * 1024

Alter = Callable[[zipfile.ZipInfo], None]


def _unaltered(info: zipfile.ZipInfo) -> None:
    """Leave an entry as it is."""


def packed(files: Mapping[str, bytes], alter: Alter = _unaltered, *, level: int = 0) -> bytes:
    """Return an archive of these files; level 0 deflates to the same bytes with every zlib."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            alter(info)
            archive.writestr(info, content, zipfile.ZIP_DEFLATED, level)
    return buffer.getvalue()


def _as_link(info: zipfile.ZipInfo) -> None:
    if info.filename.endswith("empty.txt"):
        info.external_attr = (stat.S_IFLNK | 0o777) << 16


def _with_flag(raw: bytes, flag: int) -> bytes:
    """Set a flag in every entry of the list."""
    changed, start = bytearray(raw), raw.index(b"PK\x01\x02")
    while (at := raw.find(b"PK\x01\x02", start)) >= 0:
        changed[at + 8] |= flag
        start = at + 4
    return bytes(changed)


def _says_larger(raw: bytes) -> bytes:
    """Claim in the directory that one file unpacks to more than Aura's limit."""
    changed, at = bytearray(raw), raw.index(b"PK\x01\x02")
    changed[at + 24 : at + 28] = BOMB_BYTES.to_bytes(4, "little")
    return bytes(changed)


def _unpacks_to_more(raw: bytes) -> bytes:
    """Claim in the directory that the first file is shorter than it is."""
    changed, at = bytearray(raw), raw.index(b"PK\x01\x02")
    changed[at + 24 : at + 28] = (1).to_bytes(4, "little")
    return bytes(changed)


def _twice(name: str) -> bytes:
    """Return an archive with one path twice."""
    other = name[:-1] + "X"
    raw = packed({**FILES, name: b"one", other: b"other"})
    return raw.replace(other.encode(), name.encode())


def hostile() -> dict[str, tuple[bytes, str]]:
    """Return packages by name, each with the reason for which it is refused."""
    return {
        "a path that leaves the folder": (
            packed({**FILES, "desk/../../evil.php": b"<?php"}),
            "package_unsafe_path",
        ),
        "an absolute path": (packed({**FILES, "/tmp/evil.php": b"x"}), "package_unsafe_path"),
        "a drive of Windows": (packed({"c:desk/a.php": b"x"}), "package_unsafe_path"),
        "a backslash": (packed({**FILES, "desk/inc\\evil.php": b"x"}), "package_unsafe_path"),
        "a line break in a name": (packed({**FILES, "desk/a\n.php": b"x"}), "package_unsafe_path"),
        "a link": (packed(FILES, _as_link), "package_has_link"),
        "a bomb by its own account": (_says_larger(packed(FILES)), "package_too_large"),
        "two folders": (packed({**FILES, "other/a.php": b"x"}), "package_not_one_folder"),
        "a file beside the folder": (packed({**FILES, "a.php": b"x"}), "package_not_one_folder"),
        "no file": (packed({"desk/": b""}), "package_not_one_folder"),
        "encrypted": (_with_flag(packed(FILES), 1), "package_encrypted"),
        "one path twice": (_twice("desk/inc/c.php"), "package_duplicate_path"),
        "a web page": (b"<!doctype html><title>Renew your license</title>", "not_a_package"),
        "nothing": (b"", "not_a_package"),
    }


def hostile_core() -> dict[str, tuple[bytes, str]]:
    """Return packages of WordPress by name, each with the reason for which it is refused."""
    elsewhere = {path.replace("wordpress/", "wp/"): one for path, one in CORE.items()}
    inside = {**CORE, "wordpress/wp-content/../../evil.php": b"<?php"}
    return {
        "another folder than WordPress's": (packed(elsewhere), "package_not_one_folder"),
        "a plugin beside it": (packed({**CORE, "x/x.php": b"x"}), "package_not_one_folder"),
        "a path that leaves wp-content": (packed(inside), "package_unsafe_path"),
    }


def hostile_german() -> dict[str, tuple[bytes, str]]:
    """Return translations by name, each with the reason for which it is refused."""
    more = {
        "a file of PHP": "index.php",
        "another language": "desk-fr_FR.mo",
        "another plugin": "other-de_DE.mo",
        "a file in a folder": "x/desk-de_DE.mo",
        "a folder": "x/",
    }
    refused = {
        name: (packed({**GERMAN, path: b""}), "package_not_translation")
        for name, path in more.items()
    }
    out = packed({**GERMAN, "../plugins/x.php": b""})
    return {
        **refused,
        "no file of a translation": (packed({}), "package_not_translation"),
        "out of its folder": (out, "package_unsafe_path"),
    }


def harmless() -> dict[str, bytes]:
    """Return packages by name that leave exactly FILES in the folder `desk`."""
    mac = {"__MACOSX/desk/._a": b"fork", "__MACOSX/../x": b""}
    return {
        "an ordinary package": packed(FILES),
        "in another order": packed(dict(reversed(FILES.items()))),
        "with entries for folders": packed({"desk/": b"", "desk/inc/": b"", **FILES}),
        "with what macOS adds": packed({**FILES, **mac}),
    }


def damaged() -> dict[str, bytes]:
    """Return packages by name whose content is not what their list says."""
    whole = packed(FILES)
    return {
        "one byte changed": whole.replace(b"<?php // a\n", b"<?php // A\n"),
        "a file longer than its list says": _unpacks_to_more(whole),
        "another name in front of the content": whole.replace(b"a-b.php", b"a-c.php", 1),
    }
