"""Run one step of the job of a change, and read its effect on the site."""

from __future__ import annotations

from collections.abc import Callable

from app.models.changes import Change
from tests.support.fakes import FakeSite

Do = Callable[[Change], str]


def installs(fake: FakeSite, change: Change) -> int:
    return fake.changes.installs[change.op_id]
