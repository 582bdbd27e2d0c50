"""Request site reports, and store the valid ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from app import queue
from app.config import Config
from app.domain import audit, permissions
from app.domain.actor import SCHEDULE, SYSTEM, Actor
from app.domain.audit.events import ReportReceived, ReportRefused, SyncFailed, SyncRequested
from app.domain.connection import calls, health, quarantine
from app.domain.connection.calls import Call, CallResult
from app.domain.diagnostics import runs
from app.domain.errors import NotPaired
from app.domain.integrity import file_checks
from app.domain.inventory import received_report
from app.domain.inventory.available_updates import store_available_updates
from app.domain.inventory.checks import MOST_BETWEEN_ATTEMPTS, count_check
from app.domain.inventory.received_report import AcceptedReport
from app.domain.inventory.report_schema import ReportInvalid
from app.http import site_client
from app.http.site_client import ErrorCode
from app.keys import SealBroken
from app.models.base import transaction, utcnow
from app.models.call_log import SiteCall
from app.models.queued_row import QUEUED
from app.models.reports import ASKING, DONE, FAILED, OPEN, READING, RUNNING, Component, Report, Sync
from app.models.site_log import SiteLog
from app.models.sites import MAY_CALL, UNREACHABLE_AFTER, Site
from app.retry import backoff, spread

# After this time the worker of a running sync is dead, and the job of a queued one is lost.
STUCK_AFTER = timedelta(minutes=5)
LOST_AFTER = timedelta(minutes=5)
# A sync that has not ended by then may be what ends its workers.
GIVE_UP_AFTER = timedelta(minutes=30)
KEPT_FOR = timedelta(days=7)
# How many syncs one job runs.
SITES_AT_ONCE = 250
# How many syncs are sorted by the servers of their sites at once.
_SORTED_AT_ONCE = 1000
# A site's log is read this often even if Aura knows what its new entries are about.
READ_LOG_EVERY = timedelta(days=1)
# A site that sends notices all day must not keep the workers busy or fill the audit log.
MOST_NOTICES_AN_HOUR = 12

_CONNECTION_ENDED = {"why": "the connection has ended"}


def request_sync(site: Site, *, by: Actor, now: datetime) -> Sync:
    """Queue a sync, or return the queued or running one.

    Raises: Forbidden, or NotPaired if the site is not connected.
    """
    permissions.require(by, "sync")
    return _request(site, by, now, _enqueue_alone)


def request_syncs(chosen: Iterable[Site], *, by: Actor, now: datetime) -> int:
    """Queue a sync of each connected site among these; return how many that are.

    Raises: Forbidden.
    """
    permissions.require(by, "sync")
    count, created = 0, list[int]()
    for site in chosen:
        try:
            _request(site, by, now, created.append)
        except NotPaired:
            continue
        count += 1
    enqueue_together(created)
    return count


def request_by_schedule(site: Site, now: datetime) -> None:
    """Queue a sync of a connected site now, unless one is open."""
    with transaction() as tx:
        site.refresh()
        if site.is_paired and Sync.open_for(site) is None:
            sync = Sync.ask(site, requested_by=SCHEDULE.name, now=now)
            tx.after_commit(_enqueue_alone, sync.id)


def _request(site: Site, by: Actor, now: datetime, enqueue: Callable[[int], object]) -> Sync:
    """Return the open sync of a site, or a new one, which is enqueued once it is committed."""
    with transaction() as tx:
        by = permissions.recheck(by, "sync", site)
        site.refresh()
        if not site.is_paired:
            raise NotPaired("This site is not paired, so it cannot be synced.")
        waiting = Sync.open_for(site)
        if waiting is not None:
            return waiting
        sync = Sync.ask(site, requested_by=by.name, now=now)
        audit.record(SyncRequested(site_id=site.id, sync_id=sync.id), by, now=now)
        tx.after_commit(enqueue, sync.id)
        return sync


def read_progress(actor: Actor) -> tuple[int, int]:
    """Return how many of the present syncs have ended, and how many there are; 0 and 0 if none.

    Client users count only those of their sites.
    """
    return Sync.progress(permissions.visibility_of(actor))


def request_by_notice(site: Site, *, by: Actor, now: datetime) -> Sync | None:
    """Request a report because the site `by` notified Aura of new permissions.

    Return None if the site has exceeded its hourly limit; the schedule requests one anyway.
    """
    lately = Sync.select().where(
        Sync.site == site,
        Sync.requested_by == by.name[:120],
        Sync.requested_at > now - timedelta(hours=1),
    )
    if lately.count() >= MOST_NOTICES_AN_HOUR:
        return None
    return _request(site, by, now, _enqueue_alone)


def request_due(now: datetime, *, every_minutes: int) -> list[int]:
    """Queue a sync of each connected site whose last one is older; return the ids of the syncs.

    A site that fails waits longer, see `time_to_next_attempt`.

    One job gets many of them, because it asks their sites at the same time. A round takes no more
    than twice its share of all sites, so that they are not all due in the same minute.
    """
    is_recent = Sync.id > Sync.last_until(now - timedelta(minutes=every_minutes))
    not_due = Sync.select(Sync.site).where(is_recent | Sync.state.in_(OPEN))
    is_connected = Site.state.in_(MAY_CALL) & Site.forgotten_at.is_null()
    is_due = Site.next_sync_at.is_null() | (Site.next_sync_at <= now)
    with transaction() as tx:
        share = Site.select().where(is_connected).count() // max(every_minutes, 1)
        due = Site.select(Site.id).where(is_connected, is_due, Site.id.not_in(not_due))
        chosen = due.order_by(Site.id).limit(max(2 * share, SITES_AT_ONCE))
        sync_ids = Sync.ask_each(chosen, requested_by=SCHEDULE.name, now=now)
        tx.after_commit(enqueue_together, sync_ids)
    return sync_ids


def _enqueue_alone(sync_id: int) -> None:
    queue.enqueue("sync_site", sync_id)


def enqueue_together(sync_ids: Sequence[int]) -> int:
    """Enqueue these syncs, many in each job; return how many.

    Sites that share a server are in the same job, which asks only a few of them at once. Sites that
    failed are in jobs of their own, after the others, because waiting for them prolongs a job.
    """
    for first in range(0, len(sync_ids), _SORTED_AT_ONCE):
        some = sync_ids[first : first + _SORTED_AT_ONCE]
        servers, failing = Sync.servers(some), Sync.of_failing_sites(some)
        ordered = sorted(some, key=lambda sync_id: (servers.get(sync_id, ""), sync_id))
        for is_failing in (False, True):
            alike = [sync_id for sync_id in ordered if (sync_id in failing) == is_failing]
            for place in range(0, len(alike), SITES_AT_ONCE):
                queue.enqueue("sync_sites", *alike[place : place + SITES_AT_ONCE])
    return len(sync_ids)


def run_sync(
    sync_id: int,
    *,
    config: Config,
    call: Call = site_client.call,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Request the site's report, store it, and return the sync's state.

    Safe to run twice. A failed call changes only the connection's state. A site whose connection
    has ended meanwhile is not called.
    """
    sync = Sync.fetch_one(id=sync_id)
    if sync is None:
        return "gone"
    if not sync.move(to=ASKING, when=(QUEUED,), started_at=now()):
        return sync.state
    site = Site.get_by_id(sync.site_id)
    if not site.is_paired:
        return _end(sync, now(), evidence=_CONNECTION_ENDED)
    known = Report.digest_of(site.id)
    try:
        channel = calls.channel_to(site, config)
    except SealBroken as broken:
        return _fail(sync, site, calls.KEYS_UNREADABLE, {"why": str(broken)}, [], config, now())
    # A person gets what is true now. A site that knows the digest may answer from its memory.
    have = known if sync.requested_by == SCHEDULE.name else None
    question = {"have": have, **quarantine.known_head(site)}
    outcomes, channel = calls.call_with_fallback(
        site, channel, "report", question, by=sync.requested_by, config=config, call=call, now=now
    )
    outcome = calls.effective_result(outcomes)
    if outcome.reply is None:
        return _fail(sync, site, outcome.error_code, outcome.evidence, outcomes, config, now())
    for failed in outcomes[:-1]:
        with transaction():
            calls.record(failed, site.id, now=now())
    try:
        accepted = received_report.read_answer(outcome.reply.document, known)
    except ReportInvalid as refused:
        return _refuse(sync, site, refused, outcome, config, now())
    if accepted is not None:
        sync.move(to=READING, when=(ASKING,))
    return _store(sync, site, accepted, outcome, channel.endpoint, config, now())


