"""Exports of the audit log: requested, written by the worker, downloaded, deleted after a day."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from app import queue
from app.config import Config
from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit import export_formats
from app.domain.audit.events import AuditLogExported, ExportDownloaded
from app.domain.audit.export_scope import ExportScope
from app.domain.errors import Invalid, NotFound
from app.keys import SealBroken
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.base import transaction, utcnow
from app.models.clients import Client
from app.models.exports import DONE, FAILED, GONE, RUNNING, AuditLogExport
from app.models.queued_row import QUEUED
from app.models.sites import Site

# ZIP can be verified; the other formats are for other programs.
ZIP, CSV, JSONL = "zip", "csv", "jsonl"
FORMS = (ZIP, CSV, JSONL)
KEPT_FOR = timedelta(days=1)
LOST_AFTER = timedelta(minutes=5)
_FOLDER = "exports"


def request_export(
    form: str, covered: ExportScope, *, by: Actor, confirmed_at: datetime, now: datetime
) -> AuditLogExport:
    """Queue an export for the worker.

    Raises: Forbidden, ReauthenticationRequired, or Invalid.
    """
    permissions.require(by, "export")
    verb = _verb(covered)
    if not permissions.is_allowed(by.role, verb):
        raise Invalid("client", "Choose a client or a site. Only an owner exports everything.")
    permissions.require_recent_authentication(confirmed_at, now)
    if form not in FORMS:
        raise Invalid("form", "Choose a format.")
    with permissions.user_transaction(by, verb) as (tx, by):
        covered = _within(covered, by)
        log_export = AuditLogExport.create(
            requested_by=by.name[:120],
            requested_by_id=by.id,
            requested_at=now,
            form=form,
            scope=covered.of[:300],
            client_id=covered.client,
            scope_site_id=covered.site,
            since=covered.since,
            until=covered.until,
            includes_private=covered.private,
        )
        tx.after_commit(queue.enqueue, "export_audit_log", log_export.id)
    return log_export


def _within(covered: ExportScope, by: Actor) -> ExportScope:
    """Return the scope as far as the user sees it; of a site only since it belongs to its client.

    Raises: NotFound for a client or site that they do not see.
    """
    visible = permissions.visibility_of(by)
    if visible.is_everything:
        return covered
    client_id = Site.client_of(covered.site) if covered.site is not None else covered.client
    if client_id is None or not visible.has(client_id):
        raise NotFound("This client or site does not exist.")
    return replace(covered, client=client_id)


def _verb(covered: ExportScope) -> str:
    """Return the permission that an export of this scope needs."""
    return "export_all" if covered.is_everything else "export"


def make_scope(
    *,
    client: Client | None = None,
    site: Site | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    private: bool = True,
) -> ExportScope:
    """Return the scope of an export with its description.

    Raises: Invalid if it ends before it starts.
    """
    if since is not None and until is not None and until <= since:
        raise Invalid("until", "The end is not after the start.")
    of = ["Everything"]
    if client is not None:
        of = [f"Client {client.name}"]
    if site is not None:
        of = [f"Site {site.name}"]
    if since is not None:
        of.append(f"from {since:%Y-%m-%d}")
    if until is not None:
        of.append(f"before {until:%Y-%m-%d}")
    whose = {"client": client.id if client else None, "site": site.id if site else None}
    return ExportScope(", ".join(of), since=since, until=until, private=private, **whose)


def run_export(export_id: int, *, config: Config, now: Callable[[], datetime] = utcnow) -> str:
    """Write the file and return the final state. Safe to run twice."""
    log_export = AuditLogExport.get_or_none(AuditLogExport.id == export_id)
    if log_export is None:
        return "gone"
    began = {"heartbeat_at": now(), "total": AuditEntry.last_seq()}
    if not log_export.move(to=RUNNING, when=(QUEUED,), **began):
        return log_export.state

    def note(count: int) -> None:
        log_export.move(to=RUNNING, when=(RUNNING,), entries=count, heartbeat_at=now())

    path = export_path(log_export, config)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        count = write_export(path, log_export.form, _covered(log_export), config, now(), note)
    except (OSError, SealBroken):
        log_export.move(to=FAILED, when=(RUNNING,), ended_at=now())
        path.unlink(missing_ok=True)
        raise
    digest = _digest(path)
    with transaction():
        ended = {"ended_at": now(), "entries": count, "digest": digest}
        size = path.stat().st_size
        if log_export.move(to=DONE, when=(RUNNING,), size=size, **ended):
            by = Actor.of(User.get_by_id(log_export.requested_by_id))
            audit.record(
                _exported(_covered(log_export), log_export.form, count, digest), by, now=now()
            )
    return log_export.state


def export_to_path(
    path: Path, form: str, covered: ExportScope, *, by: Actor, config: Config, now: datetime
) -> int:
    """Export at once for the command line; return the number of entries."""
    count = write_export(path, form, covered, config, now, lambda count: None)
    with transaction():
        audit.record(_exported(covered, form, count, _digest(path)), by, now=now)
    return count


def write_export(
    path: Path,
    form: str,
    covered: ExportScope,
    config: Config,
    now: datetime,
    seen: Callable[[int], object],
) -> int:
    """Write the file, readable only by Aura's user; return the number of entries."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        if form == ZIP:
            return export_formats.write_zip(file, covered, config, now, seen)
        if form == CSV:
            return export_formats.write_csv(file, covered, seen)
        return export_formats.write_jsonl(file, covered, seen)


