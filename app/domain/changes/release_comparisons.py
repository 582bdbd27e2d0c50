"""Compare the package of a new version with that of the installed one, once for each pair.

Both come from WordPress.org. A commercial package stays on the site, so Aura has none of it to
compare.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from app import queue
from app.config import Config
from app.domain.changes import package_cache, package_checks, packages
from app.http import package_download
from app.http.errors import CallError, ErrorCode
from app.http.package_download import Download
from app.models.base import transaction, utcnow
from app.models.changes import Change
from app.models.packages import CHECKED, UNCHECKED, KnownPackage
from app.models.release_comparisons import DONE, FAILED, WAITING, ReleaseComparison
from app.package_oddities import WARNINGS
from app.package_tree import PackageRefused, inspect_archive
from app.release_contents import Release, compare_releases
from app.retry import backoff

Fetch = Callable[..., Download]

# Translations have no code. WordPress itself is released by the people who review it.
COMPARED_KINDS = ("plugin", "theme")
# Longer than the job may take, so an expired lease means a dead worker.
LEASE = timedelta(minutes=9)
FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=6)
# After this time Aura stops trying. The update can still be approved by a person.
ASKED_FOR = timedelta(days=14)
# How long after a failure a further pre-check has the same two compared again.
RETRIED_AFTER = timedelta(hours=1)
# How long the result is shown with the update, and diffs are offered.
KEPT_FOR = timedelta(days=180)

# Why two versions cannot be compared; other problems are those of downloads and packages.
OLD_NOT_SERVED = "old_not_served"
NEW_NOT_SEEN = "new_not_seen"
NOT_YET = "new_not_checked"

_log = logging.getLogger(__name__)


def request_for(change: Change, now: datetime) -> None:
    """Have the releases of a change compared unless they are, in the caller's transaction."""
    known = packages.find_known(change) if change.kind in COMPARED_KINDS else None
    if known is None or not known.path:
        return
    # The check of the package resumes it, unless Aura has it already.
    due_at = now if known.state != UNCHECKED else now + FIRST_RETRY
    with transaction() as tx:
        row = ReleaseComparison.find(change.kind, change.ident, change.from_version, known.sha256)
        if row is None:
            row = ReleaseComparison.insert_one(
                kind=change.kind,
                ident=change.ident,
                from_version=change.from_version,
                to_version=change.to_version,
                to_sha256=known.sha256,
                requested_at=now,
                next_attempt_at=due_at,
            )
        elif not row.retry(now - RETRIED_AFTER, now):
            return
        if due_at == now:
            tx.after_commit(queue.enqueue, "compare_release", row.id)


def resume_with(package_id: int, now: datetime) -> int:
    """Compare what has waited for Aura's own download of a package; return how many."""
    known = KnownPackage.get_or_none(KnownPackage.id == package_id)
    if known is None or known.state == UNCHECKED:
        return 0
    with transaction():
        waiting = ReleaseComparison.make_due(known.sha256, now)
    return queue.enqueue_rows("compare_release", waiting)


def recover_comparisons(now: datetime) -> int:
    """Queue comparisons that are due, also those whose job was lost; return how many.

    Those that are too old to be shown are deleted.
    """
    ReleaseComparison.forget(now - KEPT_FOR)
    return queue.enqueue_rows("compare_release", ReleaseComparison.due(now))


