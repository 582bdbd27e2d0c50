"""The packages of vectors.json: what each leaves on disk, or why it is refused."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

from tests.support.packages import (
    BUNDLED,
    CORE,
    FILES,
    GERMAN,
    hostile,
    hostile_core,
    hostile_german,
    packed,
)

_CORE = {"kind": "core", "id": "core"}
_GERMAN = {"kind": "translation", "id": "plugin:desk:de_DE"}


def _digest(files: dict[str, bytes]) -> str:
    """Compute the digest as docs/PROTOCOL.md 3.6 specifies, without Aura's code."""
    text = b"siteagent/tree/1\n"
    for path, content in sorted((path.encode(), content) for path, content in files.items()):
        text += b"f" + len(path).to_bytes(4, "big") + path + hashlib.sha256(content).digest()
    return hashlib.sha256(text).hexdigest()


def packages() -> list[dict[str, Any]]:
    """Return the rows: every refusal, and packages that leave one byte or one file more or less.

    Without a kind, a row is about a plugin.
    """
    accepted = {
        "an ordinary package": FILES,
        "one byte changed": {**FILES, "desk/inc/a.php": b"<?php // A\n"},
        "an extra file": {**FILES, "desk/wp-load.php": b"<?php\n"},
        "a file missing": {name: one for name, one in FILES.items() if name != "desk/empty.txt"},
        "names that are numbers": {"7/10": b"ten", "7/9": b"nine", "7/7/7.php": b"<?php"},
    }
    rows = [_accepted(name, files, _below(files)) for name, files in accepted.items()]
    rows.append({**_accepted("WordPress", CORE, _below(CORE)), **_CORE})
    bundled = "WordPress with plugins that no update installs"
    rows.append({**_accepted(bundled, {**CORE, **BUNDLED}, _below(CORE)), **_CORE})
    rows.append({**_accepted("a translation", GERMAN, GERMAN), **_GERMAN})
    own = {"kind": "translation", "id": "core:default:de_DE"}
    texts = {"de_DE.mo": b"mo", "admin-de_DE.po": b"po", "continents-cities-de_DE.l10n.php": b""}
    rows.append({**_accepted("a translation of WordPress", texts, texts), **own})
    for about, refused in (({}, hostile()), (_CORE, hostile_core()), (_GERMAN, hostile_german())):
        for name, (archive, code) in refused.items():
            rows.append({"name": name, "zip_b64": _b64(archive), "expect": code, **about})
    return rows


def _below(files: dict[str, bytes]) -> dict[str, bytes]:
    return {path.partition("/")[2]: content for path, content in files.items()}


def _accepted(name: str, packed_: dict[str, bytes], left: dict[str, bytes]) -> dict[str, Any]:
    """Return a row about a package that holds some files and leaves these on disk."""
    return {
        "name": name,
        "zip_b64": _b64(packed(packed_)),
        "expect": "ok",
        "files": {path: _b64(content) for path, content in left.items()},
        "tree_hex": _digest(left),
    }


def _b64(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")
