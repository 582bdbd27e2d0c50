"""The image the rigs run on: a WordPress machine's, with more servers installed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tests.wordpress.engine import run_aloud
from tests.wordpress.images import image_exists, image_of, one_builder, prune, used

WHICH = "oldest"
_SOURCES = Path(__file__).with_name("image")


def rigs_image() -> str:
    """Return its tag; built now if missing on top of that WordPress image."""
    base = image_of(WHICH)
    digest = hashlib.sha256(base.encode())
    for path in sorted(_SOURCES.iterdir()):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    tag = f"aura-test-rigs:{digest.hexdigest()[:12]}"
    if not image_exists(tag):
        with one_builder("rigs"):
            if not image_exists(tag):
                _build(base, tag)
                prune(tag)
    used(tag)
    return tag


def _build(base: str, tag: str) -> None:
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
