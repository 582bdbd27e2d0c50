"""Keep known vulnerabilities up to date: fetch or import a feed, and compute what it means."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from app import queue
from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.audit.events import VulnerabilityFeedFailed, VulnerabilityFeedRecovered
from app.domain.text import one_line
from app.domain.vulnerabilities import findings, source
from app.domain.vulnerabilities.feed import MAX_FEED_BYTES, FeedInvalid
from app.domain.vulnerabilities.feed_import import import_file
from app.domain.vulnerabilities.source import FeedFiles
from app.http.download import DownloadFailed, download
from app.http.fetch import Limits
from app.keys import SealBroken
from app.models.base import transaction, utcnow
from app.models.site_vulnerabilities import SiteVulnerability, VulnerabilityCheck
from app.models.vulnerabilities import FILE, WORDFENCE, VulnerabilityFeed
from app.retry import backoff

EVERY = timedelta(days=1)
_FIRST_RETRY = timedelta(hours=1)
_LIMITS = Limits(max_bytes=MAX_FEED_BYTES, total_s=15 * 60, between_bytes_s=30)
# Longer than a job may take, so the lease only ends by itself if its worker died.
_LEASE = timedelta(minutes=35)
# New plugins have the kept file read again, all of them of some minutes together.
_REREAD_EVERY = timedelta(minutes=10)
_SITES_AT_ONCE = 200
# A problem besides the codes of app/http/download.py: Aura could not write to its own disk.
DISK = "disk"

Download = Callable[..., str | None]


def request_due(now: datetime) -> int:
    """Queue the job if there is anything to do; return 1 if so."""
    feed = VulnerabilityFeed.read()
    if feed.leased_until is not None and feed.leased_until > now:
        return 0
    is_due = (
        feed.uploaded_at is not None
        or _is_fetch_due(feed, now)
        or _is_reread_due(feed, now)
        or (feed.has_data and bool(VulnerabilityCheck.outdated(feed.number, 1)))
    )
    if is_due:
        queue.enqueue(source.JOB)
    return int(is_due)


def update(
    config: Config,
    *,
    fetch: Download = download,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Do what is due: import, fetch, then compute the results of sites; return how that ended.

    Of two at once, one does nothing.
    """
    if not VulnerabilityFeed.claim(now(), _LEASE):
        return "busy"
    try:
        state = _update_feed(config, fetch, now)
    finally:
        with transaction():
            VulnerabilityFeed.write(leased_until=None)
    check_sites(now)
    return state


def check_sites(now: Callable[[], datetime] = utcnow) -> int:
    """Compute the result of each site whose data or feed has changed; return how many."""
    feed, count = VulnerabilityFeed.read(), 0
    if not feed.has_data:
        return 0
    while site_ids := VulnerabilityCheck.outdated(feed.number, _SITES_AT_ONCE):
        done = sum(findings.check_site(site_id, now()) for site_id in site_ids)
        count += done
        # The rest belong to another import, whose job computes them.
        if not done:
            return count
    with transaction():
        SiteVulnerability.delete_unused_software(feed.number)
    return count


def _update_feed(config: Config, fetch: Download, now: Callable[[], datetime]) -> str:
    feed, files = VulnerabilityFeed.read(), FeedFiles.of(config)
    if feed.uploaded_at is not None:
        return _import_upload(feed, files, now)
    if _is_fetch_due(feed, now()):
        return _fetch(feed, files, config, fetch, now)
    if _is_reread_due(feed, now()):
        return _read_again(feed, files, now)
    return "unchanged"


def _is_fetch_due(feed: VulnerabilityFeed, now: datetime) -> bool:
    is_set = feed.key_sealed is not None and feed.next_fetch_at is not None
    return is_set and bool(feed.next_fetch_at <= now)


def _is_reread_due(feed: VulnerabilityFeed, now: datetime) -> bool:
    if feed.reread_at is None or feed.imported_at is None:
        return False
    return bool(now - feed.imported_at >= _REREAD_EVERY)


