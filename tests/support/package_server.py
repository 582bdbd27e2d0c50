"""Simulate package downloads from WordPress.org: packages by path, without a network."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from app.http.errors import CallError, ErrorCode
from app.http.package_download import Download
from app.package_layout import ONE_FOLDER, Layout
from app.package_tree import inspect_archive
from tests.support.packages import packed

PATH = "/plugin/akismet.5.3.1.zip"
# The version that sites have installed.
OLD_PATH = "/plugin/akismet.5.3.zip"


def akismet(version: str = "5.3.1", **more: bytes) -> bytes:
    """Return the package of a version of Akismet, with these further files."""
    header = f"<?php\n/*\n * Plugin Name: Akismet\n * Version: {version}\n */\n"
    files = {"akismet.php": header.encode(), "readme.txt": b"= Akismet =", **more}
    return packed({f"akismet/{name}": content for name, content in files.items()})


def pins_of(package: bytes, layout: Layout = ONE_FOLDER) -> tuple[str, str]:
    """Return the hash of a package, and the digest of its files."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "package.zip"
        file.write_bytes(package)
        return sha256(package).hexdigest(), inspect_archive(file, layout).tree_sha256


@dataclass
class PackageServer:
    """Serve `packages`, or fail with `error`. `asked` counts the downloads."""

    packages: dict[str, bytes] = field(
        default_factory=lambda: {PATH: akismet(), OLD_PATH: akismet("5.3")}
    )
    error: ErrorCode | None = None
    asked: Counter[str] = field(default_factory=Counter)

    def fetch(self, path: str, target: Path) -> Download:
        self.asked[path] += 1
        if self.error is not None or path not in self.packages:
            raise CallError(self.error or ErrorCode.not_found)
        package = self.packages[path]
        target.write_bytes(package)
        return Download(target, sha256(package).hexdigest(), len(package))
