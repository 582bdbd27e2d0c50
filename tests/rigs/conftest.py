"""Servers with WordPress behind them, started once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rigs.rigs import Rig, Rigs


@pytest.fixture(scope="session")
def rigs() -> Iterator[Rigs]:
    started = Rigs.start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def rig(rigs: Rigs) -> Iterator[Rig]:
    """Return the server that is called through a reverse proxy."""
    with rigs.at("proxy") as here:
        yield here
