"""Download each package from WordPress.org once, and compare it with what a site was given.

What the site reported is in the plan already. Until Aura has seen the same bytes itself, no
auto-update rule approves the version.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import datetime, timedelta

from app import queue
from app.config import Config
from app.domain.changes import package_cache, package_refusals, packages
from app.http import package_download
from app.http.errors import CallError
from app.http.package_download import Download
from app.models.base import transaction, utcnow
from app.models.packages import CHECKED, REFUSED, UNCHECKED, KnownPackage
from app.package_layout import CORE_FOLDER, layout_of, translation_name
from app.package_tree import PackageContent, PackageRefused, inspect_archive, read_file
from app.retry import backoff

Fetch = Callable[..., Download]

# Longer than a job may take, so an expired lease means a dead worker.
LEASE = timedelta(seconds=240)
FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=6)
# After this time Aura stops asking. The version can still be approved by a person.
ASKED_FOR = timedelta(days=14)

_log = logging.getLogger(__name__)
# What get_file_data() of WordPress reads.
_HEADER_BYTES = 8192
_VERSION = re.compile(rb"^[ \t/*#@]*Version:(.*)$", re.IGNORECASE | re.MULTILINE)
_CORE_VERSION = re.compile(rb"^\$wp_version\s*=\s*'([^']+)'", re.MULTILINE)
# WordPress.org announces the date without the offset that the file ends in.
_REVISED = re.compile(rb'^"PO-Revision-Date:\s*(.*?)(?:\+0000)?\s*\\n"', re.MULTILINE)


def check_package(
    package_id: int,
    *,
    config: Config,
    fetch: Fetch = package_download.download,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Download a package and compare it with the one that was seen first; return its state.

    Safe to run twice at once and again after a crash.
    """
    known = KnownPackage.get_or_none(KnownPackage.id == package_id)
    if known is None:
        return "gone"
    began = now()
    if not known.lease((UNCHECKED,), began, began + LEASE):
        return "busy" if known.state == UNCHECKED else known.state
    try:
        with package_cache.new_file(config) as file:
            found = fetch(known.path, file)
            content = inspect_archive(found.file, layout_of(known.kind, known.ident))
            if not is_of_version(known.kind, known.ident, known.version, found, content):
                return _again(known, packages.MISMATCH, now())
            package_cache.keep(found.file, found.sha256, config)
    except CallError as why:
        return _again(known, why.error_code, now())
    except PackageRefused as why:
        return _refuse(known, why.code, now())
    except OSError:
        _log.exception("The package of %s could not be stored.", known.ident)
        return _again(known, packages.DISK, now())
    return _compare(known, found, content, now())


def recover_checks(now: datetime) -> int:
    """Queue checks that are due, also those whose job was lost; return how many."""
    return queue.enqueue_rows("check_package", KnownPackage.due_checks(now))


def _compare(known: KnownPackage, found: Download, content: PackageContent, now: datetime) -> str:
    seen = (found.sha256, content.tree_sha256)
    if seen == (known.sha256, known.tree_sha256):
        facts = {"size": found.size, "files": content.files}
        known.move(CHECKED, checked_at=now, problem="", **facts)
        return known.state
    with transaction():
        if known.move(CHECKED, checked_at=now, problem=packages.DIFFERS):
            packages.record_own_bytes(known, found.sha256, now)
    return known.state


def main_file(kind: str, ident: str) -> str:
    """Return the file of a plugin or theme, below its folder, whose header has the version."""
    return ident.partition("/")[2] if kind == "plugin" else "style.css"


def is_of_version(
    kind: str, ident: str, version: str, found: Download, content: PackageContent
) -> bool:
    """Whether the package is of the component, and of the version that was looked for.

    The address may lead to whatever is the newest version.
    """
    folder, main, pattern = _identity(kind, ident)
    written = pattern.search(read_file(found.file, main, _HEADER_BYTES))
    text = written[1].decode("utf-8", "replace").strip() if written else ""
    return content.folder == folder and text == version


def _identity(kind: str, ident: str) -> tuple[str, str, re.Pattern[bytes]]:
    """Return the folder of a package, the file that names its version, and where it does so."""
    if kind == "core":
        return CORE_FOLDER, f"{CORE_FOLDER}/wp-includes/version.php", _CORE_VERSION
    if kind == "translation":
        return "", f"{translation_name(ident)}.po", _REVISED
    folder = ident.partition("/")[0]
    return folder, f"{folder}/{main_file(kind, ident)}", _VERSION


def _refuse(known: KnownPackage, problem: str, now: datetime) -> str:
    with transaction():
        if known.move(REFUSED, problem=problem[:40], checked_at=now):
            package_refusals.record_own_refusal(known, now)
    return known.state


def _again(known: KnownPackage, problem: str, now: datetime) -> str:
    """Record the attempt, and try again later."""
    is_over = now - known.first_seen_at >= ASKED_FOR
    delay = backoff(known.attempts - 1, FIRST_RETRY, LONGEST_RETRY)
    known.note_attempt(problem[:40], None if is_over else now + delay)
    return known.state
