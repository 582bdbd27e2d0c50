"""Verify rows of the call log against their summaries in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import audit_log_exports as made
from tests.support.audit_log_exports import Made, Row
from tests.support.exports_with_calls import FIRST, SECOND, an_excerpt, an_export, rows_of
from tests.support.running_verifier import judge, verify


def judged(export: Made, folder: Path) -> list[str]:
    return judge(export.files(), folder)


def change_value(place: int, value: object) -> Callable[[list[Row]], None]:
    def change(calls: list[Row]) -> None:
        calls[1]["row"][place] = value

    return change


CHANGES: dict[str, Callable[[list[Row]], object]] = {
    "number": change_value(0, 5),
    "time": change_value(1, "2026-11-24T10:00:09+00:00"),
    "site": change_value(2, 9),
    "operation": change_value(3, "ping"),
    "nonce": change_value(4, "other"),
    "duration": change_value(5, None),
    "outcome": change_value(6, "dns"),
    "entry": change_value(7, 3),
    "type": change_value(0, "2"),
    "one value more": lambda calls: calls[1]["row"].append(1),
    "one field more": lambda calls: calls[1].update(more=1),
    "dropped": lambda calls: calls.pop(1),
    "last dropped": lambda calls: calls.pop(),
    "all dropped": lambda calls: calls.clear(),
    "repeated": lambda calls: calls.insert(1, calls[1]),
    "swapped": lambda calls: calls.insert(0, calls.pop(1)),
    "one added": lambda calls: calls.append({"row": made.call_row(9)}),
}


def test_every_call_fits_its_summary(tmp_path: Path) -> None:
    assert judged(an_export(), tmp_path) == []
    path = made.write_zip(an_export().files(), tmp_path / "export.zip")
    assert "The call log has 7 calls, and the audit log counts 7." in verify(path).output


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_change_of_a_call_is_found(
    change: Callable[[list[Row]], object], tmp_path: Path
) -> None:
    export = an_export()
    change(export.calls)
    (why, *_) = judged(export, tmp_path)
    assert why.startswith("the call log: ")


EXCERPT_CHANGES: dict[str, Callable[[list[Row]], object]] = {
    "value": change_value(6, "dns"),
    "place": lambda calls: calls[1].update(place=0),
    "impossible place": lambda calls: calls[1].update(place=4),
    "negative place": lambda calls: calls[1].update(place=-1),
    "no path": lambda calls: calls[1].update(path=[]),
    "path of another": lambda calls: calls[1].update(path=calls[0]["path"]),
    "call of no summary": change_value(0, 9),
    "repeated": lambda calls: calls.insert(1, calls[1]),
}


def test_a_call_of_an_excerpt_has_a_path(tmp_path: Path) -> None:
    assert len(an_excerpt().calls) == 3
    assert judged(an_excerpt(), tmp_path) == []


@pytest.mark.parametrize("change", EXCERPT_CHANGES.values(), ids=EXCERPT_CHANGES)
def test_any_change_of_a_call_in_an_excerpt_is_found(
    change: Callable[[list[Row]], object], tmp_path: Path
) -> None:
    export = an_excerpt()
    change(export.calls)
    (why, *_) = judged(export, tmp_path)
    assert why.startswith("the call log: ")


def test_deleted_old_calls_are_counted_and_not_missing(tmp_path: Path) -> None:
    export = an_export(kept_from=5)
    export.calls = export.calls[len(FIRST) :]
    path = made.write_zip(export.files(), tmp_path / "export.zip")
    verdict = verify(path)
    assert verdict.status == 0, verdict.output
    assert "The call log has 3 calls, and the audit log counts 7." in verdict.output


def test_a_gap_between_summaries_is_found(tmp_path: Path) -> None:
    entries = [
        made.summary(1, rows_of(FIRST), first=1, last=4),
        made.summary(2, rows_of(SECOND), first=6, last=8),
    ]
    export = Made(made.chained(entries))
    assert "does not continue the summary before it" in judged(export, tmp_path)[0]
