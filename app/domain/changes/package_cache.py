"""The packages that Aura has downloaded: files named by their SHA-256, the oldest removed first."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.config import Config

_FOLDER = "packages"
_NAME = re.compile(r"[0-9a-f]{64}\.zip")
_PARTIAL = "download-"
_ABANDONED_AFTER_S = 3600
_MEGABYTE = 1024 * 1024


@contextmanager
def new_file(config: Config) -> Iterator[Path]:
    """Give a file to download into; it is gone afterwards, unless `keep` has moved it."""
    folder = config.var_dir / _FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=_PARTIAL, dir=folder)
    os.close(handle)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def keep(file: Path, sha256: str, config: Config) -> None:
    """Move a complete download into the cache, and remove what was not used for the longest time.

    A package that is larger than the whole cache is not kept.
    """
    file.replace(_path(sha256, config))
    trim(config)


def find(sha256: str, config: Config) -> Path | None:
    """Return the cached package with this hash, and note that it was used."""
    path = _path(sha256, config)
    try:
        os.utime(path)
    except FileNotFoundError:
        return None
    return path


def trim(config: Config) -> int:
    """Delete the packages that were not used for the longest time, down to the limit.

    Return how many bytes are left.

    Another process may delete the same files meanwhile.
    """
    left, size = [], 0
    folder = config.var_dir / _FOLDER
    for path in folder.glob(f"{_PARTIAL}*"):
        # Of a worker that was killed: no download takes this long.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _ABANDONED_AFTER_S:
                path.unlink()
    for path in folder.glob("*.zip"):
        with contextlib.suppress(FileNotFoundError):
            if _NAME.fullmatch(path.name):
                facts = path.stat()
                left.append((facts.st_mtime_ns, facts.st_size, path))
                size += facts.st_size
    for _, freed, path in sorted(left):
        if size <= config.package_cache_mb * _MEGABYTE:
            break
        path.unlink(missing_ok=True)
        size -= freed
    return size


def _path(sha256: str, config: Config) -> Path:
    return config.var_dir / _FOLDER / f"{sha256}.zip"
