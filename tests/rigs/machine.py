"""The image the rigs run on: a WordPress machine's, with more servers installed.

`python -m tests.rigs.machine` builds it before tests start.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from tests.wordpress.engine import EngineFailed, docker, run_aloud
from tests.wordpress.images import image_of

WHICH = "oldest"
_SOURCES = Path(__file__).with_name("image")


def rigs_image() -> str:
    """Its tag, built now if nobody has built it yet on top of that WordPress image."""
    base = image_of(WHICH)
    digest = hashlib.sha256(base.encode())
    for path in sorted(_SOURCES.iterdir()):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    tag = f"aura-test-rigs:{digest.hexdigest()[:12]}"
    if not docker("image", "ls", "--quiet", tag).strip():
        # Proxies of this machine are known to docker by name and need no declaration.
        proxies = [one for one in ("http_proxy", "https_proxy", "no_proxy") if one in os.environ]
        run_aloud(
            "rigs",
            [
                *("docker", "build", "--network", "host", "--tag", tag),
                *(word for one in (f"BASE={base}", *proxies) for word in ("--build-arg", one)),
                str(_SOURCES),
            ],
        )
    return tag


if __name__ == "__main__":
    try:
        rigs_image()
    except EngineFailed as why:
        sys.exit(str(why))