def get_download(
    export_id: int, *, by: Actor, config: Config, now: datetime
) -> tuple[AuditLogExport, Path]:
    """Return a finished export and its file, and record the download.

    Raises: Forbidden, or NotFound.
    """
    with permissions.user_transaction(by, "export") as (_, by):
        log_export = AuditLogExport.get_or_none(AuditLogExport.id == export_id)
        if (
            log_export is None
            or log_export.state != DONE
            or not export_path(log_export, config).is_file()
        ):
            raise NotFound("This export does not exist or was deleted. Create it again.")
        covered = _covered(log_export)
        permissions.require(by, _verb(covered))
        if _within(covered, by) != covered:
            raise NotFound("This export does not exist or was deleted. Create it again.")
        event = ExportDownloaded(
            site_id=log_export.scope_site_id,
            client_id=log_export.client_id,
            export_id=log_export.id,
            form=log_export.form,
            includes_private=log_export.includes_private,
            digest=log_export.digest,
        )
        audit.record(event, by, now=now)
    return log_export, export_path(log_export, config)


def export_path(log_export: AuditLogExport, config: Config) -> Path:
    """Return the path of the file of an export, whether it exists or not."""
    return config.var_dir / _FOLDER / f"{log_export.id}.{log_export.form}"


def queue_due_exports(config: Config, now: datetime) -> int:
    """Delete exports after a day, fail lost ones and queue waiting ones; return the number."""
    lost = AuditLogExport.stuck(now - LOST_AFTER)
    for log_export in lost:
        log_export.move(to=FAILED, when=(RUNNING,), ended_at=now)
    waiting = AuditLogExport.waiting_since(now - LOST_AFTER)
    queue.enqueue_rows("export_audit_log", waiting)
    old = AuditLogExport.done_before(now - KEPT_FOR)
    for log_export in [*old, *lost]:
        export_path(log_export, config).unlink(missing_ok=True)
        log_export.move(to=GONE, when=(DONE,))
    return len(lost) + len(waiting) + len(old)


def _covered(log_export: AuditLogExport) -> ExportScope:
    return ExportScope(
        log_export.scope,
        client=log_export.client_id,
        site=log_export.scope_site_id,
        since=log_export.since,
        until=log_export.until,
        private=log_export.includes_private,
    )


def _exported(covered: ExportScope, form: str, entries: int, digest: str) -> AuditLogExported:
    return AuditLogExported(
        site_id=covered.site,
        client_id=covered.client,
        scope=covered.of,
        form=form,
        includes_private=covered.private,
        entries=entries,
        digest=digest,
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
