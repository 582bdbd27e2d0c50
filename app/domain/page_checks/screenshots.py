"""The screenshots of pages before and after an update: files, kept for a while and bounded in all.

They show public pages. Each update has a folder, named by its number; what is in it is named by the
place of the page in the results, the moment and the width.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from app.config import Config
from app.domain.page_checks.browser_looks import NAMES
from app.models.site_pages import ChangePages

BEFORE, AFTER = MOMENTS = ("before", "after")
KEPT_FOR = timedelta(days=30)
MOST_BYTES = 512 * 1024 * 1024

# The moments and widths of which there are pictures, by the place of the page in the results.
Pictures = dict[int, set[tuple[str, str]]]

_log = logging.getLogger(__name__)
_FOLDER = "screenshots"
_NAME = re.compile(rf"(\d{{1,2}})-({'|'.join(MOMENTS)})-({'|'.join(NAMES)})\.webp")


def keep(
    change_id: int, moment: str, pictures: Mapping[int, Mapping[str, bytes]], config: Config
) -> None:
    """Keep the pictures of one moment, by page and width, in place of earlier ones.

    Older updates lose theirs when all of them take too much space. An update never fails for them:
    what cannot be written is only logged.
    """
    if not any(pictures.values()):
        return
    try:
        _store(_folder(config) / str(change_id), moment, pictures)
        _trim(config)
    except OSError:
        _log.exception("Screenshots of update %s could not be kept.", change_id)


def _store(folder: Path, moment: str, pictures: Mapping[int, Mapping[str, bytes]]) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in folder.glob(f"*-{moment}-*"):
        old.unlink(missing_ok=True)
    for index, by_width in pictures.items():
        for width, picture in by_width.items():
            _write(folder / f"{index}-{moment}-{width}.webp", picture)


def kept(change_id: int, config: Config) -> Pictures:
    """Return the moments and widths of which an update has pictures, by page."""
    found: Pictures = {}
    for path in (_folder(config) / str(change_id)).glob("*.webp"):
        parts = _NAME.fullmatch(path.name)
        if parts:
            found.setdefault(int(parts[1]), set()).add((parts[2], parts[3]))
    return found


def read(change_id: int, index: int, moment: str, width: str, config: Config) -> bytes | None:
    """Return a picture, or None if it is not kept."""
    if moment not in MOMENTS or width not in NAMES:
        return None
    try:
        return (_folder(config) / str(change_id) / f"{index}-{moment}-{width}.webp").read_bytes()
    except FileNotFoundError:
        return None


def prune(config: Config, now: datetime) -> int:
    """Delete pictures that are too old or of removed sites; return of how many updates."""
    folders = _changes(config)
    shown = ChangePages.still_shown([int(path.name) for path in folders]) if folders else set()
    old = [path for path in folders if _age(path, now) > KEPT_FOR or int(path.name) not in shown]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
    return len(old)


def _folder(config: Config) -> Path:
    return config.var_dir / _FOLDER


def _changes(config: Config) -> list[Path]:
    folder = _folder(config)
    found = list(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if path.name.isdecimal() and path.is_dir()]


def _age(path: Path, now: datetime) -> timedelta:
    try:
        return now - datetime.fromtimestamp(path.stat().st_mtime, tz=now.tzinfo)
    except FileNotFoundError:
        return timedelta(0)


def _write(path: Path, picture: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix="new-", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(picture)
    Path(name).replace(path)


def _trim(config: Config) -> None:
    """Delete the pictures of the oldest updates, down to the limit.

    Another process may delete the same files meanwhile.
    """
    sizes: list[tuple[float, int, Path]] = []
    for folder in _changes(config):
        with contextlib.suppress(FileNotFoundError):
            size = sum(path.stat().st_size for path in folder.iterdir())
            sizes.append((folder.stat().st_mtime, size, folder))
    left = sum(size for _, size, _ in sizes)
    for _, size, folder in sorted(sizes):
        if left <= MOST_BYTES:
            break
        shutil.rmtree(folder, ignore_errors=True)
        left -= size
