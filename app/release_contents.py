"""Compare the packages of two versions: their files, and what a static look finds. Pure.

Nothing is unpacked to disk, and no code is run. Time and what is read are bounded: what was left
out is named, so that a page never claims to have seen it.
"""

from __future__ import annotations

import hashlib
import re
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.code_look import KINDS, UNKNOWN, Look, look_at_javascript, look_at_php
from app.package_oddities import CODES, is_php_file, oddities
from app.package_tree import list_files
from app.visible_text import visible

# How long one comparison may take, and how much of one file is read for the static look.
TIME_LIMIT_S = 90.0
MAX_LOOK_BYTES = 2 * 1024 * 1024
# How much of a file that is no code is searched for hidden code.
MAX_SEARCH_BYTES = 32 * 1024 * 1024
# How many names are kept of each kind; the rest are counted.
MAX_FILES_KEPT = 300
MAX_NAMES_KEPT = 40
MAX_NAME_CHARS = 300

_CHUNK_BYTES = 64 * 1024
_HEADER_BYTES = 8192
_HEADERS = {
    name: re.compile(rb"^[ \t/*#@]*%s:(.*)$" % words, re.IGNORECASE | re.MULTILINE)
    for name, words in {
        "requires_wp": b"Requires at least",
        "requires_php": b"Requires PHP",
        "tested": b"Tested up to",
    }.items()
}
_VERSION = re.compile(r"[0-9][0-9A-Za-z.-]{0,19}")
_JAVASCRIPT = (".js", ".mjs")


@dataclass(frozen=True)
class Release:
    """The package of one version: its file, and the plugin's or theme's folder and main file."""

    package: Path
    slug: str
    main_file: str


@dataclass
class _Side:
    """One of the two packages, open."""

    archive: zipfile.ZipFile
    infos: dict[str, zipfile.ZipInfo]
    digests: dict[str, bytes] = field(default_factory=dict)

    def read(self, path: str, at_most: int) -> bytes:
        with self.archive.open(self.infos[path]) as content:
            return content.read(at_most)


