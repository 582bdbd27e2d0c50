"""Print how long each part of the tests took, where pytest is asked for `--durations`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest


def print_parts(reporter: pytest.TerminalReporter) -> None:
    """Print the seconds of each folder of tests, and of the files beside them."""
    if reporter.config.getoption("durations") is None:
        return
    reports = [report for group in reporter.stats.values() for report in group]
    reporter.section("seconds of each part, summed over workers")
    for part, seconds in seconds_by_part(reports).most_common():
        reporter.write_line(f"{seconds:8.1f} s  {part}")


def seconds_by_part(reports: Iterable[Any]) -> Counter[str]:
    """Return the seconds by part; what has no duration or belongs to no file is left out."""
    seconds: Counter[str] = Counter()
    for report in reports:
        duration = getattr(report, "duration", None)
        path = getattr(report, "nodeid", "").partition("::")[0]
        if duration is not None and path:
            folders = path.split("/")[:-1]
            seconds["/".join(folders[:2])] += duration
    return seconds
