"""Execute a connection test and store its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from app import queue
from app.config import Config
from app.domain import audit, permissions
from app.domain.actor import SYSTEM, Actor
from app.domain.audit.events import DiagnosticsCompleted, DiagnosticsRequested
from app.domain.connection import calls, health
from app.domain.connection.calls import KEYS_UNREADABLE, Call, CallResult
from app.domain.diagnostics import results
from app.domain.diagnostics.anonymous_probe import LookCall
from app.domain.diagnostics.examine import examine
from app.domain.diagnostics.results import BLOCKED, Check, Diagnosis
from app.domain.errors import Conflict
from app.domain.sites.urls import normalize_url
from app.http import site_client
from app.http.errors import ErrorCode
from app.http.site_client import Channel
from app.keys import SealBroken
from app.models.base import transaction, utcnow
from app.models.diagnostics import ABANDONED, DIAGNOSING, DONE, OPEN, DiagnosticRun
from app.models.queued_row import QUEUED
from app.models.sites import MAY_CALL, NEW, PAIRING, Site

# Nothing is sent after a connection has ended, not even a test.
MAY_DIAGNOSE = (NEW, PAIRING, *MAY_CALL)

# How often a failing site is tested again. A site that fails now and then is tested each
# time that it starts to fail.
AGAIN_AFTER = timedelta(hours=6)
NOT_TWICE_WITHIN = timedelta(minutes=15)
# A test takes at most 90 seconds.
STUCK_AFTER = timedelta(minutes=5)
LOST_AFTER = timedelta(minutes=5)
KEPT_FOR = timedelta(days=30)

# The call arrived or was not sent, so there is nothing to find on the way.
_NOT_ON_THE_WAY = frozenset({ErrorCode.report_invalid, ErrorCode.disconnected, "keys_unreadable"})


class _Ended(Exception):
    """The connection ended during the test."""


def request_diagnostics(site: Site, *, by: Actor, now: datetime) -> DiagnosticRun:
    """Queue a connection test, or return the queued or running one.

    Raises: Forbidden, or Conflict if the connection has ended.
    """
    permissions.require(by, "sync")
    return _request(site, by, now)


def record_failed_call(
    site: Site, error_code: str, evidence: dict[str, str | int], by: Actor, now: datetime
) -> bool:
    """Record a failed call, and request a connection test when a site begins to fail.

    Runs inside the caller's transaction. While the site keeps failing, connection tests are
    repeated now and then. Return False, and record nothing, if the connection has ended meanwhile.
    """
    won = health.record_failure(site, error_code, evidence, by, now)
    if won and error_code not in _NOT_ON_THE_WAY and site.state in MAY_DIAGNOSE:
        quiet = NOT_TWICE_WITHIN if site.consecutive_failures == 1 else AGAIN_AFTER
        latest = DiagnosticRun.latest_for(site)
        if latest is None or latest.requested_at <= now - quiet:
            _request(site, SYSTEM, now)
    return won


def recover_diagnostics(now: datetime) -> int:
    """Fail tests whose worker died and queue lost ones; return the number.

    Old results are deleted, because the audit log records them.
    """
    stuck = DiagnosticRun.stuck(now - STUCK_AFTER)
    for diagnostic_run in stuck:
        diagnostic_run.move(to=ABANDONED, when=(DIAGNOSING,), ended_at=now)
    DiagnosticRun.forget_ended(now - KEPT_FOR)
    lost = DiagnosticRun.waiting_since(now - LOST_AFTER)
    return len(stuck) + queue.enqueue_rows("run_diagnostics_on_site", lost)


def _request(site: Site, by: Actor, now: datetime) -> DiagnosticRun:
    with transaction() as tx:
        by = permissions.recheck(by, "sync", site)
        site.refresh()
        if site.state not in MAY_DIAGNOSE or site.forgotten_at:
            raise Conflict("The connection has ended, so the site can no longer be tested.")
        waiting = DiagnosticRun.open_for(site)
        if waiting is not None:
            return waiting
        diagnostic_run = DiagnosticRun.ask(site, requested_by=by.name, now=now)
        event = DiagnosticsRequested(site_id=site.id, diagnostic_run_id=diagnostic_run.id)
        audit.record(event, by, now=now)
        tx.after_commit(queue.enqueue, "run_diagnostics_on_site", diagnostic_run.id)
        return diagnostic_run


def run_diagnostics(
    diagnostic_run_id: int,
    *,
    config: Config,
    call: Call = site_client.call,
    look: LookCall = site_client.probe,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Run and store a test; return its state. Safe to run twice.

    It does not change the data of the site: only a sync does. After the connection has ended, no
    further request is sent.
    """
    diagnostic_run = DiagnosticRun.get_or_none(DiagnosticRun.id == diagnostic_run_id)
    if diagnostic_run is None:
        return "gone"
    if not diagnostic_run.move(to=DIAGNOSING, when=(QUEUED,), started_at=now()):
        return diagnostic_run.state
    site, by = diagnostic_run.site, diagnostic_run.requested_by
    try:
        diagnosis, outcomes = _diagnose(site, by, config, call, look, now)
    except _Ended:
        diagnostic_run.move(to=ABANDONED, when=OPEN, ended_at=now())
        return diagnostic_run.state
    with transaction():
        if diagnostic_run.move(
            to=DONE,
            when=(DIAGNOSING,),
            ended_at=now(),
            is_paired=diagnosis.is_paired,
            verdict=diagnosis.verdict,
            blocker=_blocker(diagnosis),
            requests=diagnosis.requests,
            checks=results.as_rows(diagnosis.checks),
        ):
            _record(site, diagnosis, outcomes, now())
    return diagnostic_run.state


