"""Carrying an examination out and writing down what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.audit.events import ConnectionExamined
from app.domain.connection import calls
from app.domain.connection.calls import KEYS_UNREADABLE, Call, CallResult
from app.domain.diagnostics import results
from app.domain.diagnostics.anonymous_probe import LookCall
from app.domain.diagnostics.examine import examine
from app.domain.diagnostics.results import BLOCKED, Check, Diagnosis
from app.domain.diagnostics.scheduling import MAY_EXAMINE
from app.domain.sites.urls import normalize_url
from app.http import site_client
from app.http.site_client import Channel
from app.keys import SealBroken
from app.models.base import transaction, utcnow
from app.models.diagnostics import ABANDONED, DONE, EXAMINING, OPEN, Examination
from app.models.queued_row import QUEUED
from app.models.sites import Site


class _Ended(Exception):
    """The connection was ended while it was being examined."""


def run_examination(
    examination_id: int,
    *,
    config: Config,
    call: Call = site_client.call,
    look: LookCall = site_client.probe,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Examine and store what was found; returns the examination's state.

    Safe to be delivered twice. Nothing known of the site changes: only its reports do
    that. Once the connection has ended, no further request leaves.
    """
    examination = Examination.get_or_none(Examination.id == examination_id)
    if examination is None:
        return "gone"
    if not examination.move(to=EXAMINING, when=(QUEUED,), started_at=now()):
        return examination.state
    site, by = examination.site, examination.asked_by
    try:
        diagnosis, outcomes = _examine(site, by, config, call, look, now)
    except _Ended:
        examination.move(to=ABANDONED, when=OPEN, ended_at=now())
        return examination.state
    with transaction():
        if examination.move(to=DONE, when=(EXAMINING,), ended_at=now(), **_columns(diagnosis)):
            _record(site, diagnosis, outcomes, now())
    return examination.state


def examine_address(
    text: str,
    *,
    config: Config,
    call: Call = site_client.call,
    look: LookCall = site_client.probe,
    now: Callable[[], datetime] = utcnow,
) -> Diagnosis:
    """Examine an address at once, for the operator at the terminal.

    A listed site is examined with its keys, which the audit log records. Any other address is
    examined with anonymous requests. Raises Invalid for an invalid address.
    """
    url = normalize_url(text)
    site = Site.get_or_none(Site.url == url, Site.forgotten_at.is_null())
    if site is None or site.state not in MAY_EXAMINE:
        return examine(url, by=SYSTEM.name, config=config, look=look, now=now)[0]
    diagnosis, outcomes = _examine(site, SYSTEM.name, config, call, look, now)
    with transaction():
        _record(site, diagnosis, outcomes, now())
    return diagnosis


def found_by(examination: Examination) -> Diagnosis:
    """Return the diagnosis of a stored examination."""
    return Diagnosis(
        url=examination.site.url,
        at=examination.ended_at or examination.asked_at,
        is_paired=examination.is_paired,
        checks=results.from_rows(examination.checks),
        requests=examination.requests,
    )


def _examine(
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
    """`fn`, but not for a site whose connection has ended meanwhile."""

    def only_while_connected(*args: Any, **kwargs: Any) -> Any:
        site.refresh()
        if site.state not in MAY_EXAMINE:
            raise _Ended
        return fn(*args, **kwargs)

    return only_while_connected


def _without_keys(diagnosis: Diagnosis, why: str) -> Diagnosis:
    """Return the diagnosis of a site whose keys or server password do not open here."""
    echo = Check("echo", BLOCKED, KEYS_UNREADABLE, {"why": why[:300]})
    (report,) = results.skipped(["report"], "echo")
    instead = {"echo": echo, "report": report}
    checks = tuple(instead.get(one.name, one) for one in diagnosis.checks)
    return replace(diagnosis, checks=checks)


def _columns(diagnosis: Diagnosis) -> dict[str, object]:
    return {
        "is_paired": diagnosis.is_paired,
        "verdict": diagnosis.verdict,
        "blocker": _blocker(diagnosis),
        "requests": diagnosis.requests,
        "checks": results.as_rows(diagnosis.checks),
    }


def _record(site: Site, diagnosis: Diagnosis, outcomes: list[CallResult], now: datetime) -> None:
    """Store the signed calls, if any, and the diagnosis, inside the transaction."""
    for outcome in outcomes:
        audit.record(outcome.as_event(site.id), SYSTEM, now=now)
    event = ConnectionExamined(
        site_id=site.id,
        verdict=diagnosis.verdict,
        blocker=_blocker(diagnosis),
        requests=diagnosis.requests,
    )
    audit.record(event, SYSTEM, now=now)


def _blocker(diagnosis: Diagnosis) -> str:
    return diagnosis.blocker.finding if diagnosis.blocker is not None else ""
