"""One export of each shape."""

from __future__ import annotations

import pytest

from tests.support.audit_log_exports import Files, small
from tests.support.verified_exports import SHAPES


@pytest.fixture(scope="module")
def exports() -> list[Files]:
    return [small(covers=covers).files() for covers in SHAPES]