def recover(config: Config, now: datetime) -> int:
    """Queue syncs again whose worker died or whose job was lost; return how many.

    Reading a report twice does no harm, and that a worker died says nothing about the site. A sync
    that is too old fails. Those that ended long ago are deleted, because the audit log records
    them.
    """
    failed = 0
    for sync in Sync.stuck(now - STUCK_AFTER):
        if sync.requested_at > now - GIVE_UP_AFTER:
            sync.move(to=QUEUED, when=RUNNING, started_at=None)
            continue
        why: dict[str, str | int] = {"why": "the worker ended midway"}
        _fail(sync, sync.site, ErrorCode.too_slow.value, why, [], config, now)
        failed += 1
    Sync.forget_ended(now - KEPT_FOR)
    return failed + enqueue_together(Sync.waiting_since(now - LOST_AFTER))


def _store(
    sync: Sync,
    site: Site,
    accepted: AcceptedReport | None,
    outcome: CallResult,
    endpoint: str,
    config: Config,
    now: datetime,
) -> str:
    """Store the site data, components, connection and entries in one transaction."""
    with transaction() as tx:
        calls.record(outcome, site.id, now=now)
        if not sync.move(to=DONE, when=RUNNING, ended_at=now, unchanged=accepted is None):
            return sync.state  # ended meanwhile; the next sync repeats it
        was_failing = site.next_sync_at is not None
        if not health.record_success(site, outcome, SYSTEM, now, endpoint=endpoint):
            sync.move(to=FAILED, when=(DONE,), unchanged=False, evidence=_CONNECTION_ENDED)
            return sync.state
        if accepted is None:
            Report.confirm(site.id, now)
            file_checks.confirm_check(site, outcome.document, now)
        else:
            _replace(site, accepted, now)
            file_checks.store_check(site, accepted.checked.document, outcome.document, now)
            count = store_available_updates(site, now)
            site.note(when=MAY_CALL, update_count=count, update_limits=accepted.limits)
            received = ReportReceived(
                site_id=site.id,
                digest=accepted.digest,
                components=len(accepted.components),
                available_updates=site.update_count,
                dropped_fields=accepted.checked.dropped,
            )
            audit.record(received, SYSTEM, now=now)
        every = config.sync_every_minutes
        count_check(site, outcome, now, every_minutes=every, was_failing=was_failing)
        if _has_unknown_entries(site, now):
            tx.after_commit(queue.enqueue, "read_log", site.id)
    return sync.state


