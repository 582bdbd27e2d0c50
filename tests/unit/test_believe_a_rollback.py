"""A reported rollback counts only if the site reports the old version."""

from __future__ import annotations

import pytest

from app.domain.changes import outcomes
from app.domain.changes.change_plan import PlannedUpdate
from app.models.changes import ROLLED_BACK, UNKNOWN
from tests.support.fakes import at

ITEM = PlannedUpdate("plugin", "contact-desk/contact-desk.php", "2.3.1", "2.4.0")
NOW = at("2026-11-28 10:00")


def outcome_with(version: str) -> outcomes.Outcome:
    state = {"version": version, "active": True, "probe": "ok"}
    evidence = {"before": {**state, "version": "2.3.1"}, "after": state}
    answer = {"outcome": ROLLED_BACK, "reason": "fatal_after", "evidence": evidence}
    return outcomes.from_answer(answer, ITEM, NOW)


def test_a_rollback_with_the_old_version_is_confirmed() -> None:
    assert outcome_with("2.3.1").state == ROLLED_BACK


@pytest.mark.parametrize("version", ["2.4.0", "", "2.3"])
def test_a_rollback_with_another_version_is_unknown(version: str) -> None:
    assert (outcome_with(version).state, outcome_with(version).reason) == (
        UNKNOWN,
        outcomes.NO_EVIDENCE,
    )
