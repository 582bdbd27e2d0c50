"""How often an update's reported result is true: hundreds of updates on real WordPress.

    python -m bench.releases [machine [times]]

A dashboard's half of the protocol approves each release by its bytes, the site runs it, and a
visitor looks at the front page all the while. Afterwards the pages and every file are compared
with what the site answered. The table is printed and written to var/release-figures.json.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from bench.release_kinds import KINDS, Kind
from bench.release_site import Lab, Run, opened

WRITTEN = Path("var") / "release-figures.json"
# How many hundreds on each machine of tests/wordpress/images.py.
_HUNDREDS = {"newest": 2, "oldest": 1}
_SUCCEEDED, _ROLLED_BACK = "succeeded", "rolled back"
_VERDICTS = (
    _SUCCEEDED,
    _ROLLED_BACK,
    "refused",
    "false rollback",
    "false success",
    "silent break",
    "unknown",
    "untrue",
)


@dataclass(frozen=True)
class Judged:
    """One update, and how its answer compares with what was found."""

    kind: Kind
    verdict: str
    run: Run


def judge(kind: Kind, run: Run) -> str:
    """Return the verdict of one run.

    `untrue` is an answer that does not agree with the disk, or with pages that broke although
    the old version is back; it must never happen. `silent break` is a success of a release that
    breaks a page without any error: the site looks for errors and cannot see it.
    """
    if run.outcome == "succeeded":
        if run.disk != "new":
            return "untrue"
        if not run.broken_pages:
            return _SUCCEEDED
        return "silent break" if kind.is_silent else "false success"
    if run.outcome in ("rolled_back", "refused", "failed"):
        if run.disk != "old" or run.broken_pages:
            return "untrue"
        if run.outcome == "rolled_back":
            return "false rollback" if kind.is_sound and not kind.is_killed else _ROLLED_BACK
        return "refused"
    return "unknown"


def main() -> int:
    """Print what was found; fails if any answer was untrue."""
    counts_by_machine = {sys.argv[1]: 1} if len(sys.argv) > 1 else _HUNDREDS
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    found: list[Judged] = []
    for machine, hundreds in counts_by_machine.items():
        with opened(machine) as lab:
            print(f"WordPress {lab.version}, PHP {lab.php}", flush=True)
            _prove_kinds(lab)
            found += _releases(lab, hundreds, times)
    print(_table(found))
    summary = summarised(found)
    for name, value in summary.items():
        print(f"  {name:<44} {value}")
    WRITTEN.parent.mkdir(exist_ok=True)
    WRITTEN.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return 1 if summary["untrue"] else 0


def _prove_kinds(lab: Lab) -> None:
    """Install each kind with WordPress alone. Raises: RuntimeError if its declaration is wrong."""
    for kind in KINDS:
        broken = lab.by_wordpress_alone(kind)
        if kind.is_sound == bool(broken):
            raise RuntimeError(f"{kind.name}: these pages do not work: {broken or 'none'}")


def _releases(lab: Lab, hundreds: int, times: int) -> Iterator[Judged]:
    for turn in range(hundreds):
        for kind in KINDS:
            for number in range(times or kind.times):
                run = lab.by_plan(kind, seed=turn * 1000 + number)
                verdict = judge(kind, run)
                if verdict not in (_SUCCEEDED, _ROLLED_BACK):
                    pages = ", ".join(run.broken_pages) or "all pages work"
                    print(
                        f"  {kind.name}: {verdict} ({run.outcome}, {run.reason}; {pages})",
                        flush=True,
                    )
                yield Judged(kind, verdict, run)


def summarised(found: list[Judged]) -> dict[str, object]:
    """Return the figures by name: counts, and seconds as median, 95th percentile and longest."""
    counts = Counter(one.verdict for one in found)
    back = [one.run for one in found if one.verdict == _ROLLED_BACK]
    fine = [one.run for one in found if one.verdict == _SUCCEEDED]
    return {
        "updates": len(found),
        **{verdict: counts[verdict] for verdict in _VERDICTS},
        "seconds until it was installed and proven": _spread([run.seconds for run in fine]),
        "seconds until it was rolled back": _spread([run.seconds for run in back]),
        "seconds with an error for visitors, rolled back": _spread([run.errors_s for run in back]),
        "seconds with an error for visitors, succeeded": _spread([run.errors_s for run in fine]),
        "seconds of the maintenance page, succeeded": _spread([run.maintenance_s for run in fine]),
    }


def _spread(seconds: list[float]) -> str:
    if len(seconds) < 2:
        return "too few"
    p95 = quantiles(seconds, n=20, method="inclusive")[-1]
    return f"{median(seconds):.2f} (p95 {p95:.2f}, longest {max(seconds):.2f})"


def _table(found: list[Judged]) -> str:
    lines = [f"{'release':<40}{'times':>6}  what came of it"]
    for kind in KINDS:
        of_kind = Counter(one.verdict for one in found if one.kind is kind)
        came = ", ".join(f"{verdict} {times}" for verdict, times in of_kind.most_common())
        lines.append(f"{kind.name:<40}{of_kind.total():>6}  {came}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
