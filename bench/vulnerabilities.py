"""A feed of known vulnerabilities at its real size: time and memory, against reading its bytes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from app.domain.vulnerabilities.feed import FeedReader
from bench.measure import Figure, interleaved
from tests.support.vulnerability_feeds import write_large_feed

FEED_BYTES = 158 * 1000 * 1000
_WANTED = {("plugin", f"plugin-{number}") for number in range(200)}
_MOST_S, _MOST_MB = 60, 64
_CHILD = """
import sys
from pathlib import Path
from bench.vulnerabilities import read_feed
read_feed(Path(sys.argv[1]))
# Unlike ru_maxrss, this does not begin with the memory of the process that started this one.
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))
"""


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="aura-bench-") as folder:
        path = Path(folder) / "feed.json"
        records = write_large_feed(path, FEED_BYTES)
        what, floor = "reading a feed of 158 MB", "hashing its bytes"
        work = {what: lambda: read_feed(path), floor: lambda: _hash(path)}
        seconds = interleaved(work, 3)
        note = f" ({records:,} records)"
        yield Figure.absolute("feed.parse_s", what, seconds[what], "s", note=note, target=_MOST_S)
        yield Figure.ratio("feed.parse", what, floor, seconds)
        peak_mb = _peak_kb(path) / 1024
        yield Figure.absolute("feed.parse_peak_mb", "memory for it", peak_mb, "MB", target=_MOST_MB)


def read_feed(path: Path) -> int:
    """Read a file, and return how many records are wanted."""
    with path.open("rb") as file:
        return sum(1 for _ in FeedReader(file, _WANTED).read())


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 16):
            digest.update(chunk)
    return digest.hexdigest()


def _peak_kb(path: Path) -> int:
    command = [sys.executable, "-c", _CHILD, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


if __name__ == "__main__":
    began = time.monotonic()
    for figure in figures():
        print(figure.line())
    print(f"{time.monotonic() - began:.0f} s")