def compare(
    comparison_id: int,
    *,
    config: Config,
    fetch: Fetch = package_download.download,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Compare two releases, and return the state of the comparison.

    Safe to run twice at once and again after a crash.
    """
    row = ReleaseComparison.get_or_none(ReleaseComparison.id == comparison_id)
    if row is None:
        return "gone"
    began = now()
    if not row.lease((WAITING,), began, began + LEASE):
        return "busy" if row.state == WAITING else row.state
    try:
        known = _known_new(row)
        new = _new_package(row, known, config, fetch)
        old, sha256 = _old_package(row, config, fetch)
    except _NotYet as why:
        return _again(row, why.problem, now())
    except _CannotCompare as why:
        return _end(row, why.problem, now())
    except CallError as why:
        return _again(row, why.error_code, now())
    except OSError:
        _log.exception("The packages of %s could not be stored.", row.ident)
        return _again(row, packages.DISK, now())
    main = package_checks.main_file(row.kind, row.ident)
    slug = row.ident.partition("/")[0]
    findings = compare_releases(Release(old, slug, main), Release(new, slug, main))
    done = {"compared_at": now(), "problem": "", "from_sha256": sha256}
    row.move(DONE, findings=findings, warnings=_warnings(findings), **done)
    return row.state


def _warnings(findings: dict[str, Any]) -> str:
    return ",".join(code for code in WARNINGS if code in findings.get("odd", {}))


class _CannotCompare(Exception):
    """One of the two packages is not there; `problem` says why."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class _NotYet(_CannotCompare):
    """Aura has not downloaded the new version yet."""


def _known_new(row: ReleaseComparison) -> KnownPackage:
    """Return the package of the new version, which Aura has downloaded itself."""
    seen = _seen(row, row.to_version)
    known = next((one for one in seen if one.sha256 == row.to_sha256), None)
    if known is None or not known.path:
        raise _CannotCompare(NEW_NOT_SEEN)
    if known.state == UNCHECKED:
        raise _NotYet(NOT_YET)
    if known.state != CHECKED or known.problem:
        raise _CannotCompare(known.problem or NEW_NOT_SEEN)
    return known


def _seen(row: ReleaseComparison, version: str) -> list[KnownPackage]:
    return KnownPackage.of_version(row.kind, row.ident, version, package_download.HOST)


def _new_package(row: ReleaseComparison, known: KnownPackage, config: Config, fetch: Fetch) -> Path:
    """Return the new package from the cache, or download the same bytes again."""
    cached = package_cache.find(row.to_sha256, config)
    if cached is not None:
        return cached
    with package_cache.new_file(config) as file:
        found = fetch(known.path, file)
        if found.sha256 != row.to_sha256:
            raise _CannotCompare(packages.DIFFERS)
        return _keep(found, config)


def _old_package(row: ReleaseComparison, config: Config, fetch: Fetch) -> tuple[Path, str]:
    """Return the package of the installed version and its hash; it is downloaded once."""
    known = [one.sha256 for one in _seen(row, row.from_version) if one.state == CHECKED]
    seen = ReleaseComparison.packages_of(row.kind, row.ident, row.from_version)
    for sha256 in known or seen:
        if cached := package_cache.find(sha256, config):
            return cached, sha256
    path = f"/{row.kind}/{row.ident.partition('/')[0]}.{row.from_version}.zip"
    if not package_download.is_package_path(path, row.kind):
        raise _CannotCompare(OLD_NOT_SERVED)
    with package_cache.new_file(config) as file:
        try:
            found = fetch(path, file)
            content = inspect_archive(found.file)
        except PackageRefused as why:
            raise _CannotCompare(why.code) from why
        except CallError as why:
            if why.error_code == ErrorCode.not_found:
                raise _CannotCompare(OLD_NOT_SERVED) from why
            raise
        if not package_checks.is_of_version(row.kind, row.ident, row.from_version, found, content):
            raise _CannotCompare(OLD_NOT_SERVED)
        return _keep(found, config), found.sha256


def _keep(found: Download, config: Config) -> Path:
    """Put a download into the cache, and return its place there."""
    package_cache.keep(found.file, found.sha256, config)
    kept = package_cache.find(found.sha256, config)
    if kept is None:
        raise _CannotCompare("package_too_large")
    return kept


def _end(row: ReleaseComparison, problem: str, now: datetime) -> str:
    row.move(FAILED, problem=problem[:40], compared_at=now)
    return row.state


def _again(row: ReleaseComparison, problem: str, now: datetime) -> str:
    """Record the attempt, and try again later."""
    if now - row.requested_at >= ASKED_FOR:
        return _end(row, problem, now)
    delay = backoff(row.attempts - 1, FIRST_RETRY, LONGEST_RETRY)
    row.note_attempt(problem[:40], now + delay)
    return row.state
