"""`make release-figures` judges an update by pages and files, not by what the site reports."""

from __future__ import annotations

import pytest

from bench.release_kinds import KINDS, Kind
from bench.release_site import Run
from bench.releases import Judged, judge, summarised

SOUND = next(kind for kind in KINDS if kind.is_sound and not kind.is_killed)
KILLED = next(kind for kind in KINDS if kind.is_killed)
BROKEN = next(kind for kind in KINDS if not kind.is_sound and not kind.is_silent)
SILENT = next(kind for kind in KINDS if kind.is_silent)


def ran(outcome: str, disk: str, *broken: str, seconds: float = 1.0) -> Run:
    return Run(outcome, "None", seconds, disk, broken, errors_s=0.0, maintenance_s=0.0)


@pytest.mark.parametrize(
    ("kind", "run", "verdict"),
    [
        (SOUND, ran("succeeded", "new"), "succeeded"),
        (SOUND, ran("succeeded", "mixed"), "untrue"),
        (SOUND, ran("succeeded", "old"), "untrue"),
        (SOUND, ran("rolled_back", "old"), "false rollback"),
        (SOUND, ran("rolled_back", "new"), "untrue"),
        (SOUND, ran("failed", "old"), "refused"),
        (SOUND, ran("unknown", "mixed"), "unknown"),
        (KILLED, ran("rolled_back", "old"), "rolled back"),
        (BROKEN, ran("rolled_back", "old"), "rolled back"),
        (BROKEN, ran("rolled_back", "old", "front page"), "untrue"),
        (BROKEN, ran("refused", "old"), "refused"),
        (BROKEN, ran("succeeded", "new", "post"), "false success"),
        (SILENT, ran("succeeded", "new", "order form"), "silent break"),
    ],
)
def test_a_verdict_follows_from_what_was_found(kind: Kind, run: Run, verdict: str) -> None:
    assert judge(kind, run) == verdict


def test_the_figures_count_every_update_once() -> None:
    runs = [ran("succeeded", "new", seconds=second) for second in (1.0, 2.0, 3.0)]
    found = [Judged(SOUND, "succeeded", run) for run in runs]
    found.append(Judged(SOUND, "false rollback", ran("rolled_back", "old")))
    summary = summarised(found)
    assert (summary["updates"], summary["succeeded"], summary["false rollback"]) == (4, 3, 1)
    assert summary["seconds until it was installed and proven"] == "2.00 (p95 2.90, longest 3.00)"
    assert summary["seconds until it was rolled back"] == "too few"


def test_the_release_kinds_add_up_to_a_hundred() -> None:
    assert sum(kind.times for kind in KINDS) == 100
    assert len({kind.name for kind in KINDS}) == len(KINDS)
