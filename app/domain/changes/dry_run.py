"""The pre-check: the site itself answers whether it could make the change, and with what.

Its answer is frozen into the document that a person approves (change_plan.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app import queue
from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.audit.events import ChangeChecked, ChangeEnded
from app.domain.changes import (
    change_plan,
    changelog,
    outcomes,
    package_refusals,
    packages,
    proposals,
    release_comparisons,
    rest_period,
)
from app.domain.changes.change_plan import Package, PlanContext, PlannedUpdate
from app.domain.connection import calls, health, quarantine
from app.domain.connection.calls import KEYS_UNREADABLE, Call, CallResult
from app.domain.diagnostics import runs
from app.http import site_client
from app.http.errors import ErrorCode
from app.keys import SealBroken
from app.models.base import transaction, utcnow
from app.models.changes import CHECKING, PROPOSED, REFUSED, Change
from app.models.reports import Report
from app.models.sites import Site
from app.retry import backoff

_NAME = "change.check"
# Longer than the slowest attempt: one call at four addresses.
LEASE = timedelta(seconds=100)
FIRST_RETRY = timedelta(seconds=10)
LONGEST_RETRY = timedelta(minutes=10)
# After this time without an answer, the proposal expires.
ASKED_FOR = timedelta(hours=2)

_MAX_HOST_CHARS = 253 + 6
_MAX_REASONS = 20
_CLOCK_MARGIN = timedelta(seconds=change_plan.CLOCK_MARGIN_S)


@dataclass(frozen=True)
class _DryRunAnswer:
    """The parsed answer of a pre-check."""

    reasons: tuple[str, ...]
    package: Package | None
    facts: dict[str, Any]


def planned_update(change: Change) -> PlannedUpdate:
    """Return the update that a change carries out, with the package that its plan names."""
    item = change_plan.item_in(change.document.encode("utf-8")) if change.document else {}
    return PlannedUpdate(
        change.kind,
        change.ident,
        change.from_version,
        change.to_version,
        item.get("package_sha256"),
        item.get("tree_sha256"),
    )


def run_dry_run(
    change_id: int,
    *,
    config: Config,
    call: Call = site_client.call,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Ask the site, and put the change up for approval; return its state, or 'busy'.

    It only reads. Safe to run twice at once and again after a crash.
    """
    change = Change.get_or_none(Change.id == change_id)
    if change is None:
        return "gone"
    began = now()
    if not change.lease((CHECKING,), began, began + LEASE):
        return "busy" if change.state == CHECKING else change.state
    site = change.site
    if not site.is_paired or site.quarantine or site.key_id != change.kid:
        with transaction():
            proposals.cancel_in_transaction(change, "connection_changed", SYSTEM, now())
        return change.state
    try:
        channel = calls.channel_to(site, config)
    except SealBroken as broken:
        return _again(change, KEYS_UNREADABLE, {"why": str(broken)[:300]}, now())
    item = {**planned_update(change).as_item(), **packages.question_about(change)}
    question = {"item": item, **quarantine.known_head(site)}
    results, channel = calls.call_with_fallback(
        site, channel, _NAME, question, by=change.proposer, config=config, call=call, now=now
    )
    outcome = calls.effective_result(results)
    with transaction():
        for result in results:
            calls.record(result, site.id, now=now())
        if outcome.reply is None:
            return _no_answer(change, outcome, now())
        health.record_success(site, outcome, SYSTEM, now(), endpoint=channel.endpoint)
        skew = timedelta(seconds=outcome.reply.clock_offset_s)
        return _believe(change, site, outcome.reply.document, skew, now())


def _no_answer(change: Change, outcome: CallResult, now: datetime) -> str:
    """Record a dry run without an answer; a signed refusal of the operation is recorded as such."""
    if outcome.error_code == ErrorCode.identity_changed:
        runs.record_failed_call(change.site, outcome.error_code, outcome.evidence, SYSTEM, now)
    if outcome.error_code == ErrorCode.refused_by_site:
        code = outcomes.code_or_empty(outcome.evidence.get("code")) or "refused"
        return _refuse(change, (code,), {}, now)
    return _again(change, outcome.error_code, outcome.evidence, now)


