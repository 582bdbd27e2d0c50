"""Run several processes as one. They are forked from one image, so that they share its memory.

When a process ends that nothing replaces, all end. When the supervisor was killed, its processes
notice that and end as well.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import pkgutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from app import logs
from app.config import Config
from app.run.inbox import SignalInbox

# How long the processes may take to stop after Ctrl-C.
_QUICK_STOP_S = 5.0
# How long a worker may take to cut off its running job.
_CUT_OFF_S = 2.0
_REPLACED_AFTER_S = 1.0
_STOPS = (signal.SIGINT, signal.SIGTERM)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """A process: its name, and the function that it runs as `package.module:function`.

    If `is_replaced`, another one is started when it ends. Otherwise all processes end then.
    """

    name: str
    function: str
    is_replaced: bool = False


class Supervisor:
    """The processes of one Aura.

    `why` is the reason why all of them ended; it stays empty after Ctrl-C or SIGTERM.
    """

    def __init__(self, config: Config) -> None:
        self.why = ""
        self._config = config
        self._running: list[tuple[BaseProcess, Part]] = []
        self._functions: dict[str, Callable[[], object]] = {}
        # Only this process has the writing end. When it ends, the others read the end of the file.
        self._lifeline, self._held = os.pipe()

    def run(self, parts: Iterable[Part], started: Callable[[], object] = lambda: None) -> None:
        """Run `parts` until Ctrl-C, SIGTERM or `end`, or until one that nothing replaces ends.

        This process must have no other thread until it calls `started`, because it forks. Later it
        only does so to replace a process.
        """
        chosen = list(parts)
        self._functions = {part.function: pkgutil.resolve_name(part.function) for part in chosen}
        # Otherwise each process would copy the memory it shares when it collects garbage.
        gc.collect()
        gc.freeze()
        self._inbox = SignalInbox(*_STOPS, signal.SIGCHLD)
        try:
            for part in chosen:
                self._start(part)
            started()
            while not (self.why or self._stop_signal()):
                self._inbox.wait()
                self._look_after()
        finally:
            self._stop_all()
            self._inbox.close()

    def end(self, why: str) -> None:
        """End every process because of something else; may be called from another thread."""
        self.why = self.why or why
        self._inbox.wake()

    def _stop_signal(self) -> signal.Signals | None:
        """Return the first one; a second Ctrl-C changes nothing."""
        return next((number for number in self._inbox.received if number in _STOPS), None)

    def _start(self, part: Part) -> None:
        fork = multiprocessing.get_context("fork")
        process = fork.Process(target=self._begin, args=(part,), name=part.name)
        # A signal to the new process waits until it no longer has the handlers of this one.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (*_STOPS, signal.SIGCHLD))
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._running.append((process, part))

    def _begin(self, part: Part) -> None:
        """Run a part, in a session of its own, so that Ctrl-C reaches the supervisor alone."""
        os.setsid()
        self._inbox.close()
        os.close(self._held)
        for number in _STOPS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_STOPS, signal.SIGCHLD))
        if sys.platform == "linux":
            # For ps and top; otherwise all processes have the supervisor's name there.
            Path("/proc/self/comm").write_text(f"aura-{part.name}")
        threading.Thread(target=_end_with, args=(self._lifeline,), daemon=True).start()
        logs.configure(part.name, as_json=self._config.logs_json)
        try:
            self._functions[part.function]()
        except Exception:  # noqa: BLE001 -- the process ends, and the log says why
            _log.exception("The %s process failed.", part.name)
            raise SystemExit(1) from None

    def _look_after(self) -> None:
        """Replace what has ended, or give the reason why all processes have to end."""
        for process, part in list(self._running):
            # A service manager may have stopped all of them at the same time.
            if process.exitcode is None or self._stop_signal():
                continue
            ending = describe_exit(process.exitcode)
            if not part.is_replaced:
                self.end(
                    f"The {part.name} process {ending}, so Aura stops. See its message above. "
                    "Aura continues its work at the next start. docs/OPERATIONS.md shows how to "
                    "restart it automatically."
                )
            else:
                _log.warning("The %s process %s. Starting another one.", part.name, ending)
                self._running.remove((process, part))
                time.sleep(_REPLACED_AFTER_S)
                self._start(part)

    def _stop_all(self) -> None:
        """Let the processes end what they have begun, then cut that off, then kill them."""
        number = self._stop_signal() or signal.SIGTERM
        self._signal_groups(number)
        self._join(_QUICK_STOP_S if number == signal.SIGINT else self._config.stop_within_s)
        # At a second signal, a worker ends its running job.
        self._signal_groups(signal.SIGTERM)
        self._join(_CUT_OFF_S)
        # A process that was killed may have left children in its group.
        self._signal_groups(signal.SIGKILL)
        for process, _ in self._running:
            process.join()

    def _join(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while any(process.exitcode is None for process, _ in self._running):
            if time.monotonic() >= deadline:
                return
            self._inbox.wait(deadline - time.monotonic())

    def _signal_groups(self, number: signal.Signals) -> None:
        for process, _ in self._running:
            try:
                os.killpg(_pid(process), number)
            except (ProcessLookupError, PermissionError):
                # The group has ended, for which macOS answers EPERM, or it is about to begin.
                if process.exitcode is None:
                    os.kill(_pid(process), number)


def describe_exit(status: int) -> str:
    """Describe an exit status in words that follow the name of the process."""
    if status < 0:
        return f"was killed by signal {-status}"
    return f"exited with status {status}"


def _pid(process: BaseProcess) -> int:
    if process.pid is None:
        raise ValueError(f"{process.name} was not started")
    return process.pid


def _end_with(lifeline: int) -> None:
    """Send this process SIGTERM once the supervisor has ended."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
