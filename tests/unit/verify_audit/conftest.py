"""Fixtures: one export of each shape."""

from __future__ import annotations

import pytest

from tests.support.audit_log_exports import Files, small
from tests.support.exports_with_calls import an_excerpt, an_export
from tests.support.verified_exports import SHAPES


@pytest.fixture(scope="module")
def exports() -> list[Files]:
    shapes = [small(covers=covers).files() for covers in SHAPES]
    return [*shapes, an_export().files(), an_excerpt().files()]
