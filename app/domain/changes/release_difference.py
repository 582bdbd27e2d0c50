"""Show how one file differs between the two packages that were compared."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from app.config import Config
from app.domain.changes import package_cache, release_findings
from app.domain.errors import NotFound
from app.line_diff import DiffLine, diff_lines
from app.models.changes import Change
from app.models.release_comparisons import DONE
from app.package_tree import list_files
from app.release_contents import MAX_NAME_CHARS
from app.visible_text import visible

# The most of each of the two files that is compared, and the most of a line that is shown.
MAX_BYTES = 1024 * 1024
MAX_LINES = 20_000
MAX_LINE_CHARS = 500

# Why there is nothing to show; empty if there is.
BINARY = "binary"
TOO_LARGE = "too_large"
TOO_DIFFERENT = "too_different"
NOT_KEPT = "not_kept"


@dataclass(frozen=True)
class Difference:
    """How a file differs; sizes in bytes are None where the file is not there."""

    file: str
    problem: str
    lines: tuple[DiffLine, ...]
    old_size: int | None
    new_size: int | None


def difference(change: Change, file: str, config: Config) -> Difference:
    """Return how a file differs between the two versions of a change.

    `file` is its path as the card names it. Raises: NotFound if neither version has it, or the
    versions were not compared.
    """
    row = release_findings.comparison_of(change)
    if row is None or row.state != DONE:
        raise NotFound("Aura has not compared the packages of these versions.")
    old, new = (package_cache.find(one, config) for one in (row.from_sha256, row.to_sha256))
    if old is None or new is None:
        return Difference(file, NOT_KEPT, (), None, None)
    return _compare(file, _read(old, file), _read(new, file))


@dataclass(frozen=True)
class _Content:
    size: int
    content: bytes


def _read(package: Path, file: str) -> _Content | None:
    with zipfile.ZipFile(package) as archive:
        for path, info in list_files(archive).items():
            if visible(path, MAX_NAME_CHARS) == file:
                with archive.open(info) as content:
                    return _Content(info.file_size, content.read(MAX_BYTES))
    return None


def _compare(file: str, old: _Content | None, new: _Content | None) -> Difference:
    sides = [one for one in (old, new) if one is not None]
    if not sides:
        raise NotFound("Neither of the two versions has this file.")
    sizes = (old.size if old else None, new.size if new else None)
    if any(b"\x00" in one.content for one in sides):
        return Difference(file, BINARY, (), *sizes)
    texts = [_lines(one) for one in (old, new)]
    if any(one.size > MAX_BYTES for one in sides) or max(map(len, texts)) > MAX_LINES:
        return Difference(file, TOO_LARGE, (), *sizes)
    found = diff_lines(*texts)
    if found is None:
        return Difference(file, TOO_DIFFERENT, (), *sizes)
    shown = (DiffLine(one.sign, one.old, one.new, _shown(one.text)) for one in found)
    return Difference(file, "", tuple(shown), *sizes)


def _lines(side: _Content | None) -> list[str]:
    """Return the lines of a text; whatever is no UTF-8 becomes a replacement character."""
    text = side.content.decode("utf-8", "replace") if side else ""
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _shown(line: str) -> str:
    return visible(line.removesuffix("\r").replace("\t", "    "), MAX_LINE_CHARS)
