"""Inspect a package and compute the digest of the files that it leaves on a site. Pure.

The twin of class-siteagent-package-tree.php and class-siteagent-package-archive.php
(docs/PROTOCOL.md 3.6). Nothing is unpacked to disk.
"""

from __future__ import annotations

import hashlib
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.package_layout import ONE_FOLDER, Layout

MAX_FILES = 30_000
MAX_PATH_BYTES = 1000
# The largest archive, and the most bytes of all its files together.
MAX_BYTES = 256 * 1024 * 1024
MAX_UNPACKED_BYTES = 512 * 1024 * 1024

# Why a package is refused; pages have a sentence for each.
UNSAFE_PATH = "package_unsafe_path"
DUPLICATE_PATH = "package_duplicate_path"
HAS_LINK = "package_has_link"
TOO_LARGE = "package_too_large"
TOO_MANY_FILES = "package_too_many_files"
NOT_ONE_FOLDER = "package_not_one_folder"
NOT_TRANSLATION = "package_not_translation"
ENCRYPTED = "package_encrypted"
UNREADABLE = "package_unreadable"
NOT_A_PACKAGE = "not_a_package"
REFUSALS = (
    UNSAFE_PATH,
    DUPLICATE_PATH,
    HAS_LINK,
    TOO_LARGE,
    TOO_MANY_FILES,
    NOT_ONE_FOLDER,
    NOT_TRANSLATION,
    ENCRYPTED,
    UNREADABLE,
    NOT_A_PACKAGE,
)

_LABEL = b"siteagent/tree/1\n"
_CHUNK_BYTES = 64 * 1024
_FORBIDDEN = re.compile(rb"[\x00-\x1f\x7f\\]")
_UTF8_NAME = 0x800
# Encrypted content, strong encryption, encrypted headers.
_ENCRYPTED = 0x2041
_PLAIN_TYPES = (0, stat.S_IFDIR, stat.S_IFREG)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# WordPress does not unpack this folder of macOS.
_IGNORED = b"__MACOSX/"


class PackageRefused(Exception):
    """The package has something that no update needs; `code` says what."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class PackageContent:
    """What an archive leaves on a site: the digest of its tree, its folder, the number of files."""

    tree_sha256: str
    folder: str
    files: int


@dataclass(frozen=True)
class _Entry:
    """One entry of an archive: its path, as bytes, and what zipfile says about it."""

    path: bytes
    info: zipfile.ZipInfo

    @property
    def is_folder(self) -> bool:
        return self.path.endswith(b"/")


def tree_digest(files: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the digest of a set of files: path below the folder, and raw SHA-256 of the content.

    Raises: PackageRefused for a path that is not allowed, or that occurs twice.
    """
    ordered = sorted(files)
    if len(ordered) > MAX_FILES:
        raise PackageRefused(TOO_MANY_FILES)
    digest, previous = hashlib.sha256(_LABEL), None
    for path, content in ordered:
        require_safe_path(path)
        if path == previous:
            raise PackageRefused(DUPLICATE_PATH)
        previous = path
        digest.update(b"f" + len(path).to_bytes(4, "big") + path + content)
    return digest.hexdigest()


def require_safe_path(path: bytes) -> None:
    """Raise PackageRefused unless a path stays below its folder and is written in one way only."""
    is_plain = 0 < len(path) <= MAX_PATH_BYTES and not _FORBIDDEN.search(path)
    if not is_plain or not {b"", b".", b".."}.isdisjoint(path.split(b"/")):
        raise PackageRefused(UNSAFE_PATH)
    try:
        path.decode("utf-8")
    except UnicodeDecodeError as why:
        raise PackageRefused(UNSAFE_PATH) from why


def inspect_archive(path: Path, layout: Layout = ONE_FOLDER) -> PackageContent:
    """Return what the package at `path` leaves on a site; all of its files are read.

    Raises: PackageRefused with the reason.
    """
    if path.stat().st_size > MAX_BYTES:
        raise PackageRefused(TOO_LARGE)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = list(_entries(archive))
            folder = _only_folder(entries, layout)
            start = len(folder) + 1 if folder else 0
            hashes = []
            for one in entries:
                if one.is_folder:
                    continue
                content = _hash(archive, one.info)
                if layout.is_installed(one.path[start:]):
                    hashes.append((one.path[start:], content))
            digest = tree_digest(hashes)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError) as why:
        raise PackageRefused(UNREADABLE if zipfile.is_zipfile(path) else NOT_A_PACKAGE) from why
    return PackageContent(digest, folder.decode("utf-8"), len(hashes))


def read_file(path: Path, name: str, at_most: int) -> bytes:
    """Return the beginning of one file of an inspected archive; empty if it has no such file."""
    with zipfile.ZipFile(path) as archive:
        if name not in archive.namelist():
            return b""
        with archive.open(name) as content:
            return content.read(at_most)


def list_files(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the files of an inspected archive by their path below its folder."""
    entries = (one for one in _entries(archive) if not one.is_folder)
    return {one.path.partition(b"/")[2].decode("utf-8"): one.info for one in entries}


def _entries(archive: zipfile.ZipFile) -> Iterator[_Entry]:
    infos = archive.infolist()
    if len(infos) > MAX_FILES:
        raise PackageRefused(TOO_MANY_FILES)
    total = 0
    for info in infos:
        path = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8_NAME else "cp437")
        if path.startswith(_IGNORED):
            continue
        _require_plain(path, info)
        total += info.file_size
        if total > MAX_UNPACKED_BYTES:
            raise PackageRefused(TOO_LARGE)
        yield _Entry(path, info)


def _require_plain(path: bytes, info: zipfile.ZipInfo) -> None:
    require_safe_path(path.removesuffix(b"/"))
    # WordPress takes it for a drive of Windows and skips the file.
    if path[1:2] == b":":
        raise PackageRefused(UNSAFE_PATH)
    if info.flag_bits & _ENCRYPTED:
        raise PackageRefused(ENCRYPTED)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in _PLAIN_TYPES:
        raise PackageRefused(HAS_LINK if kind == stat.S_IFLNK else UNREADABLE)
    if info.compress_type not in _METHODS:
        raise PackageRefused(UNREADABLE)


def _only_folder(entries: Sequence[_Entry], layout: Layout) -> bytes:
    """Return the folder that every entry is in; empty for a translation, which has none."""
    if layout.translation is not None:
        own = layout.translation.fullmatch
        if not entries or not all(own(one.path) for one in entries):
            raise PackageRefused(NOT_TRANSLATION)
        return b""
    folders = {one.path.partition(b"/")[0] for one in entries}
    is_below = all(b"/" in one.path for one in entries)
    if len(folders) != 1 or not is_below or all(one.is_folder for one in entries):
        raise PackageRefused(NOT_ONE_FOLDER)
    folder = folders.pop()
    if layout.folder not in (None, folder):
        raise PackageRefused(NOT_ONE_FOLDER)
    return folder


def _hash(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return the SHA-256 of one file; zipfile reads no more than its declared size."""
    digest = hashlib.sha256()
    with archive.open(info) as content:
        while chunk := content.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()