@dataclass
class _Found:
    """What the static look has found in some files of one package."""

    odd: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    names: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    calls: dict[str, Counter[str]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def compare_releases(
    old: Release, new: Release, clock: Callable[[], float] = time.monotonic
) -> dict[str, Any]:
    """Return what the new release changes, as plain values that can be stored.

    Both packages were inspected before. Names are made visible and bounded.
    """
    ends_at = clock() + TIME_LIMIT_S
    with ExitStack() as stack:
        sides = [
            _open(stack.enter_context(zipfile.ZipFile(one.package)), ends_at, clock)
            for one in (old, new)
        ]
        before, after = sides
        if not all(side.digests.keys() == side.infos.keys() for side in sides):
            return {"is_complete": False}
        changed = sorted(
            path
            for path in before.infos.keys() & after.infos.keys()
            if before.digests[path] != after.digests[path]
        )
        added = sorted(after.infos.keys() - before.infos.keys())
        gone = sorted(before.infos.keys() - after.infos.keys())
        in_new = _look(after, [*added, *changed], new.slug, ends_at, clock)
        in_old = _look(before, [*changed, *gone], new.slug, ends_at, clock)
        same = sorted(before.infos.keys() - {*changed, *gone})
        names = _new_names(in_new, in_old, after, same, ends_at, clock)
        return {
            "is_complete": clock() < ends_at,
            "files": len(after.infos),
            "changed": _kept(changed, MAX_FILES_KEPT),
            "added": _kept(added, MAX_FILES_KEPT),
            "gone": _kept(gone, MAX_FILES_KEPT),
            "php_added": _kept(filter(is_php_file, added), MAX_NAMES_KEPT),
            # Each code has names of its own: many harmless oddities hide no worse one.
            "odd": {
                code: _kept(sorted(paths), MAX_NAMES_KEPT)
                for code in CODES
                if (paths := in_new.odd[code] - in_old.odd[code])
            },
            "names": {kind: _pairs(names[kind].items()) for kind in KINDS if names[kind]},
            "calls": _pairs(_new_calls(in_new, in_old)),
            "unread": _kept(in_new.unread, MAX_NAMES_KEPT),
            **_requirements(after, new.main_file),
        }


def _open(archive: zipfile.ZipFile, ends_at: float, clock: Callable[[], float]) -> _Side:
    """Return a package with the digest of each file; some are missing when time is over."""
    side = _Side(archive, list_files(archive))
    for path, info in side.infos.items():
        if clock() >= ends_at:
            break
        digest = hashlib.sha256()
        with archive.open(info) as content:
            while chunk := content.read(_CHUNK_BYTES):
                digest.update(chunk)
        side.digests[path] = digest.digest()
    return side


def _look(
    side: _Side, paths: Iterable[str], slug: str, ends_at: float, clock: Callable[[], float]
) -> _Found:
    found = _Found()
    for path in paths:
        most = MAX_LOOK_BYTES if _is_code(path) else MAX_SEARCH_BYTES
        content = side.read(path, most) if clock() < ends_at else b""
        for code in oddities(path, content, slug):
            found.odd[code].add(path)
        look = _look_at(path, content)
        is_read = side.infos[path].file_size <= len(content) and look.is_complete
        if not is_read and _is_code(path):
            found.unread.append(path)
        for kind, values in look.names.items():
            for value in values:
                found.names[kind].setdefault(value, path)
        if look.calls:
            found.calls[path] = look.calls
    return found


def _look_at(path: str, content: bytes) -> Look:
    if is_php_file(path):
        return look_at_php(content)
    return look_at_javascript(content) if path.lower().endswith(_JAVASCRIPT) else Look()


def _is_code(path: str) -> bool:
    return is_php_file(path) or path.lower().endswith(_JAVASCRIPT)


def _new_names(
    new: _Found,
    old: _Found,
    side: _Side,
    same: Collection[str],
    ends_at: float,
    clock: Callable[[], float],
) -> dict[str, dict[str, str]]:
    """Return what the release names for the first time, with the file that does.

    The files that stayed the same are only read while something seems to be new.
    """
    left = {kind: dict(new.names[kind]) for kind in KINDS}
    for kind in KINDS:
        for value in left[kind].keys() & old.names[kind].keys():
            del left[kind][value]
    for path in same:
        if clock() >= ends_at or not any(left.values()):
            break
        content = side.read(path, MAX_LOOK_BYTES) if _is_code(path) else b""
        if not _contains_any(content, [value for values in left.values() for value in values]):
            continue  # to search is much faster than to look into each file
        for kind, values in _look_at(path, content).names.items():
            for value in values & left[kind].keys():
                del left[kind][value]
    return left


def _contains_any(content: bytes, names: Iterable[str]) -> bool:
    """Whether one of these names may be in a file: what is written as one string, or its end is."""
    lower = content.lower()
    ends = (name.rstrip(UNKNOWN).rpartition("/")[2].lower().encode("utf-8") for name in names)
    return any(end in lower for end in ends)


def _new_calls(new: _Found, old: _Found) -> Iterator[tuple[str, str]]:
    """Yield the notable calls of which a file has more than before."""
    for path, calls in new.calls.items():
        before = old.calls.get(path, Counter())
        yield from ((name, path) for name, count in calls.items() if count > before[name])


def _kept(names: Iterable[str], at_most: int) -> dict[str, Any]:
    """Return the first names, and the number of all."""
    listed = list(names)
    return {"count": len(listed), "names": [_name(one) for one in listed[:at_most]]}


def _pairs(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the first pairs of a value and a file, and the number of all."""
    listed = sorted(pairs)
    kept = [[_name(value), _name(path)] for value, path in listed[:MAX_NAMES_KEPT]]
    return {"count": len(listed), "names": kept}


def _name(text: str) -> str:
    return visible(text, MAX_NAME_CHARS)


def _requirements(side: _Side, main_file: str) -> dict[str, str]:
    """Return what the headers of the new version require; the readme counts where they do not."""
    readme = next((path for path in side.infos if path.lower() == "readme.txt"), "")
    files = [path for path in (main_file, readme) if path in side.infos]
    text = b"\n".join(side.read(path, _HEADER_BYTES) for path in files).replace(b"\r", b"\n")
    found = {}
    for name, header in _HEADERS.items():
        written = header.search(text)
        value = written[1].decode("utf-8", "replace").strip(" \t*/") if written else ""
        found[name] = value if _VERSION.fullmatch(value) else ""
    return found
