"""Run pytest while images and downloads are prepared: the tests that need none come first.

    python -m tests.support.run_beside_images [pytest's arguments]

Ends as pytest does, and with an error where something could not be prepared.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence

from tests.support.selection import OPTION

PREPARE = (sys.executable, "-m", "tests.support.prepare")
PYTEST = (sys.executable, "-m", "pytest")


def run(prepare: Sequence[str], tests: Sequence[str]) -> int:
    """Run both commands side by side and return an exit status, 0 where both succeeded.

    What `prepare` prints is shown where it failed only. Tests that failed end it.
    """
    with tempfile.TemporaryFile("w+") as log:
        preparing = subprocess.Popen(prepare, stdout=log, stderr=subprocess.STDOUT)
        try:
            status = subprocess.run(tests, check=False).returncode
            if status:
                preparing.terminate()
        except BaseException:
            preparing.terminate()
            raise
        finally:
            preparing.wait()
        if preparing.returncode and not status:
            log.seek(0)
            print(log.read(), "Preparing the images failed.", sep="\n", file=sys.stderr)
            return 1
    return status


if __name__ == "__main__":
    options = sys.argv[1:]
    everything = [OPTION] if OPTION in options else []
    sys.exit(run([*PREPARE, *everything], [*PYTEST, *options]))