def _believe(
    change: Change, site: Site, document: dict[str, Any], skew: timedelta, now: datetime
) -> str:
    """Freeze the site's answer; `skew` is how far its clock is ahead."""
    answer = _read(document)
    if answer.reasons:
        return _refuse(change, answer.reasons, answer.facts, now)
    if answer.package is None:
        return _again(change, ErrorCode.malformed_reply.value, {"why": "names no package"}, now)
    package = packages.with_own_hashes(change, answer.package)
    answer = replace(answer, package=package)
    refusal = packages.reason_against(change, package, now)
    if refusal:
        return _refuse(change, (refusal,), answer.facts, now)
    begins, ends = _window_there(change, skew)
    frame = PlanContext(change.op_id, site.uuid, change.kid, site.home, begins, ends)
    dates = rest_period.age_of(change.kind, change.ident, change.to_version).dates
    frozen = change_plan.document_of(frame, planned_update(change), package, dates)
    digest = change_plan.digest_of(frozen)
    shown = {"checked_at": now, "facts": answer.facts, "document": frozen.decode("utf-8")}
    done = {"next_attempt_at": None, "leased_until": None, "error_code": "", "attempts": 0}
    if change.move(PROPOSED, digest=digest, evidence={}, **shown, **done):
        audit.record(_checked(change, site, answer), SYSTEM, now=now)
        release_comparisons.request_for(change, now)
    return change.state


def _window_there(change: Change, skew: timedelta) -> tuple[datetime, datetime]:
    """Return the change's window by the site's clock, widened by a small tolerance.

    The site compares a plan with its own clock (docs/PROTOCOL.md 3.3). Aura sends nothing outside
    the window by its own clock.
    """
    begins = change.not_before + min(skew, timedelta()) - _CLOCK_MARGIN
    return begins, change.not_after + max(skew, timedelta()) + _CLOCK_MARGIN


def _checked(change: Change, site: Site, answer: _DryRunAnswer) -> ChangeChecked:
    """Return the event with the state that the site reported, so the log is self-contained."""
    reported: dict[str, str | bool] = {"version": change.from_version, **answer.facts}
    if answer.package is not None:
        reported |= {
            "wordpress": answer.package.wordpress,
            "php": answer.package.php,
            "package_host": answer.package.host,
            "package_sha256": answer.package.sha256 or "",
            "tree_sha256": answer.package.tree_sha256 or "",
        }
    report = Report.of(site)
    return ChangeChecked.of(
        change,
        digest=change.digest,
        home=site.home,
        reported=reported,
        report=report.digest if report else "",
    )


def _read(document: dict[str, Any]) -> _DryRunAnswer:
    """Parse the answer; only a plain `true` without any reason against it counts as a yes."""
    listed = document.get("reasons")
    texts = (
        [outcomes.code_or_empty(reason) for reason in listed] if isinstance(listed, list) else []
    )
    reasons = tuple(code or "unnamed" for code in texts[:_MAX_REASONS])
    if document.get("eligible") is not True and not reasons:
        reasons = ("unnamed",)
    facts = document.get("facts")
    sent = facts if isinstance(facts, dict) else {}
    kept = {name: sent[name] for name in ("active", "approval_on_site", "rollback") if name in sent}
    kept = {name: value for name, value in kept.items() if type(value) is bool}
    text = changelog.read(sent.get("changelog"))
    return _DryRunAnswer(reasons, _package(sent), {**kept, "changelog": text} if text else kept)


def _package(sent: dict[str, Any]) -> Package | None:
    host, wordpress, php = sent.get("package_host"), sent.get("wp"), sent.get("php")
    texts = (host, wordpress, php)
    if not all(isinstance(text, str) and 0 < len(text) <= _MAX_HOST_CHARS for text in texts):
        return None
    return Package(
        str(host),
        packages.hash_or_none(sent.get("package_sha256")),
        str(wordpress),
        str(php),
        packages.hash_or_none(sent.get("tree_sha256")),
        path if isinstance(path := sent.get("package_path"), str) else "",
    )


def _refuse(change: Change, reasons: tuple[str, ...], facts: dict[str, Any], now: datetime) -> str:
    with transaction():
        evidence = {"reasons": list(reasons)}
        ended = {"ended_at": now, "checked_at": now, "next_attempt_at": None, "facts": facts}
        if change.move(REFUSED, outcome_reason=reasons[0], evidence=evidence, **ended):
            event = ChangeEnded.of(
                change,
                outcome=REFUSED,
                reason=reasons[0],
                how="dry_run",
                evidence={"reasons": ", ".join(reasons)},
                evidence_digest=outcomes.digest_of(evidence),
            )
            audit.record(event, SYSTEM, now=now)
            package_refusals.record_refusal(change, now)
    return change.state


def _again(change: Change, error_code: str, evidence: dict[str, Any], now: datetime) -> str:
    """Record the attempt and try again later; a silent site lets the proposal expire."""
    if now - change.proposed_at >= ASKED_FOR:
        change.note(CHECKING, error_code=error_code, evidence=evidence)
        proposals.expire_change(change, now)
        return change.state
    delay = backoff(change.attempts, FIRST_RETRY, LONGEST_RETRY)
    with transaction() as tx:
        seen = {"error_code": error_code, "evidence": evidence}
        if change.note(CHECKING, next_attempt_at=now + delay, leased_until=None, **seen):
            tx.after_commit(
                queue.enqueue, "check_change", change.id, delay_s=int(delay.total_seconds())
            )
    return change.state
