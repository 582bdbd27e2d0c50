"""Print every figure: `make bench`; `python -m bench oldest` for one machine alone, and
`python -m bench none` without any."""

from __future__ import annotations

import sys

from bench import audit_log, site, sync, wire
from tests.wordpress.engine import EngineFailed
from tests.wordpress.images import TESTED


def main() -> int:
    """Figures are for reading: a missed target is shown and does not fail the run."""
    machines = [one for one in sys.argv[1:] if one in TESTED]
    for which in machines or ([] if sys.argv[1:] else TESTED):
        print(f"SiteAgent on the {which} WordPress", flush=True)
        try:
            for figure in site.figures(which):
                print(figure.line(), flush=True)
        except EngineFailed as why:
            print(why, file=sys.stderr)
            return 1
    print("The audit log", flush=True)
    for figure in audit_log.figures():
        print(figure.line(), flush=True)
    print("Aura's syncs", flush=True)
    for figure in sync.figures():
        print(figure.line(), flush=True)
    print("The protocol in Python")
    for figure in wire.figures():
        print(figure.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