def _import_upload(feed: VulnerabilityFeed, files: FeedFiles, now: Callable[[], datetime]) -> str:
    """Import the file of a person. A refused one is deleted, because it would be refused again.

    If a person has uploaded another file meanwhile, that one still waits.
    """
    problem = detail = ""
    try:
        import_file(files.upload, source=FILE, now=now())
    except FeedInvalid as refusal:
        problem, detail = "file_invalid", str(refusal)
    except FileNotFoundError:
        problem = "file_missing"
    except OSError as why:
        problem, detail = DISK, why.strerror or ""
    with transaction():
        is_newest = VulnerabilityFeed.read().uploaded_at == feed.uploaded_at
        if is_newest and problem:
            files.upload.unlink(missing_ok=True)
        elif is_newest:
            files.upload.replace(files.kept)
        ended = {"uploaded_at": None} if is_newest else {}
        return _fail(problem, detail, now(), **ended) if problem else _succeed(now(), **ended)


def _fetch(
    feed: VulnerabilityFeed,
    files: FeedFiles,
    config: Config,
    fetch: Download,
    now: Callable[[], datetime],
) -> str:
    again_at = now() + backoff(feed.attempts, _FIRST_RETRY, EVERY)
    with transaction():
        # However this job ends, it does not fetch all of the feed again the next minute.
        VulnerabilityFeed.write(next_fetch_at=again_at)
    try:
        headers = {"Authorization": f"Bearer {source.open_key(feed, config)}"}
        # Only what is still there need not come again.
        if feed.etag and feed.source == WORDFENCE and files.kept.is_file():
            headers["If-None-Match"] = feed.etag
        etag = fetch(
            config.vulnerability_feed_url,
            files.part,
            headers=headers,
            limits=_LIMITS,
            allow_nets=config.allow_nets,
        )
        if etag is not None:
            import_file(files.part, source=WORDFENCE, etag=etag, now=now())
            files.part.replace(files.kept)
    except DownloadFailed as why:
        return _fail(why.code, why.detail, now())
    except FeedInvalid as refusal:
        return _fail("feed_invalid", str(refusal), now())
    except SealBroken:
        return _fail("key_unreadable", "", now())
    except OSError as why:
        return _fail(DISK, why.strerror or "", now())
    finally:
        files.part.unlink(missing_ok=True)
    with transaction():
        # A person may have asked for another fetch meanwhile, or entered another key.
        is_asked_for = VulnerabilityFeed.read().next_fetch_at != again_at
        return _succeed(now(), **({} if is_asked_for else {"next_fetch_at": now() + EVERY}))


def _read_again(feed: VulnerabilityFeed, files: FeedFiles, now: Callable[[], datetime]) -> str:
    """Look for plugins that came after the last import in the file that was kept."""
    try:
        import_file(files.kept, source=feed.source, etag=feed.etag, now=now())
    except (FeedInvalid, FileNotFoundError) as why:
        # With a key, the whole feed comes again.
        again = {"etag": "", "next_fetch_at": now()} if feed.key_sealed else {}
        return _fail("file_missing", str(why) if isinstance(why, FeedInvalid) else "", now(),
                     reread_at=None, **again)  # fmt: skip
    return "read again"


def _succeed(now: datetime, **columns: object) -> str:
    with transaction():
        problem = VulnerabilityFeed.read().problem
        VulnerabilityFeed.write(
            problem="", problem_detail="", problem_since=None, attempts=0, checked_at=now, **columns
        )
        if problem:
            audit.record(VulnerabilityFeedRecovered(problem=problem), SYSTEM, now=now)
    return "imported"


def _fail(problem: str, detail: str, now: datetime, **columns: object) -> str:
    """Store why it failed. The same reason as before is no news for the audit log."""
    detail = one_line(detail, 300)
    with transaction():
        feed = VulnerabilityFeed.read()
        is_news = feed.problem != problem
        VulnerabilityFeed.write(
            problem=problem,
            problem_detail=detail,
            problem_since=now if not feed.problem else feed.problem_since,
            attempts=feed.attempts + 1,
            **columns,
        )
        if is_news:
            audit.record(VulnerabilityFeedFailed(problem=problem, detail=detail), SYSTEM, now=now)
    return "failed"