def diagnose_address(
    text: str,
    *,
    config: Config,
    call: Call = site_client.call,
    look: LookCall = site_client.probe,
    now: Callable[[], datetime] = utcnow,
) -> Diagnosis:
    """Test the connection to an address at once, for the command line.

    A site in Aura is tested with its keys, and the audit log records it; other addresses are tested
    anonymously.

    Raises: Invalid for an invalid address.
    """
    url = normalize_url(text)
    site = Site.get_or_none(Site.url == url, Site.forgotten_at.is_null())
    if site is None or site.state not in MAY_DIAGNOSE:
        return examine(url, by=SYSTEM.name, config=config, look=look, now=now)[0]
    diagnosis, outcomes = _diagnose(site, SYSTEM.name, config, call, look, now)
    with transaction():
        _record(site, diagnosis, outcomes, now())
    return diagnosis


def found_by(diagnostic_run: DiagnosticRun) -> Diagnosis:
    """Return the diagnosis of a stored connection test."""
    return Diagnosis(
        url=diagnostic_run.site.url,
        at=diagnostic_run.ended_at or diagnostic_run.requested_at,
        is_paired=diagnostic_run.is_paired,
        checks=results.from_rows(diagnostic_run.checks),
        requests=diagnostic_run.requests,
    )


def _diagnose(
    site: Site, by: str, config: Config, call: Call, look: LookCall, now: Callable[[], datetime]
) -> tuple[Diagnosis, list[CallResult]]:
    login, channel, unreadable = _keys(site, config)
    diagnosis, outcomes = examine(
        site.url,
        channel=channel,
        server_login=login,
        by=by,
        config=config,
        call=_while_connected(site, call),
        look=_while_connected(site, look),
        now=now,
    )
    return (_without_keys(diagnosis, unreadable) if unreadable else diagnosis), outcomes


def _keys(site: Site, config: Config) -> tuple[str, Channel | None, str]:
    """Return the web server's password and, for a paired site, its signed channel.

    Or return why the stored keys do not open.
    """
    try:
        login = calls.server_login(site, config)
        return login, calls.channel_to(site, config) if site.is_paired else None, ""
    except SealBroken as broken:
        return "", None, str(broken)


def _while_connected(site: Site, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `fn` so that it stops when the connection has ended."""

    def only_while_connected(*args: Any, **kwargs: Any) -> Any:
        site.refresh()
        if site.state not in MAY_DIAGNOSE:
            raise _Ended
        return fn(*args, **kwargs)

    return only_while_connected


def _without_keys(diagnosis: Diagnosis, why: str) -> Diagnosis:
    """Return the diagnosis of a site whose keys or server password do not open here."""
    echo = Check("echo", BLOCKED, KEYS_UNREADABLE, {"why": why[:300]})
    (report,) = results.skipped(["report"], "echo")
    instead = {"echo": echo, "report": report}
    checks = tuple(instead.get(check.name, check) for check in diagnosis.checks)
    return replace(diagnosis, checks=checks)


def _record(site: Site, diagnosis: Diagnosis, outcomes: list[CallResult], now: datetime) -> None:
    """Store the signed calls, if any, and the diagnosis, inside the transaction."""
    for outcome in outcomes:
        calls.record(outcome, site.id, now=now)
    event = DiagnosticsCompleted(
        site_id=site.id,
        verdict=diagnosis.verdict,
        blocker=_blocker(diagnosis),
        requests=diagnosis.requests,
    )
    audit.record(event, SYSTEM, now=now)


def _blocker(diagnosis: Diagnosis) -> str:
    return diagnosis.blocker.finding if diagnosis.blocker is not None else ""
