"""The state of this installation: one check for each part, with the next step if it is bad."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app import __version__, queue_status
from app.config import Config
from app.domain.plugin_release import ReleaseError, read_release
from app.formats import counted
from app.models import database_facts, migrate
from app.models.audit import BROKEN, WHOLE, Verification
from app.models.database_errors import OUTAGES
from app.models.email import EmailServer, OutgoingEmail
from app.queue_status import QueueStatus, QueueUnreachable

# The state of a part.
GOOD = "good"
CHECK = "check"
BAD = "bad"
UNKNOWN = "unknown"

# A worker without a job says so every seven minutes that it lives, which is rq's default.
WORKER_SILENT_AFTER = timedelta(minutes=10)
SCHEDULER_SILENT_AFTER = timedelta(minutes=5)
JOB_WAITS_LONG = timedelta(minutes=10)
BACKUP_IS_OLD = timedelta(hours=48)
VERIFICATION_IS_OLD = timedelta(hours=48)
DISK_IS_LOW = 0.10
DISK_IS_FULL = 0.02

_GIGABYTE = 1e9


@dataclass(frozen=True)
class Check:
    """One line of the page: `at` is the time that `summary` ends with, if any."""

    name: str
    state: str
    summary: str
    at: datetime | None = None
    next_step: str = ""


def run_checks(config: Config, now: datetime) -> list[Check]:
    """Check every part. A part that does not answer is a line, not an error."""
    return [
        _version(config),
        *_database(),
        *_queue(config, now),
        _backup(config, now),
        _audit_log(now),
        _email(),
        _disk(config.var_dir),
    ]


# ---- program and database ----


def find_obstacle(config: Config) -> str:
    """Return the part that keeps Aura from serving requests: database, schema or queue; or ''."""
    try:
        _, missing = migrate.read_status()
    except OUTAGES:
        return "database"
    if missing:
        return "schema"
    return "" if queue_status.answers(config.redis_url) else "queue"


def _version(config: Config) -> Check:
    summary = f"Aura {__version__}"
    try:
        release = read_release(config.plugin_release)
    except ReleaseError:
        step = "Create it again with: make plugin-release. Sites get no updates until then."
        return Check("Version", BAD, f"{summary}. The release of SiteAgent is damaged.", None, step)
    offers = f"offers SiteAgent {release.version}" if release else "offers no SiteAgent release"
    return Check("Version", GOOD, f"{summary}, {offers} to sites.")


def _database() -> Iterator[Check]:
    facts = database_facts.read_facts()
    summary = f"{facts.kind} {facts.version}, {facts.size / 1e6:,.1f} MB."
    yield Check("Database", GOOD, summary)
    applied, missing = migrate.read_status()
    if missing:
        step = "Restart Aura, or run: flask --app wsgi migrate"
        yield Check("Schema", BAD, f"Not applied yet: {', '.join(missing)}.", None, step)
    else:
        yield Check("Schema", GOOD, f"Up to date: {applied[-1]}.")


# ---- queue and processes ----


def _queue(config: Config, now: datetime) -> Iterator[Check]:
    try:
        found = queue_status.read_status(config.redis_url)
    except QueueUnreachable as why:
        step = (
            "Aura restarts its own Redis within seconds. If you run Redis yourself, check it and "
            "REDIS_URL. Jobs that were lost are queued again."
        )
        yield Check("Queue", BAD, f"Redis does not answer ({why}). No job runs.", None, step)
        yield Check("Worker", UNKNOWN, "Only Redis knows when it was last seen.")
        yield Check("Scheduler", UNKNOWN, "Only Redis knows when it was last seen.")
        return
    yield _waiting(found, now)
    yield _failed(found)
    yield _worker(found, now)
    yield _scheduler(found, now)


def _waiting(found: QueueStatus, now: datetime) -> Check:
    summary = f"{counted(found.waiting, 'job')} waiting, {found.delayed} planned for later."
    if found.oldest_at is None:
        return Check("Queue", GOOD, summary)
    summary = f"{summary} The oldest one waits since"
    if now - found.oldest_at < JOB_WAITS_LONG:
        return Check("Queue", GOOD, summary, found.oldest_at)
    step = "Check that the worker process runs. If it does, slow sites keep it busy."
    return Check("Queue", CHECK, summary, found.oldest_at, step)


def _failed(found: QueueStatus) -> Check:
    if not found.failed:
        return Check("Failed jobs", GOOD, "None in the last seven days.")
    summary = f"{counted(found.failed, 'job')} failed in the last seven days."
    step = "The output of the worker process has the cause of each. Aura queues lost work again."
    return Check("Failed jobs", CHECK, summary, None, step)


def _worker(found: QueueStatus, now: datetime) -> Check:
    step = "Restart Aura. If the worker ends again, the output of Aura says why."
    if found.worker_seen_at is None:
        return Check("Worker", BAD, "No worker process is registered. No job runs.", None, step)
    summary = f"{counted(found.workers, 'process', 'processes')}, last seen"
    if now - found.worker_seen_at < WORKER_SILENT_AFTER:
        return Check("Worker", GOOD, summary, found.worker_seen_at)
    return Check("Worker", BAD, summary, found.worker_seen_at, step)


def _scheduler(found: QueueStatus, now: datetime) -> Check:
    step = "Restart Aura. Until then nothing is synced, retried or verified on time."
    if found.scheduler_seen_at is None:
        return Check("Scheduler", BAD, "It has not been seen since Redis started.", None, step)
    is_alive = now - found.scheduler_seen_at < SCHEDULER_SILENT_AFTER
    state, step = (GOOD, "") if is_alive else (BAD, step)
    return Check("Scheduler", state, "Last seen", found.scheduler_seen_at, step)


# ---- backup, audit log, disk ----


def _backup(config: Config, now: datetime) -> Check:
    remedy = (
        "Run flask --app wsgi backup create FILE every day. If you use another tool, name its "
        "folder in AURA_BACKUPS. See docs/OPERATIONS.md."
    )
    try:
        newest = _newest_backup(config)
    except OSError as why:
        summary = f"The folder in AURA_BACKUPS cannot be read: {why.strerror}."
        return Check("Backup", UNKNOWN, summary, None, "Give Aura's user permission to list it.")
    if newest is None:
        return Check("Backup", UNKNOWN, "Aura does not know of any backup.", None, remedy)
    if now - newest < BACKUP_IS_OLD:
        return Check("Backup", GOOD, "The newest one is from", newest)
    step = "Check the backup script. Restore a backup now and then to see that it works."
    return Check("Backup", BAD, "The newest one is from", newest, step)


def _newest_backup(config: Config) -> datetime | None:
    """Return the time of the newest backup that there is a trace of. Raises: OSError."""
    marks = [config.backup_mark]
    if config.backups is not None:
        marks += config.backups.iterdir()
    times = [mark.stat().st_mtime for mark in marks if mark.is_file()]
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _audit_log(now: datetime) -> Check:
    last = Verification.latest_ended()
    if last is None or last.ended_at is None:
        return Check("Audit log", UNKNOWN, "Not verified yet. Aura does so every night.")
    if last.state == BROKEN:
        summary = f"It was changed from entry {last.broken_at} on. Found"
        step = "Keep the database and an earlier backup, and compare both. See docs/AUDIT.md."
        return Check("Audit log", BAD, summary, last.ended_at, step)
    if last.state != WHOLE:
        return Check("Audit log", CHECK, "The verification was abandoned", last.ended_at, _VERIFY)
    summary = f"{counted(last.entries, 'entry', 'entries')} verified, intact,"
    if now - last.ended_at < VERIFICATION_IS_OLD:
        return Check("Audit log", GOOD, summary, last.ended_at)
    return Check("Audit log", CHECK, summary, last.ended_at, _VERIFY)


_VERIFY = "Start a verification on the page Activity. If it does not end, check the worker."


def _email() -> Check:
    server = EmailServer.read()
    if server is None:
        return Check("E-mail", GOOD, "Turned off: Aura sends no messages.")
    accepted = OutgoingEmail.last_accepted(server.changed_at)
    failed = OutgoingEmail.last_failed(server.changed_at)
    if failed is not None and (accepted is None or failed.id > accepted.id):
        summary = f"The last message was not accepted by {server.host}. Requested"
        return Check("E-mail", BAD, summary, failed.requested_at, _READ_WORDS)
    if accepted is None:
        return Check("E-mail", UNKNOWN, f"Nothing was sent through {server.host} yet.")
    return Check("E-mail", GOOD, f"{server.host} accepted the last message", accepted.ended_at)


_READ_WORDS = "Settings → E-mail shows what the server said, and sends a test message."


def _disk(folder: Path) -> Check:
    try:
        usage = shutil.disk_usage(folder)
    except OSError as why:
        return Check("Disk", UNKNOWN, f"The folder of Aura's data cannot be read: {why.strerror}.")
    free = usage.free / usage.total
    summary = f"{usage.free / _GIGABYTE:,.1f} GB of {usage.total / _GIGABYTE:,.1f} GB free."
    if free >= DISK_IS_LOW:
        return Check("Disk", GOOD, summary)
    step = "Make room on the disk of AURA_VAR. When it is full, Aura can save nothing."
    return Check("Disk", BAD if free < DISK_IS_FULL else CHECK, summary, None, step)
