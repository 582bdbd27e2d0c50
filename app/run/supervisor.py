"""Run the processes of Aura as one: when one of them ends, all end.

`Supervisor` is what starts and stops them. `end_with` is for the processes themselves, because a
supervisor that was killed cannot stop them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

_CHECK_EVERY_S = 0.2
_CHECK_SUPERVISOR_EVERY_S = 1.0
# How long the processes may take to stop before they are killed.
_STOP_TIMEOUT_S = 5.0


class Supervisor:
    """The processes of one Aura.

    `why` is the reason why all of them ended; it stays empty after Ctrl-C or SIGTERM.
    """

    def __init__(self) -> None:
        self.why = ""
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, commands: Mapping[str, Sequence[str]]) -> None:
        """Run `commands`, by name, until Ctrl-C, SIGTERM or `end`, or until one of them ends."""
        # A process that a shell starts in the background ignores SIGINT.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        # env(1) replaces itself with the command, so the process id is the command's.
        prefix = ("env", f"AURA_SUPERVISOR_PID={os.getpid()}")
        try:
            with suppress(KeyboardInterrupt):
                for name, command in commands.items():
                    # In a session of its own, so that Ctrl-C reaches the supervisor alone.
                    self._processes[name] = subprocess.Popen(
                        [*prefix, *command], start_new_session=True
                    )
                while not self.why:
                    time.sleep(_CHECK_EVERY_S)
                    self._notice_end()
        finally:
            self._stop_all()

    def end(self, why: str) -> None:
        """End every process because of something else; may be called from another thread."""
        self.why = self.why or why

    def _notice_end(self) -> None:
        for name, process in self._processes.items():
            status = process.poll()
            if status is not None:
                self.end(
                    f"The {name} process {describe_exit(status)}, so Aura stops. See its message "
                    "above. Aura continues its work at the next start. docs/OPERATIONS.md shows "
                    "how to restart it automatically."
                )
                return

    def _stop_all(self) -> None:
        """Stop every process and its children, and wait; a second Ctrl-C changes nothing."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        # A process that was killed may have left children in its group, so it is signaled too.
        self._signal_groups(signal.SIGTERM)
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        self._signal_groups(signal.SIGKILL)
        for process in self._processes.values():
            process.wait()

    def _signal_groups(self, number: int) -> None:
        for process in self._processes.values():
            # macOS answers EPERM for a group whose processes have all ended.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)


def describe_exit(status: int) -> str:
    """Describe an exit status in words that follow the name of the process."""
    if status < 0:
        return f"was killed by signal {-status}"
    return f"exited with status {status}"


def end_with(pid: int) -> None:
    """Send this process SIGTERM once process `pid` has ended; never for 0.

    Linux alone could notify a child of its parent's death; polling works everywhere.
    """
    if pid:
        threading.Thread(target=_watch, args=(pid,), daemon=True).start()


def _watch(pid: int) -> None:
    while is_running(pid):
        time.sleep(_CHECK_SUPERVISOR_EVERY_S)
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
