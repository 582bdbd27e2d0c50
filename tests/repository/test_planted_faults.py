"""Each planted fault still fits the code, so that `make planted-faults` can plant it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.planted.faults import FAULTS, Fault

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_line_to_change_occurs_once_in_its_file(fault: Fault) -> None:
    assert (ROOT / fault.path).read_text("utf-8").count(fault.before) == 1
    assert fault.after != fault.before


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_tests_that_should_find_it_exist(fault: Fault) -> None:
    missing = [path for path in fault.tests.split() if not (ROOT / path).exists()]
    assert missing == []
