"""The folder with Aura's data belongs to one running Aura at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from app.config import Config


class InUse(Exception):
    """Another process uses the folder; the text says which one and what to do."""


@contextmanager
def locked(config: Config) -> Iterator[bool]:
    """Lock the data folder of this Aura; yield whether the previous Aura on it was killed.

    Two instances in one folder would share their queue and run every job twice. The lock file
    holds the process id for as long as Aura runs; one that is left behind means a kill.

    Raises: InUse.
    """
    path = config.var_dir / "aura.lock"
    with path.open("a+", encoding="ascii") as file:
        # Otherwise the folder would stay locked until the last forked process has ended.
        os.register_at_fork(after_in_child=file.close)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as why:
            file.seek(0)
            raise InUse(
                f"Aura is already running on the data in {config.var_dir} "
                f"(process {file.read().strip() or 'unknown'}). Use that one, or stop it first. "
                "For a second, separate Aura set AURA_VAR to another folder and PORT to "
                "another port."
            ) from why
        file.seek(0)
        previous_was_killed = file.read() != ""
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield previous_was_killed
        finally:
            file.truncate(0)
