"""What a person is asked about pages after an update, and what they answer.

Nothing that must be on a page is gone, or the update would have been reverted. But a page differs,
or Aura cannot tell, and no program should round that to "it works".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from app import queue
from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import ChangePagesJudged
from app.domain.changes import waves
from app.domain.errors import StaleState
from app.domain.page_checks.comparison import CANNOT_TELL, DIFFERENT, SAME, Verdict
from app.domain.text import check_reason
from app.models.base import Transaction
from app.models.changes import Change
from app.models.site_pages import LOOKS_RIGHT, RESTORED, ChangePages

# As many pages are named in a list as sites in a digest. A path may be 500 characters long.
_NAMED = 3
_MOST_PATH_CHARS = 80


def question_about(verdicts: Mapping[str, Verdict]) -> dict[str, object]:
    """Return the columns of ChangePages that say what a person is asked about these pages.

    Nothing is asked about a page that is the same. A page without something that must be there is
    a failed update, which needs checking anyway.
    """
    answers = {path: verdict.answer for path, verdict in verdicts.items()}
    is_broken = any(verdict.must_go_back for verdict in verdicts.values())
    worst = DIFFERENT if DIFFERENT in answers.values() else CANNOT_TELL
    paths = [path for path, answer in answers.items() if answer == worst]
    if is_broken or not paths:
        return {"asks": False, "asks_because": "", "asked_paths": ""}
    return {"asks": True, "asks_because": worst, "asked_paths": _in_words(paths)}


def _in_words(paths: list[str]) -> str:
    more = len(paths) - _NAMED
    named = ", ".join(path[:_MOST_PATH_CHARS] for path in paths[:_NAMED])
    return f"{named} and {more} more" if more > 0 else named


def answer_looks_right(change: Change, *, by: Actor, note: str, now: datetime) -> None:
    """Record that a person looked at the pages and found them right.

    A rollout that waits for this answer may go on. Raises Forbidden, Invalid for a note that is too
    long, or StaleState if nothing is asked any more.
    """
    check_reason(note, "pages_note")
    with permissions.user_transaction(by, "approve", change.site) as (tx, by):
        row = ChangePages.of(change.id)
        person = {"by": by.name[:120], "note": note.strip()}
        if row is None or not row.judge(LOOKS_RIGHT, now, **person):
            raise StaleState("These pages are already marked as checked.")
        paths = [one["path"] for one in row.results if one["answer"] != SAME]
        audit.record(ChangePagesJudged.of(change, paths=paths, note=note.strip()), by, now=now)
        _go_on(change, tx)


def close_restored(site_id: int, kind: str, ident: str, version: str, now: datetime) -> None:
    """Close the questions about updates to this version: the site has the one of before again.

    That is also said of the last of these updates if nothing was asked about it, because other
    sites wait for what it proves. In the caller's transaction, which records that it was restored.
    """
    for row in ChangePages.asking_about(site_id, kind, ident, version):
        row.judge(RESTORED, now)
    ChangePages.record_restored(site_id, kind, ident, version, now)


def _go_on(change: Change, tx: Transaction) -> None:
    rollout_id = waves.rollout_of(change)
    if rollout_id is not None:
        tx.after_commit(queue.enqueue, "advance_rollout", rollout_id)
