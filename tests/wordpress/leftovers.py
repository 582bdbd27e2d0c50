"""Containers of test runs that were killed: found by the lock their owner no longer holds.

Every process that starts sites holds one locked file, and its containers carry the
file's name. The kernel releases the lock however the process ends. A container whose
file does not exist here belongs to somebody whose life cannot be judged, and stays.
"""

from __future__ import annotations

import fcntl
import functools
import os
import tempfile
from pathlib import Path

from tests.wordpress.engine import docker
from tests.wordpress.images import CACHE

LABEL = "aura.test-site.owner"
_OWNERS = CACHE / "owners"


@functools.cache
def owner() -> str:
    """The name of this process's file, which stays locked until the process ends."""
    _OWNERS.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{os.getpid()}-", dir=_OWNERS)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return name


def remove_leftovers() -> None:
    """Remove the containers of owners that have died, and what is left of those owners."""
    ours = owner()
    listed = docker("ps", "--all", "--format", f'{{{{.ID}}}} {{{{.Label "{LABEL}"}}}}')
    abandoned: dict[str, list[str]] = {}
    for line in listed.splitlines():
        container, _, name = line.partition(" ")
        abandoned.setdefault(name, []).append(container)
    for path in _OWNERS.iterdir():
        if str(path) != ours and _is_dead(path):
            for container in abandoned.get(str(path), []):
                docker("rm", "--force", "--volumes", container)
            path.unlink(missing_ok=True)


def _is_dead(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False  # another start is cleaning up as well
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
