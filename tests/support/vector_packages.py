"""The packages of vectors.json: what each leaves on disk, or why it is refused."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

from tests.support.packages import FILES, hostile, packed


def _digest(files: dict[str, bytes]) -> str:
    """The digest by the letter of docs/PROTOCOL.md 3.6, without Aura's code."""
    text = b"siteagent/tree/1\n"
    for path, content in sorted((path.encode(), content) for path, content in files.items()):
        text += b"f" + len(path).to_bytes(4, "big") + path + hashlib.sha256(content).digest()
    return hashlib.sha256(text).hexdigest()


def packages() -> list[dict[str, Any]]:
    """Return the rows: every refusal, and packages that leave one byte or one file more or less."""
    accepted = {
        "an ordinary package": FILES,
        "one byte changed": {**FILES, "desk/inc/a.php": b"<?php // A\n"},
        "an extra file": {**FILES, "desk/wp-load.php": b"<?php\n"},
        "a file missing": {name: one for name, one in FILES.items() if name != "desk/empty.txt"},
        "names that are numbers": {"7/10": b"ten", "7/9": b"nine", "7/7/7.php": b"<?php"},
    }
    rows = []
    for name, files in accepted.items():
        below = {path.partition("/")[2]: content for path, content in files.items()}
        rows.append(
            {
                "name": name,
                "zip_b64": _b64(packed(files)),
                "expect": "ok",
                "files": {path: _b64(content) for path, content in below.items()},
                "tree_hex": _digest(below),
            }
        )
    for name, (archive, code) in hostile().items():
        rows.append({"name": name, "zip_b64": _b64(archive), "expect": code})
    return rows


def _b64(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")
