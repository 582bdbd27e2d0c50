"""How `make test` runs: images beside the tests, failures of either, and the time of each part."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from tests.support.part_times import seconds_by_part
from tests.support.run_beside_images import run


def ends_with(status: int, *, says: str = "", after_s: float = 0) -> list[str]:
    program = f"import sys, time; time.sleep({after_s}); print({says!r}); sys.exit({status})"
    return [sys.executable, "-c", program]


@pytest.mark.parametrize(
    ("prepared", "tested", "status"), [(0, 0, 0), (0, 1, 1), (0, 5, 5), (3, 0, 1), (3, 2, 2)]
)
def test_a_run_succeeds_only_if_both_commands_succeed(
    prepared: int, tested: int, status: int
) -> None:
    assert run(ends_with(prepared), ends_with(tested)) == status


def test_the_reason_of_a_failed_preparation_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(ends_with(1, says="no route to host"), ends_with(0)) == 1
    assert "no route to host" in capsys.readouterr().err


def test_tests_that_fail_do_not_wait_for_images() -> None:
    waits_for_ever = [sys.executable, "-c", "import signal; signal.pause()"]
    assert run(waits_for_ever, ends_with(1)) == 1


def test_seconds_are_summed_by_folder() -> None:
    reports = [
        SimpleNamespace(nodeid="tests/web/test_a.py::test_x", duration=1.5),
        SimpleNamespace(nodeid="tests/web/test_b.py::test_y[sqlite]", duration=0.5),
        SimpleNamespace(nodeid="tests/test_c.py::test_z", duration=4.0),
        SimpleNamespace(nodeid="", duration=9.0),
        SimpleNamespace(message="a warning"),
    ]
    assert seconds_by_part(reports) == {"tests/web": 2.0, "tests": 4.0}
