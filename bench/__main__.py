"""Print every figure: `make bench`, or `python -m bench oldest` for one machine alone."""

from __future__ import annotations

import sys

from bench import site, wire
from tests.wordpress.engine import EngineFailed
from tests.wordpress.images import TESTED


def main() -> int:
    """Figures are for reading: a missed target is shown and does not fail the run."""
    for which in sys.argv[1:] or TESTED:
        print(f"SiteAgent on the {which} WordPress", flush=True)
        try:
            for figure in site.figures(which):
                print(figure.line(), flush=True)
        except EngineFailed as why:
            print(why, file=sys.stderr)
            return 1
    print("The protocol in Python")
    for figure in wire.figures():
        print(figure.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
