"""Sign and read releases of SiteAgent (docs/PROTOCOL.md section 3.5).

A release is a folder with release.json and the zip that it names by SHA-256. The private key is
needed only to sign a release, so it does not belong on the Aura server: an attacker there cannot
sign anything.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from app.domain.plugin_package import RELEASE_KEY_FILE, SOURCE, build_plugin_zip, read_header
from app.keys import new_signing_key, sign_release, signing_public, verify_release
from app.protocol import ProtocolError, b64u, from_b64u

METADATA = "release.json"
_README_TESTED = re.compile(r"^Tested up to:[ \t]*(\S+)", re.MULTILINE)


class ReleaseError(Exception):
    """A release cannot be built, or is incomplete or not signed correctly."""


@dataclass(frozen=True)
class Release:
    """A release for the sites; `metadata` is the exact content of release.json."""

    version: str
    sha256: str
    metadata: bytes
    package: bytes


def make_key(path: Path) -> bytes:
    """Write a new private key to `path`, readable only by its owner; return the public key.

    Raises: FileExistsError instead of replacing a key that installed copies may trust.
    """
    seed = new_signing_key()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(b64u(seed) + "\n")
    return signing_public(seed)


def read_key(path: Path) -> bytes:
    """Return the private key in `path`.

    Raises: ReleaseError if the file has none.
    """
    try:
        return from_b64u(path.read_text("ascii").strip(), 32)
    except (OSError, ValueError, ProtocolError) as why:
        raise ReleaseError(f"{path} contains no release key.") from why


def make_release(seed: bytes, folder: Path, *, source: Path = SOURCE) -> Release:
    """Build and sign `source` into `folder`, replacing the release in it.

    Raises: FileNotFoundError if there is no plugin, ValueError if its header is incomplete.
    """
    package = build_plugin_zip(source, release_key=signing_public(seed))
    version, sha256 = read_header(source, "Version"), hashlib.sha256(package).hexdigest()
    document = {
        "v": 1,
        "slug": "siteagent",
        "version": version,
        "sha256": sha256,
        "sig": b64u(sign_release(seed, version, sha256)),
        "requires": read_header(source, "Requires at least"),
        "requires_php": read_header(source, "Requires PHP"),
        "tested": _tested_up_to(source),
    }
    metadata = (json.dumps(document, indent=2) + "\n").encode()
    folder.mkdir(parents=True, exist_ok=True)
    former = set(folder.glob("*.zip"))
    _replace(folder / f"{sha256}.zip", package)
    _replace(folder / METADATA, metadata)
    for path in former - {folder / f"{sha256}.zip"}:
        path.unlink()
    return Release(version, sha256, metadata, package)


def read_release(folder: Path) -> Release | None:
    """Return the release in `folder`, or None.

    Raises: ReleaseError if it is damaged or not signed with the key in its package, because no site
    would accept it.
    """
    try:
        metadata = (folder / METADATA).read_bytes()
    except FileNotFoundError:
        return None
    try:
        document: dict[str, Any] = json.loads(metadata)
        version, sha256 = str(document["version"]), str(document["sha256"])
        package = (folder / f"{sha256}.zip").read_bytes()
        signature = from_b64u(document["sig"], 64)
        with ZipFile(folder / f"{sha256}.zip") as archive:
            text = archive.read(f"siteagent/{RELEASE_KEY_FILE}").decode("ascii").strip()
        public = from_b64u(text, 32)
    except (OSError, ValueError, KeyError, TypeError, BadZipFile, ProtocolError) as why:
        raise ReleaseError(f"The release of SiteAgent in {folder} is incomplete.") from why
    is_whole = hashlib.sha256(package).hexdigest() == sha256
    if not is_whole or not verify_release(public, version, sha256, signature):
        raise ReleaseError(f"The release of SiteAgent in {folder} is not signed with its own key.")
    return Release(version, sha256, metadata, package)


def _tested_up_to(source: Path) -> str:
    readme = source / "readme.txt"
    found = _README_TESTED.search(readme.read_text("utf-8")) if readme.is_file() else None
    return found[1] if found else ""


def _replace(path: Path, content: bytes) -> None:
    """Write the file atomically, because another process may be reading it."""
    half = path.with_name(f".{path.name}.new")
    half.write_bytes(content)
    half.replace(path)
