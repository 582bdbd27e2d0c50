"""The migration of open questions keeps what was asked, answered and compared before."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from app.domain.actor import Actor
from app.domain.page_checks.comparison import CANNOT_TELL, DIFFERENT, SAME
from app.models.base import db
from app.models.changes import Change
from app.models.release_comparisons import DONE, WAITING, ReleaseComparison
from app.models.site_pages import LOOKS_RIGHT, ChangePages
from app.models.sites import Site
from tests.support.factories import propose
from tests.support.fakes import Clock, RecordingQueue

pytestmark = pytest.mark.both_databases

MIGRATION: Any = importlib.import_module("app.models.migrations.0025_open_questions")


@pytest.fixture
def change(ready: Site, ben: Actor, clock: Clock, jobs: RecordingQueue) -> Change:
    return propose(ready, ben, clock())


def migrated_pages(change: Change, answers: list[str], **columns: Any) -> ChangePages:
    """Store pages of an update as before the upgrade, and then upgrade them."""
    results = [{"path": f"/{number}/", "answer": answer} for number, answer in enumerate(answers)]
    ChangePages.insert(change=change, results=results, **columns).execute()
    MIGRATION.fill_new_columns(db.obj)
    row = ChangePages.of(change.id)
    assert row is not None
    return row


def test_an_open_question_names_its_pages(change: Change) -> None:
    row = migrated_pages(change, [SAME, *[DIFFERENT] * 4, CANNOT_TELL], asks=True)
    assert (row.asks, row.asks_because) == (True, DIFFERENT)
    assert row.asked_paths == "/1/, /2/, /3/ and 1 more"


def test_pages_that_a_person_checked_look_right(change: Change, clock: Clock) -> None:
    row = migrated_pages(change, [DIFFERENT], judged_by="Ana", judged_at=clock())
    assert (row.asks, row.answer, row.asked_paths) == (False, LOOKS_RIGHT, "")


def test_pages_without_a_question_get_none(change: Change) -> None:
    row = migrated_pages(change, [SAME, CANNOT_TELL])
    assert (row.asks, row.answer) == (False, "")


@pytest.mark.parametrize(
    ("state", "findings", "warnings"),
    [
        (WAITING, {}, ""),
        (DONE, {"odd": {}}, ""),
        (DONE, {"odd": {"dotfile": {}}}, ""),
        (DONE, {"odd": {"odd_name": {}, "core_name": {}, "archive": {}}}, "core_name,odd_name"),
    ],
)
def test_a_comparison_gets_its_warnings(
    database: object, clock: Clock, state: str, findings: dict[str, Any], warnings: str
) -> None:
    row = ReleaseComparison.insert_one(
        kind="plugin",
        ident="a/a.php",
        from_version="1",
        to_version="2",
        to_sha256="a" * 64,
        requested_at=clock(),
        state=state,
        findings=findings,
    )
    MIGRATION.fill_new_columns(db.obj)
    row.refresh()
    assert row.warnings == warnings
