"""The rigs, started once for all tests that stand before them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rigs.rigs import Rigs


@pytest.fixture(scope="session")
def rigs() -> Iterator[Rigs]:
    started = Rigs.start()
    yield started
    started.stop()
