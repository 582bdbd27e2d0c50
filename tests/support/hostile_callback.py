"""A function that a hostile job names as its callback; it leaves a file where it was run."""

from __future__ import annotations

import os
from pathlib import Path

TRACE = "AURA_TEST_CALLBACK_TRACE"


def leave_trace(*_: object) -> None:
    Path(os.environ[TRACE]).touch()
