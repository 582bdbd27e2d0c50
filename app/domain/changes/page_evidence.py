"""Compare a site's pages before and after an update, and revert the update if one broke.

Only what a person said must be on a page, was there before and is gone in two looks afterwards
reverts an update. Everything else that differs asks a person. Aura has no remote control: the site
reverts the update itself, by `change.revert`, and only the one whose signed plan it is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app import queue
from app.config import Config
from app.domain.changes import outcomes, page_questions
from app.domain.changes.dry_run import planned_update
from app.domain.changes.outcomes import Outcome
from app.domain.changes.site_probe import LookCall
from app.domain.connection import calls, quarantine
from app.domain.connection.calls import Call, CallResult
from app.domain.page_checks import browser_looks, comparison, looks, screenshots, settings
from app.domain.page_checks.browser_looks import Browse, Seen
from app.domain.page_checks.comparison import Look, Requirements, Verdict
from app.domain.page_checks.looks import PageToCheck
from app.keys import SealBroken
from app.models.base import transaction
from app.models.changes import (
    FAILED,
    REFUSED,
    ROLLED_BACK,
    SUCCEEDED,
    UNKNOWN,
    WAITING,
    Change,
)
from app.models.site_pages import ChangePages, SitePage
from app.models.sites import Site

# Looks that are older show nothing about the update, and the site reverts nothing after an hour.
_TOO_OLD = timedelta(hours=1)
_REVERT_TIMEOUT_S = 70.0
# Looks, the request to revert and looks afterwards have to end within the job.
_NEEDED_S = 2 * looks.BUDGET_S + _REVERT_TIMEOUT_S
_MARGIN_S = 10.0
# Kinds whose former version the site keeps.
_REVERTIBLE = ("plugin", "theme")


@dataclass(frozen=True)
class RunContext:
    """Everything outside of the database that an attempt touches, and when its job began."""

    config: Config
    call: Call
    look: LookCall
    now: Callable[[], datetime]
    browse: Browse = browser_looks.browse
    began: float = field(default_factory=time.monotonic)

    @property
    def has_time_for_pages(self) -> bool:
        """Whether the job lasts long enough to look at pages and to revert the update."""
        return self._left_s > _NEEDED_S + self._browser_s

    @property
    def has_time_for_browser(self) -> bool:
        """Whether a browser can still look at the pages after looks without it."""
        return self._left_s > looks.BUDGET_S + self._browser_s

    @property
    def _left_s(self) -> float:
        return queue.JOB_TIMEOUT_S - _MARGIN_S - (time.monotonic() - self.began)

    @property
    def _browser_s(self) -> float:
        return browser_looks.BUDGET_S if self.config.chromium else 0.0


@dataclass(frozen=True)
class Judgment:
    """The outcome with what the pages show, and the call that reverted the update, if any.

    `columns` are what has to be stored in the row of the pages, if there is one.
    """

    outcome: Outcome
    revert: CallResult | None = None
    row: ChangePages | None = None
    columns: dict[str, Any] = field(default_factory=dict)

    def store(self) -> None:
        """Store what the pages show, in the transaction that stores the outcome.

        It forgets the looks before the update. If a worker died between the two, the update would
        pass for one that broke nothing.
        """
        if self.row is not None and self.columns:
            self.row.update_if(**self.columns)


def look_before(change: Change, context: RunContext) -> None:
    """Look twice at each page of the site and store that, before an update is sent."""
    pages = SitePage.of_site(change.site_id)
    if not pages:
        return
    wanted = {page.path: settings.requirements_of(page) for page in pages}
    found, seen = _look(change.site, wanted, context)
    _keep_pictures(change, screenshots.BEFORE, wanted, seen, context)
    before = [
        {
            "path": path,
            "required": asdict(required),
            "looks": [look.as_json() for look in found[path]],
        }
        for path, required in wanted.items()
    ]
    ChangePages.keep(change.id, before)


def judge_pages(change: Change, outcome: Outcome, context: RunContext) -> Judgment:
    """Compare the pages after an update that succeeded, and revert it if one broke.

    Returns an unknown outcome if that cannot be finished now; the caller asks the site again.
    """
    row = ChangePages.of(change.id)
    if row is None or not row.before or outcome.state in (UNKNOWN, WAITING):
        return Judgment(outcome)
    if outcome.state != SUCCEEDED:
        return Judgment(outcome, row=row, columns={"before": []})
    if row.results and _is_too_old(change, context):
        # They were broken when the site was asked to revert the update, and it has not done so.
        failed = Outcome(FAILED, outcomes.PAGE_BROKEN, outcome.evidence)
        return Judgment(failed, row=row, columns={"before": []})
    if not context.has_time_for_pages:
        return Judgment(Outcome(UNKNOWN, outcomes.PAGES_LATER, outcome.evidence))
    wanted = {page["path"]: Requirements(**page["required"]) for page in row.before}
    verdicts = _verdicts(change, row, wanted, context)
    broken = [path for path, verdict in verdicts.items() if verdict.must_go_back]
    if not broken:
        return Judgment(outcome, row=row, columns=results_of(row, verdicts))
    if change.kind not in _REVERTIBLE:
        failed = Outcome(FAILED, outcomes.PAGE_BROKEN, outcome.evidence)
        columns = results_of(row, verdicts, revert="not_revertible")
        return Judgment(failed, row=row, columns=columns)
    return _revert(change, row, verdicts, outcome, context)


def _verdicts(
    change: Change, row: ChangePages, wanted: dict[str, Requirements], context: RunContext
) -> dict[str, Verdict]:
    if _is_too_old(change, context):
        return {path: Verdict(comparison.CANNOT_TELL, "too_old") for path in wanted}
    before = {
        page["path"]: [Look.from_json(stored) for stored in page["looks"]] for page in row.before
    }
    known = {path: comparison.console_errors(looked) for path, looked in before.items()}
    after, seen = _look(change.site, wanted, context, known)
    _keep_pictures(change, screenshots.AFTER, wanted, seen, context)
    return {
        path: comparison.compare(before[path], after[path], required)
        for path, required in wanted.items()
    }


def _is_too_old(change: Change, context: RunContext) -> bool:
    return change.sent_at is None or context.now() - change.sent_at > _TOO_OLD


def _look(
    site: Site,
    wanted: dict[str, Requirements],
    context: RunContext,
    known: dict[str, list[str]] | None = None,
) -> tuple[dict[str, tuple[Look, Look]], dict[str, Seen]]:
    """Look at pages without and, where there is one, with a browser; return what both showed.

    `known` are the errors of the consoles before the update: another one is looked at again.
    """
    # First what must be without errors: there may not be time for all pages.
    ordered = sorted(wanted, key=lambda path: not wanted[path].no_console_error)
    pages = [PageToCheck(path, wanted[path]) for path in ordered]
    found = looks.look_twice(site, pages, config=context.config, probe=context.look)
    seen: dict[str, Seen] = {}
    if context.has_time_for_browser:
        seen = context.browse(site, browser_looks.wanted_pages(found, known), context.config)
    together = {
        path: browser_looks.with_consoles(looked, seen.get(path)) for path, looked in found.items()
    }
    return together, seen


def _keep_pictures(
    change: Change,
    moment: str,
    wanted: dict[str, Requirements],
    seen: dict[str, Seen],
    context: RunContext,
) -> None:
    pictures = {index: seen[path].pictures for index, path in enumerate(wanted) if path in seen}
    screenshots.keep(change.id, moment, pictures, context.config)


# ---- revert ----


def _revert(
    change: Change,
    row: ChangePages,
    verdicts: dict[str, Verdict],
    outcome: Outcome,
    context: RunContext,
) -> Judgment:
    """Have the site put the former version back, and return what it proves."""
    # The answer may be lost, and looks that are made much later would show nothing.
    row.update_if(results=results_of(row, verdicts)["results"])
    try:
        channel = calls.channel_to(change.site, context.config)
    except SealBroken:
        return Judgment(Outcome(UNKNOWN, outcomes.PAGE_BROKEN, outcome.evidence))
    question = {
        "op_id": change.op_id,
        "plan": change.plan,
        "sig": change.signature,
        **quarantine.known_head(change.site),
    }
    result = calls.call_site(
        channel,
        "change.revert",
        question,
        by=change.decided_by,
        config=context.config,
        call=context.call,
        now=context.now,
        patience_s=_REVERT_TIMEOUT_S,
    )
    with transaction():
        calls.record(result, change.site_id, now=context.now())
    answer = _answer(change, result, context.now())
    if answer.state in (ROLLED_BACK, FAILED):
        again, _ = _look(change.site, _broken(row, verdicts), context)
        columns = results_of(row, verdicts, revert=answer.state, again=again)
        return Judgment(answer, result, row, columns)
    if answer.state == REFUSED and answer.reason != outcomes.BUSY:
        failed = Outcome(FAILED, outcomes.PAGE_BROKEN, outcome.evidence)
        return Judgment(failed, result, row, results_of(row, verdicts, revert=answer.reason))
    return Judgment(Outcome(UNKNOWN, outcomes.PAGE_BROKEN, outcome.evidence), result)


def _answer(change: Change, result: CallResult, now: datetime) -> Outcome:
    """Return what the site answered to `change.revert`; unknown if nothing is proved."""
    if result.reply is not None:
        document = result.reply.document
        if document.get("outcome") == REFUSED:
            return Outcome(REFUSED, outcomes.code_or_empty(document.get("reason")) or "unnamed")
        site_time = result.reply.site_time(now)
        return outcomes.from_answer(document, planned_update(change), site_time)
    refusal = outcomes.from_error(result.error) if result.error else None
    if refusal is None or refusal.state != REFUSED or outcomes.is_about_time(refusal):
        return Outcome(UNKNOWN)
    return refusal


def _broken(row: ChangePages, verdicts: dict[str, Verdict]) -> dict[str, Requirements]:
    return {
        page["path"]: Requirements(**page["required"])
        for page in row.before
        if verdicts[page["path"]].must_go_back
    }


def results_of(
    row: ChangePages,
    verdicts: dict[str, Verdict],
    revert: str = "",
    again: dict[str, tuple[Look, Look]] | None = None,
) -> dict[str, Any]:
    """Return the columns of the answers; the looks before are empty, as nothing needs them then."""
    before = {
        page["path"]: [Look.from_json(stored) for stored in page["looks"]] for page in row.before
    }
    required = {page["path"]: Requirements(**page["required"]) for page in row.before}
    results = [{"path": path, **verdict.as_json()} for path, verdict in verdicts.items()]
    for result in results:
        if result["differences"] and revert and verdicts[result["path"]].must_go_back:
            result["revert"] = revert
        looked = (again or {}).get(result["path"])
        if looked:
            verdict = comparison.compare(before[result["path"]], looked, required[result["path"]])
            result["again"] = verdict.answer
    return {"before": [], "results": results, **page_questions.question_about(verdicts)}
