"""`make chaos`, or `python -m tests.chaos [changes] [seed ...]`; fails if anything went wrong."""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from pathlib import Path

from app.models.base import db
from tests.chaos import real, simulated


def main() -> int:
    logging.getLogger("app.queue").setLevel(logging.ERROR)
    changes = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seeds = [int(text) for text in sys.argv[2:]] or [1, 2, 3]
    is_clean = True
    for kind, run in {"simulated": simulated.run, "real processes": real.run}.items():
        for seed in seeds:
            began = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="aura-chaos-") as folder:
                counts = run(seed, changes, Path(folder))
                db.close()
            print(f"{kind}, seed {seed}, {time.monotonic() - began:.0f} s: {counts}", flush=True)
            is_clean = is_clean and counts.is_clean
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
