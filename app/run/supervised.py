"""End a process of Aura with the process that supervises it, however that ended."""

from __future__ import annotations

import os
import signal
import threading
import time

_LOOKS_EVERY_S = 1.0


def end_with(pid: int) -> None:
    """Send this process SIGTERM once process `pid` is gone; with 0, for no supervisor, never.

    A supervisor that is killed cannot end its children, and the next start of Aura would find
    them at work. Linux alone could tell a child directly; looking works everywhere.
    """
    if pid:
        threading.Thread(target=_watch, args=(pid,), daemon=True).start()


def _watch(pid: int) -> None:
    while is_running(pid):
        time.sleep(_LOOKS_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)


def is_running(pid: int) -> bool:
    """Whether a process with this id exists, of any user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it runs as another user
    return True
