"""Print every figure, and write them to var/bench.json: `make bench`.

`python -m bench oldest` measures one machine alone, and `python -m bench none` none.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from bench import audit_log, pages, processes, site, sync, uptime, vulnerabilities, wire
from bench.measure import Figure
from tests.wordpress.engine import EngineFailed

# The machines of tests/wordpress/images.py that each change is tested on.
MACHINES = ("oldest", "newest")
WRITTEN = Path("var") / "bench.json"


def main() -> int:
    """Figures are for reading: a missed target is shown and does not fail the run."""
    machines = [one for one in sys.argv[1:] if one in MACHINES]
    found: list[dict[str, object]] = []
    for which in machines or ([] if sys.argv[1:] else MACHINES):
        title = f"SiteAgent on the {which} WordPress"
        try:
            found += _shown(title, site.figures(which), wordpress=which)
        except EngineFailed as why:
            print(why, file=sys.stderr)
            return 1
    found += _shown("Pages of a thousand sites", pages.figures())
    found += _shown("The audit log", audit_log.figures())
    found += _shown("Aura's syncs", sync.figures())
    found += _shown("Aura's checks of front pages", uptime.figures())
    found += _shown("A feed of vulnerabilities", vulnerabilities.figures())
    found += _shown("The protocol in Python", wire.figures())
    found += _shown("Aura's processes", processes.figures())
    WRITTEN.parent.mkdir(exist_ok=True)
    WRITTEN.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"Written to {WRITTEN}")
    return 0


def _shown(title: str, figures: Iterable[Figure], **about: object) -> list[dict[str, object]]:
    """Print the figures as they come, and return them as plain values."""
    print(title, flush=True)
    found: list[dict[str, object]] = []
    for figure in figures:
        print(figure.line(), flush=True)
        found.append({**figure.as_json(), **about})
    return found


if __name__ == "__main__":
    sys.exit(main())
