"""The callback of a hostile job. It leaves a file if it runs."""

from __future__ import annotations

import os
from pathlib import Path

TRACE = "AURA_TEST_CALLBACK_TRACE"


def leave_trace(*_: object) -> None:
    Path(os.environ[TRACE]).touch()
