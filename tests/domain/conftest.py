"""What tests of more than one file of this folder begin with."""

from __future__ import annotations

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.models.changes import Change
from app.models.sites import Site
from tests.support.factories import (
    check,
    propose,
)
from tests.support.fakes import Clock, FakeSite


@pytest.fixture
def proposed(ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock) -> Change:
    """Ben proposed an update, and the site could do it."""
    return check(propose(ready, ben, clock()), fake, config)
