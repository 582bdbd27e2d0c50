"""End a process of Aura when its supervisor ends, for any reason."""

from __future__ import annotations

import os
import signal
import threading
import time

_LOOKS_EVERY_S = 1.0


def end_with(pid: int) -> None:
    """Send this process SIGTERM when process `pid` is gone; do nothing for 0.

    A killed supervisor cannot end its children, and the next start would find them running. Only
    Linux can notify a child, so this polls, which works everywhere.
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