def _has_unknown_entries(site: Site, now: datetime) -> bool:
    """Whether a site's log has to be read.

    Each answered call adds one entry. If the log has grown by more or less than that since it was
    last read, someone else used the keys, the site did something, or entries are missing.
    """
    read = SiteLog.fetch_one(site=site)
    if read is None or read.read_at is None or now - read.read_at >= READ_LOG_EVERY:
        return True
    return bool(site.log_n != read.n + SiteCall.count_after(site.id, read.n, read.read_at))


def _replace(site: Site, accepted: AcceptedReport, now: datetime) -> None:
    document = accepted.checked.document
    Component.delete().where(Component.site == site).execute()
    Report.delete().where(Report.site == site).execute()
    Report.create(
        site=site,
        digest=accepted.digest,
        taken_at=accepted.taken_at,
        received_at=now,
        wordpress=document["wordpress"]["version"][:64],
        php=document.get("php", {}).get("version", "")[:64],
        body=json.dumps(document, ensure_ascii=False, sort_keys=True),
    )
    Component.add_all(site, accepted.components)


def _refuse(
    sync: Sync,
    site: Site,
    refused: ReportInvalid,
    outcome: CallResult,
    config: Config,
    now: datetime,
) -> str:
    evidence: dict[str, str | int] = {"field": refused.path[:200], "why": refused.why[:300]}
    error_code = ErrorCode.report_invalid.value
    with transaction():
        site.refresh()
        if _is_news(site, error_code):
            event = ReportRefused(site_id=site.id, field=refused.path[:200], why=refused.why[:300])
            audit.record(event, SYSTEM, now=now)
        return _fail(sync, site, error_code, evidence, [outcome], config, now)


def _fail(
    sync: Sync,
    site: Site,
    error_code: str,
    evidence: dict[str, str | int],
    outcomes: Sequence[CallResult],
    config: Config,
    now: datetime,
) -> str:
    """End a sync with an error, in the caller's transaction if there is one.

    Only the first failure and those for another reason are audit entries; the call log has all
    calls. Without `outcomes`, no call was made or its result is lost.
    """
    with transaction():
        site.refresh()
        is_news, was_failing = _is_news(site, error_code), site.next_sync_at is not None
        for outcome in outcomes if is_news else ():
            calls.record(outcome, site.id, now=now)
        if not sync.move(
            to=FAILED, when=OPEN, ended_at=now, error_code=error_code, evidence=evidence
        ):
            return sync.state
        won = runs.record_failed_call(site, error_code, evidence, SYSTEM, now)
        if is_news:
            event = SyncFailed(site_id=site.id, sync_id=sync.id, error_code=error_code)
            audit.record(event, SYSTEM, now=now)
        every = config.sync_every_minutes
        if won and outcomes:
            site.note(when=MAY_CALL, next_sync_at=now + time_to_next_attempt(site, every))
        result = calls.effective_result(list(outcomes)) if outcomes else None
        count_check(site, result, now, every_minutes=every, was_failing=was_failing)
    return sync.state


def _is_news(site: Site, error_code: str) -> bool:
    """Whether a site begins to fail, or fails for another reason than before."""
    return site.consecutive_failures == 0 or site.error_code != error_code


def time_to_next_attempt(site: Site, every_minutes: int) -> timedelta:
    """Return how long the schedule waits after a failed sync.

    Until a site counts as unreachable, it is the usual interval. Then it doubles each time.
    """
    every = timedelta(minutes=every_minutes)
    doublings = site.consecutive_failures - UNREACHABLE_AFTER + 1
    if doublings <= 0:
        return every
    return spread(backoff(doublings, every, max(every, MOST_BETWEEN_ATTEMPTS)), site.id)


def _end(sync: Sync, now: datetime, *, evidence: dict[str, str]) -> str:
    """End a sync that needs no result, without an error of the site."""
    sync.move(to=FAILED, when=OPEN, ended_at=now, evidence=evidence)
    return sync.state
