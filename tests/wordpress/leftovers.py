"""Containers of test runs that were killed: found by the lock their owner no longer holds.

Every process that starts sites holds one locked file, and its containers carry the
file's name. The kernel releases the lock however the process ends. A container whose
file does not exist here stays, because its owner may still be running.
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
    """Return the name of this process's file, which is locked until the process ends."""
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
        if str(path) != ours:
            _remove_if_dead(path, abandoned.get(str(path), []))


def _remove_if_dead(path: Path, containers: list[str]) -> None:
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return  # another start has removed it
    try:
        # Held until everything is removed, so that no other start removes the same.
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.exists():
            for container in containers:
                docker("rm", "--force", "--volumes", container)
            path.unlink()
    except BlockingIOError:
        return  # its owner lives, or another start is removing it
    finally:
        os.close(handle)
